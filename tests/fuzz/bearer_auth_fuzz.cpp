// The Authorization header that strangers send: nothing but one of the tokens opens the door.
#include "inference-server/protocol/bearer_auth.hpp"
#include "tests/fuzz/auth_fuzz.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::try_door(fuzz::door<protocol::BearerAuth>("aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb==\n"), "bearer",
                 {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb=="}, data, size);
  return 0;
}
