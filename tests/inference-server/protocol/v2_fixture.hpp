#pragma once

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/inference-server/protocol/protocol_fixture.hpp"

namespace imageclassifier::test {

using Json = nlohmann::json;

inline std::string header_of(const std::string& response, const std::string& name) {
  const std::string head = response.substr(0, response.find("\r\n\r\n") + 2);
  const auto begin = head.find("\r\n" + name + ": ");
  if (begin == std::string::npos) return {};
  const auto value = begin + name.size() + 4;
  return head.substr(value, head.find("\r\n", value) - value);
}

inline Json json_of(const std::string& response) {
  return Json::parse(body_of(response));
}

/// Every error of the protocol: one sentence, exactly this type.
inline void check_v2_error(const std::string& response, int status) {
  INFO(response);
  CHECK(status_of(response) == status);
  CHECK(header_of(response, "Content-Type") == "application/json");
  const Json json = json_of(response);
  CHECK(json.size() == 1);
  CHECK_FALSE(json["error"].get<std::string>().empty());
}

inline std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t all = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      all = all << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[all >> (18 - 6 * j) & 63];
  }
  return text;
}

class V2Fixture : public ProtocolFixture {
 public:
  using ProtocolFixture::ProtocolFixture;

  std::string infer(const std::string& body, const std::string& headers = {}) const {
    return request("POST", "/v2/models/brightness/infer", headers, body);
  }
  std::string infer(const Json& json) const { return infer(json.dump()); }
  /// JSON and the tensors' bytes behind it.
  std::string infer(const Json& json, const std::string& bytes, const std::string& headers = {}) const {
    const std::string text = json.dump();
    return infer(text + bytes, headers + "Inference-Header-Content-Length: " + std::to_string(text.size()) + "\r\n");
  }
};

inline Json image_request(const std::vector<std::string>& pictures) {
  Json data = Json::array();
  for (const std::string& picture : pictures) data.push_back(base64(picture));
  return {{"inputs", {{{"name", "image"}, {"datatype", "BYTES"}, {"shape", {pictures.size()}}, {"data", data}}}}};
}

}  // namespace imageclassifier::test
