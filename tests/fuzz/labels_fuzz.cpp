// A labels file: what is accepted can be shown as it is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "inference-server/model/labels.hpp"

using namespace imageclassifier::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto labels = parse_labels(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!labels) return 0;
  if (labels->names.empty() || labels->names.size() > size) std::abort();
  if (!labels->wnids.empty() && labels->wnids.size() != labels->names.size()) std::abort();
  for (const auto& name : labels->names) {
    if (name.empty() || name.size() > 1000) std::abort();
    for (const char c : name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) std::abort();
    }
  }
  return 0;
}
