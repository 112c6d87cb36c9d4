// The Authorization header that strangers send: nothing but the credentials opens the door.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/http_framing.hpp"
#include "inference-server/protocol/basic_auth.hpp"

using namespace imageclassifier;

namespace {

protocol::BasicAuth& door() {
  static const std::string folder = [] {
    std::string path = (std::filesystem::temp_directory_path() / "basic-auth-fuzz-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    std::ofstream(path + "/line") << "user:pass";
    return path;
  }();
  static protocol::BasicAuth auth(folder + "/line");
  static const bool loaded = auth.load().has_value() && std::filesystem::remove_all(folder) > 0;
  if (!loaded) std::abort();
  return auth;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string given(data, data + size);
  HttpRequest request{.method = "GET", .target = "/", .path = "/", .query = ""};
  request.headers = {{"Authorization", given}};
  const auto space = given.find(' ');
  const bool right = space != std::string::npos && equals_ignoring_case(given.substr(0, space), "basic") &&
                     given.substr(std::min(given.size(), given.find_first_not_of(' ', space))) == "dXNlcjpwYXNz";
  if (door().admits(request) != right) std::abort();
  return 0;
}
