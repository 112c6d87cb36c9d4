#include "inference-server/model/weights_file.hpp"

#include <string>
#include <utility>

#include "inference-server/model/checksums.hpp"
#include "inference-server/model/manifest.hpp"

namespace imageclassifier::model {
namespace {

bool has_block(const Safetensors& file, int stage, int block) {
  return file.tensors.contains("layer" + std::to_string(stage) + "." + std::to_string(block) + ".conv1.weight");
}

bool fits(const Safetensors& file, const Architecture& architecture) {
  if (file.tensors.contains("layer1.0.conv3.weight") != architecture.bottleneck) return false;
  for (int stage = 1; stage <= 4; ++stage) {
    const int blocks = architecture.blocks[static_cast<std::size_t>(stage - 1)];
    if (!has_block(file, stage, blocks - 1) || has_block(file, stage, blocks)) return false;
  }
  return true;
}

Result<NamedTensors> parse(std::span<const std::byte> file) {
  if (is_torch_file(file)) return parse_torch_file(file);
  auto parsed = parse_safetensors(file);
  if (!parsed) return tl::unexpected(parsed.error());
  return NamedTensors{std::move(*parsed), {}};
}

}  // namespace

Result<Architecture> recognise_architecture(const Safetensors& file) {
  for (const Architecture& architecture : known_architectures()) {
    if (fits(file, architecture)) return architecture;
  }
  return fail(ErrorCode::kInvalidArgument,
              "the tensors of the weights file are not those of resnet18, resnet34, resnet50, resnet101 or resnet152");
}

Result<NamedTensors> read_weights_file(std::span<const std::byte> file) {
  auto tensors = parse(file);
  if (!tensors || tensors->content.metadata.contains("architecture")) return tensors;
  if (const auto architecture = recognise_architecture(tensors->content)) {
    tensors->content.metadata.emplace("architecture", architecture->name);
  }
  return tensors;
}

Result<NamedTensors> read_intact_weights_file(std::span<const std::byte> file) {
  auto tensors = read_weights_file(file);
  if (!tensors) return tensors;
  if (auto intact = check_tensors(tensors->content); !intact) return tl::unexpected(intact.error());
  return tensors;
}

Result<std::string> write_weights(const std::string& path, const Architecture& architecture, int classes,
                                  const TensorBytes& tensors, const Manifest& manifest) {
  std::vector<FileTensor> ordered;
  for (const TensorSpec& spec : tensors_of(architecture, classes)) {
    const auto found = tensors.find(spec.name);
    if (found == tensors.end() || found->second.size() != spec.elements() * sizeof(float)) {
      return fail(ErrorCode::kInternal, "the weights have no tensor " + spec.name + " of the right size");
    }
    ordered.push_back({spec.name, spec.shape, found->second});
  }
  return write_safetensors(path, ordered, to_metadata(manifest));
}

}  // namespace imageclassifier::model
