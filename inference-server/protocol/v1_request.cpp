#include "inference-server/protocol/v1_request.hpp"

#include <nlohmann/json.hpp>

#include "inference-server/protocol/base64.hpp"
#include "inference-server/protocol/v2_json.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxImages = 32;

tl::unexpected<Problem> bad_request(std::string detail) {
  return tl::unexpected<Problem>(Problem{ProblemCode::kBadRequest, std::move(detail)});
}

const std::string* text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? found->get_ptr<const std::string*>() : nullptr;
}

/// Null: there is none.
const std::string* encoded_picture(const Json& instance) {
  if (!instance.is_object()) return nullptr;
  for (const char* name : {"b64", "data"}) {
    if (const std::string* text = text_of(instance, name)) return text;
  }
  for (const Json& member : instance) {
    if (!member.is_object()) continue;
    if (const std::string* text = text_of(member, "b64")) return text;
  }
  return nullptr;
}

}  // namespace

tl::expected<std::vector<std::string>, Problem> parse_v1_request(std::string_view body) {
  Json root;
  std::vector<V2Data> no_tensors;
  if (auto problem = read_v2_json(body, root, no_tensors)) return tl::unexpected<Problem>(std::move(*problem));
  const auto instances = root.is_object() ? root.find("instances") : root.end();
  if (instances == root.end() || !instances->is_array() || instances->empty()) {
    return bad_request("The request needs instances: an array of at least one object.");
  }
  if (instances->size() > kMaxImages) {
    return tl::unexpected<Problem>(Problem{ProblemCode::kTooManyImages, "At most 32 pictures can be sent at once."});
  }
  std::vector<std::string> pictures;
  for (const Json& instance : *instances) {
    const std::string position = "Instance " + std::to_string(pictures.size() + 1);
    const std::string* text = encoded_picture(instance);
    if (text == nullptr) return bad_request(position + " has no picture; send {\"image_bytes\": {\"b64\": BASE64}}.");
    auto bytes = base64_decode(*text);
    if (!bytes) return bad_request(position + " is not in base64 (the standard alphabet, padded, no line ends).");
    pictures.push_back(std::move(*bytes));
  }
  return pictures;
}

}  // namespace imageclassifier::protocol
