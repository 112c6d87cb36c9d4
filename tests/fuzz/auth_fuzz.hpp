#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/http_framing.hpp"

namespace imageclassifier::fuzz {

/// A door (BasicAuth, BearerAuth) that a file with this text opens; one for each type.
template <typename Auth>
Auth& door(std::string_view text) {
  static const std::string folder = [text] {
    std::string path = (std::filesystem::temp_directory_path() / "auth-fuzz-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    std::ofstream(path + "/credentials") << text;
    return path;
  }();
  static Auth auth(folder + "/credentials");
  static const bool loaded = auth.load().has_value() && std::filesystem::remove_all(folder) > 0;
  if (!loaded) std::abort();
  return auth;
}

/// The Authorization header that strangers send: nothing but `scheme`, in any case, spaces and one of `right` opens.
template <typename Auth>
void try_door(Auth& auth, std::string_view scheme, const std::vector<std::string>& right, const std::uint8_t* data,
              std::size_t size) {
  const std::string given(data, data + size);
  HttpRequest request{.method = "GET", .target = "/", .path = "/", .query = ""};
  request.headers = {{"Authorization", given}};
  const auto space = given.find(' ');
  const bool opens =
      space != std::string::npos && equals_ignoring_case(given.substr(0, space), scheme) &&
      std::find(right.begin(), right.end(),
                given.substr(std::min(given.size(), given.find_first_not_of(' ', space)))) != right.end();
  if (auth.admits(request) != opens) std::abort();
}

}  // namespace imageclassifier::fuzz
