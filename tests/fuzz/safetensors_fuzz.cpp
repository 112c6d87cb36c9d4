// The weights file's header: what is accepted covers the file's data exactly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "inference-server/model/manifest.hpp"
#include "inference-server/model/safetensors.hpp"

using namespace imageclassifier::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto parsed = parse_safetensors(file);
  if (!parsed) return 0;
  std::size_t covered = 0;
  for (const auto& [name, tensor] : parsed->tensors) {
    if (tensor.data.data() < file.data() || tensor.data.data() + tensor.data.size() > file.data() + size) std::abort();
    covered += tensor.data.size();
  }
  if (covered > size - 8) std::abort();
  const auto manifest = parse_manifest(parsed->metadata);
  if (manifest && (manifest->transform.crop < 1 || !(manifest->temperature > 0))) std::abort();
  return 0;
}
