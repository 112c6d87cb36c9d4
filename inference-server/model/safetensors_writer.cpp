#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "common/sha256.hpp"
#include "inference-server/model/checksums.hpp"
#include "inference-server/model/safetensors.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::size_t kAlignment = 64;

std::string make_header(std::span<const FileTensor> tensors, Metadata metadata) {
  metadata[kChecksums] = make_checksums(tensors, metadata);
  nlohmann::ordered_json header = {{"__metadata__", metadata}};
  std::uint64_t offset = 0;
  for (const FileTensor& tensor : tensors) {
    const std::uint64_t end = offset + tensor.data.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kAlignment - (text.size() + 8) % kAlignment) % kAlignment, ' ');
  return text;
}

/// Creates an empty file beside `path` that no other writer has.
Result<std::string> create_beside(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return fail(ErrorCode::kInvalidArgument, "the output " + path + " is a folder; give the name of a file");
  }
  std::random_device random;
  const std::string part = path + ".part-" + std::to_string(random()) + std::to_string(random());
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0)
    return fail(ErrorCode::kUnavailable, "the file " + path + " cannot be written: " + std::strerror(errno));
  close(file);
  return part;
}

}  // namespace

Result<void> check_output(const std::string& path) {
  const auto part = create_beside(path);
  if (!part) return tl::unexpected(part.error());
  std::remove(part->c_str());
  return {};
}

Result<std::string> write_safetensors(const std::string& path, std::span<const FileTensor> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  const auto created = create_beside(path);
  if (!created) return tl::unexpected(created.error());
  const std::string& part = *created;
  const std::string header = make_header(tensors, metadata);
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length.push_back(static_cast<char>(header.size() >> shift));
  out << length << header;
  Sha256 digest;
  digest.update(length);
  digest.update(header);
  for (const FileTensor& tensor : tensors) {
    out.write(reinterpret_cast<const char*>(tensor.data.data()), static_cast<std::streamsize>(tensor.data.size()));
    digest.update(tensor.data);
  }
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(part, path, error);
  if (!out || error) {
    std::remove(part.c_str());
    return fail(ErrorCode::kUnavailable, "the file " + path + " cannot be written; is the disk full?");
  }
  return digest.hex_digest();
}

}  // namespace imageclassifier::model
