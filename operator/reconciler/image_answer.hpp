#pragma once

#include <optional>
#include <string>

#include "operator/registry/preflight.hpp"

namespace imageclassifier::reconciler {

/// An image, and who asks for it.
struct ImageQuestion {
  registry::ImageReference reference;
  std::optional<registry::Credential> credential;
  std::string authorities;        ///< PEM, to be trusted beside those of the operator
  std::string pinned;             ///< digest that the pods run, which must not vanish either; empty: none
  std::optional<Duration> again;  ///< asked anew as soon as that, if it is sooner than usual

  /// The same for the same question. Tells nothing of the credential.
  std::string id() const;
  /// The same for the same credential, and tells nothing of it.
  std::string credential_id() const;
};

struct ImageAnswer {
  registry::Preflight named;                  ///< of the reference
  std::optional<registry::Preflight> pinned;  ///< of the pinned digest, where the name stands for it no longer
  int failures = 0;                           ///< in a row without an answer of the registry

  friend bool operator==(const ImageAnswer& left, const ImageAnswer& right) {
    return left.named == right.named && left.pinned == right.pinned;
  }
};

}  // namespace imageclassifier::reconciler
