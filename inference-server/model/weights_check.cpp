#include "inference-server/model/weights_check.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::uint64_t kMaxClasses = 100'000;

std::string to_text(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

tl::unexpected<Error> refuse(const std::string& tensor, const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "the weights file does not fit: tensor " + tensor + " " + why);
}

Result<int> count_classes(const Safetensors& file) {
  const auto head = file.tensors.find("fc.weight");
  if (head == file.tensors.end()) return refuse("fc.weight", "is missing");
  const auto& shape = head->second.shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[0] > kMaxClasses) {
    return refuse("fc.weight", "has the shape " + to_text(shape) + ", not classes x features");
  }
  return static_cast<int>(shape[0]);
}

}  // namespace

Result<CheckedWeights> check_weights(const Architecture& architecture, const Safetensors& file) {
  const auto classes = count_classes(file);
  if (!classes) return tl::unexpected(classes.error());
  CheckedWeights checked;
  checked.classes = *classes;
  for (const TensorSpec& spec : tensors_of(architecture, *classes)) {
    const auto found = file.tensors.find(spec.name);
    if (found == file.tensors.end()) return refuse(spec.name, "of " + architecture.name + " is missing");
    const TensorView& tensor = found->second;
    if (tensor.dtype != "F32") return refuse(spec.name, "has the type " + tensor.dtype + "; F32 is read");
    if (tensor.shape != spec.shape) {
      return refuse(spec.name, "has the shape " + to_text(tensor.shape) + "; " + architecture.name + " needs " +
                                   to_text(spec.shape));
    }
    checked.tensors.emplace(spec.name, tensor.data);
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (!checked.tensors.contains(name) && !name.ends_with(".num_batches_tracked")) {
      return refuse(name, "does not belong to " + architecture.name);
    }
  }
  return checked;
}

}  // namespace imageclassifier::model
