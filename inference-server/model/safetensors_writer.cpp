#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "common/sha256.hpp"
#include "inference-server/model/safetensors.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::size_t kAlignment = 64;

std::string make_header(std::span<const FileTensor> tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
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

}  // namespace

Result<std::string> write_safetensors(const std::string& path, std::span<const FileTensor> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  const std::string part = path + ".part";
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
