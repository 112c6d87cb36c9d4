#include "inference-server/model/safetensors.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace imageclassifier::model {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 15> kTypeBytes{{{"BOOL", 1},
                                                                                 {"U8", 1},
                                                                                 {"I8", 1},
                                                                                 {"F8_E5M2", 1},
                                                                                 {"F8_E4M3", 1},
                                                                                 {"I16", 2},
                                                                                 {"U16", 2},
                                                                                 {"F16", 2},
                                                                                 {"BF16", 2},
                                                                                 {"I32", 4},
                                                                                 {"U32", 4},
                                                                                 {"F32", 4},
                                                                                 {"F64", 8},
                                                                                 {"I64", 8},
                                                                                 {"U64", 8}}};

tl::unexpected<Error> refuse(std::string why) {
  return fail(ErrorCode::kInvalidArgument, "not a safetensors file: " + std::move(why));
}

std::optional<std::uint64_t> bytes_per_element(std::string_view dtype) {
  for (const auto& [name, bytes] : kTypeBytes) {
    if (name == dtype) return bytes;
  }
  return std::nullopt;
}

struct Placed {
  std::string name;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Result<std::string_view> header_text(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes) return refuse("it is shorter than its 8-byte header length");
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = (length << 8) | std::to_integer<std::uint64_t>(file[i]);
  if (length > kMaxHeaderBytes) return refuse("the header is declared longer than 100,000,000 bytes");
  if (length > file.size() - kLengthBytes) return refuse("the header is declared longer than the file");
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{') return refuse("the header does not begin with {");
  return text;
}

/// Parses while watching for repeated names, which the library would merge silently.
Result<Json> parse_header(std::string_view text) {
  std::vector<std::set<std::string>> open_objects;
  std::string duplicate;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key && !open_objects.back().insert(parsed.get<std::string>()).second) {
      duplicate = parsed.get<std::string>();
    }
    return true;
  };
  Json header = Json::parse(text, watch, false);
  if (header.is_discarded() || !header.is_object()) return refuse("the header is not a JSON object");
  if (!duplicate.empty()) return refuse("the name \"" + duplicate + "\" appears twice in the header");
  return header;
}

Result<std::map<std::string, std::string>> read_metadata(const Json& object) {
  if (!object.is_object()) return refuse("__metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return refuse("__metadata__ \"" + key + "\" is not a string");
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

Result<std::vector<std::uint64_t>> read_numbers(const Json& object, const char* member, const std::string& name) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_array()) return refuse("tensor " + name + " has no list \"" + member + "\"");
  std::vector<std::uint64_t> numbers;
  for (const Json& value : *found) {
    if (!value.is_number_unsigned()) {
      return refuse("tensor " + name + " has a value in \"" + member + "\" that is not a count");
    }
    numbers.push_back(value.get<std::uint64_t>());
  }
  return numbers;
}

Result<std::uint64_t> size_in_bytes(const TensorView& tensor, const std::string& name) {
  const auto element = bytes_per_element(tensor.dtype);
  if (!element) return refuse("tensor " + name + " has the unknown type \"" + tensor.dtype + "\"");
  std::uint64_t size = *element;
  for (const std::uint64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(size, extent, &size)) return refuse("tensor " + name + " has an impossible shape");
  }
  return size;
}

Result<std::pair<TensorView, Placed>> read_tensor(const std::string& name, const Json& object,
                                                  std::span<const std::byte> buffer) {
  if (!object.is_object()) return refuse("tensor " + name + " is not described by an object");
  TensorView tensor;
  const auto dtype = object.find("dtype");
  if (dtype == object.end() || !dtype->is_string()) return refuse("tensor " + name + " has no dtype");
  tensor.dtype = dtype->get<std::string>();
  auto shape = read_numbers(object, "shape", name);
  if (!shape) return tl::unexpected(shape.error());
  tensor.shape = std::move(*shape);
  const auto offsets = read_numbers(object, "data_offsets", name);
  if (!offsets) return tl::unexpected(offsets.error());
  if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    return refuse("tensor " + name + " has invalid data_offsets");
  }
  const Placed placed{name, (*offsets)[0], (*offsets)[1]};
  if (placed.end > buffer.size()) return refuse("tensor " + name + " ends behind the end of the file (is it cut off?)");
  const auto size = size_in_bytes(tensor, name);
  if (!size) return tl::unexpected(size.error());
  if (*size != placed.end - placed.begin) {
    return refuse("tensor " + name + " has a shape that does not match its data_offsets");
  }
  tensor.data = buffer.subspan(placed.begin, placed.end - placed.begin);
  return std::pair(std::move(tensor), placed);
}

Result<void> check_coverage(std::vector<Placed> placed, std::uint64_t buffer_size) {
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t covered = 0;
  for (const Placed& tensor : placed) {
    if (tensor.begin < covered) return refuse("tensor " + tensor.name + " overlaps the one before it");
    if (tensor.begin > covered) return refuse("there is a hole before tensor " + tensor.name);
    covered = tensor.end;
  }
  if (covered != buffer_size) return refuse("there are bytes behind the last tensor");
  return {};
}

}  // namespace

Result<Safetensors> parse_safetensors(std::span<const std::byte> file) {
  const auto text = header_text(file);
  if (!text) return tl::unexpected(text.error());
  const auto header = parse_header(*text);
  if (!header) return tl::unexpected(header.error());
  const auto buffer = file.subspan(kLengthBytes + text->size());

  Safetensors result;
  std::vector<Placed> placed;
  for (const auto& [name, object] : header->items()) {
    if (name == "__metadata__") {
      auto metadata = read_metadata(object);
      if (!metadata) return tl::unexpected(metadata.error());
      result.metadata = std::move(*metadata);
      continue;
    }
    auto tensor = read_tensor(name, object, buffer);
    if (!tensor) return tl::unexpected(tensor.error());
    result.tensors.emplace(name, std::move(tensor->first));
    placed.push_back(std::move(tensor->second));
  }
  if (auto covered = check_coverage(std::move(placed), buffer.size()); !covered) {
    return tl::unexpected(covered.error());
  }
  return result;
}

}  // namespace imageclassifier::model
