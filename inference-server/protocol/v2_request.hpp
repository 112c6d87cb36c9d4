#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "inference-server/protocol/classifier.hpp"

namespace imageclassifier::protocol {

inline constexpr std::string_view kV2ImageInput = "image";   ///< BYTES [N]: encoded pictures
inline constexpr std::string_view kV2TensorInput = "input";  ///< FP32 [N, 3, crop, crop]: preprocessed by the client
inline constexpr std::string_view kV2Logits = "logits";      ///< FP32 [N, classes]
inline constexpr std::string_view kV2Probabilities = "probabilities";  ///< softmax(logits / temperature)

struct V2Output {
  std::string name;
  bool binary = false;
  int classification = 0;  ///< 0: the tensor; else so many of its best classes as BYTES "value:index:label"
};

/// What the answer needs of a request.
struct V2Wanted {
  std::optional<std::string> id;
  std::vector<V2Output> outputs;
};

/// An inference request: pictures or inputs, never both.
struct V2Request {
  V2Wanted wanted;
  std::vector<Picture> pictures;  ///< point into the body or into `decoded`
  std::vector<std::string> decoded;
  std::vector<preprocess::Input> inputs;
  ClassifyOptions options;                           ///< priority, and how pictures are read
  std::optional<std::chrono::microseconds> timeout;  ///< asked for
};

/// Parses the body of POST /v2/models/{m}/infer. `json_bytes` is what Inference-Header-Content-Length says: how much of
/// the body is JSON, with the tensors' bytes behind; without it all is JSON. `crop` is the model's. kBadRequest, or
/// kBadParameter for a request parameter.
tl::expected<V2Request, Problem> parse_v2_request(std::string_view body, std::optional<std::size_t> json_bytes,
                                                  int crop);

}  // namespace imageclassifier::protocol
