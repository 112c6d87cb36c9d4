#pragma once

#include <algorithm>
#include <string>

#include "operator/registry/docker_config.hpp"

namespace imageclassifier::testing {

/// A JSON Web Token with this payload, signed by nobody.
inline std::string jwt(const std::string& payload) {
  const auto encoded = [](const std::string& text) {
    std::string result = registry::base64_encode(text);
    result.erase(result.find_last_not_of('=') + 1);
    for (char& c : result) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return result;
  };
  return encoded(R"({"alg": "RS256"})") + "." + encoded(payload) + ".c2lnbmF0dXJl";
}

}  // namespace imageclassifier::testing
