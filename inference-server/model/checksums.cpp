#include "inference-server/model/checksums.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace imageclassifier::model {
namespace {

using Json = nlohmann::json;

std::string checksum(std::span<const std::byte> bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

std::string checksum(const std::string& text) {
  return checksum(std::as_bytes(std::span(text)));
}

tl::unexpected<Error> damaged(const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, "the weights file is damaged: " + what +
                                               " is not as it was written; copy, download or make the file again");
}

/// One of the two lists; null: the file has no checksums.
Result<Json> read(const Metadata& metadata, const char* list) {
  const auto text = metadata.find(kChecksums);
  if (text == metadata.end()) return Json();
  const Json all = Json::parse(text->second, nullptr, false);
  if (!all.is_object() || !all.contains(list) || !all[list].is_object()) return damaged("its list of checksums");
  return all[list];
}

bool equals(const Json& list, const std::string& name, const std::string& actual) {
  const auto found = list.find(name);
  return found != list.end() && found->is_string() && found->get_ref<const std::string&>() == actual;
}

std::string actual(const Metadata& metadata, const std::string& member) {
  const auto found = metadata.find(member);
  return found == metadata.end() ? std::string("missing") : checksum(found->second);
}

}  // namespace

std::string make_checksums(std::span<const FileTensor> tensors, const Metadata& metadata) {
  Json json = {{"tensors", Json::object()}, {"manifest", Json::object()}};
  for (const FileTensor& tensor : tensors) json["tensors"][tensor.name] = checksum(tensor.data);
  for (const auto& [member, text] : metadata) {
    if (member != kChecksums) json["manifest"][member] = checksum(text);
  }
  return json.dump();
}

Result<void> check_tensors(const Safetensors& file) {
  const auto list = read(file.metadata, "tensors");
  if (!list) return tl::unexpected(list.error());
  if (list->is_null()) return {};
  for (const auto& [name, tensor] : file.tensors) {
    if (!equals(*list, name, checksum(tensor.data))) return damaged("tensor " + name);
  }
  return {};
}

Result<bool> is_intact(const Metadata& metadata, const std::string& member) {
  const auto list = read(metadata, "manifest");
  if (!list) return tl::unexpected(list.error());
  return !list->contains(member) || equals(*list, member, actual(metadata, member));
}

Result<void> check_members(const Metadata& metadata, const std::string& except) {
  const auto list = read(metadata, "manifest");
  if (!list) return tl::unexpected(list.error());
  for (const auto& [member, written] : list->items()) {
    if (member != except && !equals(*list, member, actual(metadata, member))) {
      return damaged("\"" + member + "\" of its manifest");
    }
  }
  return {};
}

}  // namespace imageclassifier::model
