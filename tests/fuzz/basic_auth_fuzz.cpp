// The Authorization header that strangers send: nothing but the credentials opens the door.
#include "inference-server/protocol/basic_auth.hpp"
#include "tests/fuzz/auth_fuzz.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::try_door(fuzz::door<protocol::BasicAuth>("user:pass"), "basic", {"dXNlcjpwYXNz"}, data, size);
  return 0;
}
