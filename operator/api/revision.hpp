#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/api/object_meta.hpp"
#include "operator/api/packed_text.hpp"

namespace imageclassifier::api {

/// What is known of a revision beside its pod template, which never changes. It stands on the object itself, so that
/// it outlives the operator and the status of the resource, and in its annotations, which a cache of metadata has.
struct RevisionMarks {
  std::int64_t number = 0;     ///< the highest is the one that was wanted last
  std::string specification;   ///< what the user says of the pods, see resources::specification_digest
  std::int64_t completed = 0;  ///< the highest was rolled out last; 0: never was
  std::string failure;  ///< why it is not to be tried again, as JSON {reason, message, remedy}; empty: nothing known
  friend bool operator==(const RevisionMarks&, const RevisionMarks&) = default;
};

inline constexpr const char* kNumberAnnotation = "imageclassifier.dev/number";
inline constexpr const char* kSpecificationAnnotation = "imageclassifier.dev/specification";
inline constexpr const char* kCompletedAnnotation = "imageclassifier.dev/completed";
inline constexpr const char* kFailureAnnotation = "imageclassifier.dev/failure";
/// The images that containers of the template run, each once, with commas between them.
inline constexpr const char* kImagesAnnotation = "imageclassifier.dev/images";
/// Of the Secrets that the operator makes those that the template names, with commas between them.
inline constexpr const char* kSecretsAnnotation = "imageclassifier.dev/secrets";
/// "Basic" if pods of the template ask their callers for a password.
inline constexpr const char* kAuthenticationAnnotation = "imageclassifier.dev/authentication";
/// The TCP port from which pods of the template download their model; absent if they download none.
inline constexpr const char* kModelPortAnnotation = "imageclassifier.dev/model-port";
/// The Secret whose certificate pods of the template show; absent if they speak plain HTTP.
inline constexpr const char* kTlsSecretAnnotation = "imageclassifier.dev/tls-secret";

/// The metadata of an apps/v1 ControllerRevision that holds a pod template of ours. The template itself is read when it
/// is needed (see decode_template): it is most of the object, and the API server lets nobody change it.
struct Revision {
  ObjectMeta metadata;
  RevisionMarks marks;
  std::string images;           ///< kImagesAnnotation
  std::string secrets;          ///< kSecretsAnnotation
  bool guarded = false;         ///< kAuthenticationAnnotation
  std::int64_t model_port = 0;  ///< kModelPortAnnotation; 0: none
  std::string tls_secret;       ///< kTlsSecretAnnotation
  PackedText owned;             ///< labels, annotations and owner references, in the shape of the object
};

/// From the API server's JSON, of the whole object or its PartialObjectMetadata; kInvalidArgument if it is not a JSON
/// object.
Result<Revision> decode_revision(std::string_view json);

/// The pod template that a whole ControllerRevision holds, as JSON; kDataLoss if it holds none.
Result<std::string> decode_template(std::string_view json);

}  // namespace imageclassifier::api
