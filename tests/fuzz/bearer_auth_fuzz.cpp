// The Authorization header that strangers send: nothing but one of the tokens opens the door.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/http_framing.hpp"
#include "inference-server/protocol/bearer_auth.hpp"

using namespace imageclassifier;

namespace {

protocol::BearerAuth& door() {
  static const std::string folder = [] {
    std::string path = (std::filesystem::temp_directory_path() / "bearer-auth-fuzz-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    std::ofstream(path + "/tokens") << "aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb==\n";
    return path;
  }();
  static protocol::BearerAuth auth(folder + "/tokens");
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
  std::string token;
  if (space != std::string::npos && equals_ignoring_case(given.substr(0, space), "bearer")) {
    token = given.substr(std::min(given.size(), given.find_first_not_of(' ', space)));
  }
  const bool right = token == "aaaaaaaaaaaaaaaa" || token == "bbbbbbbbbbbbbbbb==";
  if (door().admits(request) != right) std::abort();
  return 0;
}
