#include "inference-server/model/picture_file.hpp"

#include "common/file.hpp"

namespace imageclassifier::model {

Result<preprocess::Input> read_picture_file(const std::string& path, const preprocess::TransformSpec& transform) {
  constexpr std::uint64_t kMaximumFile = 256 * 1024 * 1024;
  const auto bytes = read_regular_file(path, kMaximumFile);
  if (!bytes) return fail(bytes.error().code, "the file cannot be read or has more than 256 MiB");
  auto prepared = preprocess::preprocess_file(std::as_bytes(std::span(*bytes)), transform);
  if (!prepared) return fail(ErrorCode::kInvalidArgument, prepared.error().message);
  return std::move(prepared->input);
}

}  // namespace imageclassifier::model
