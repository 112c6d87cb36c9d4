// An inference request of the Open Inference Protocol. The first two bytes say how much of the rest is JSON, with the
// tensors' bytes behind; 65535 stands for no such header. The model's crop is 2, so that tensors are short.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "inference-server/protocol/v2_request.hpp"

using namespace imageclassifier::protocol;

namespace {

bool within(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t length = data[0] + 256U * data[1];
  const std::string body(data + 2, data + size);
  const auto parsed = parse_v2_request(body, length == 65535 ? std::nullopt : std::optional<std::size_t>(length), 2);
  if (!parsed) {
    if (parsed.error().detail.empty()) std::abort();
    return 0;
  }
  if (parsed->pictures.empty() == parsed->inputs.empty() || parsed->wanted.outputs.empty()) std::abort();
  for (const auto& input : parsed->inputs) {
    if (input.values.size() != 12) std::abort();
    for (const float value : input.values) {
      if (!std::isfinite(value)) std::abort();
    }
  }
  for (std::size_t i = 0; i < parsed->pictures.size(); ++i) {
    const std::string_view bytes = parsed->pictures[i].bytes;
    if (parsed->decoded.empty() ? !within(bytes, body) : !within(bytes, parsed->decoded[i])) std::abort();
  }
  return 0;
}
