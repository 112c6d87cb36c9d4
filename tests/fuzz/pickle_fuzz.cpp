// The pickle in a .pth file: what is accepted refers to its own values only, and asks for no name but the allowed ones.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/model/pickle_reader.hpp"

using namespace imageclassifier::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto pickle = read_pickle(std::as_bytes(std::span(data, size)));
  if (!pickle) return 0;
  if (pickle->size > size || pickle->root >= pickle->nodes.size()) std::abort();
  for (const PickleNode& node : pickle->nodes) {
    for (const std::uint32_t item : node.items) {
      if (item >= pickle->nodes.size()) std::abort();
    }
    const bool allowed = node.text.starts_with("torch") || node.text == "collections OrderedDict";
    if (node.kind == PickleKind::kGlobal && !allowed) std::abort();
    if (node.kind == PickleKind::kDict && node.items.size() % 2 != 0) std::abort();
  }
  return 0;
}
