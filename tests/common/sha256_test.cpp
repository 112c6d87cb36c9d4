#include "common/sha256.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

// Vectors of FIPS 180-4.
TEST_CASE("SHA-256 gives the standard's digests") {
  CHECK(sha256_hex(std::string_view("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(std::string_view("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("SHA-256 in pieces equals SHA-256 at once") {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  CHECK(hash.hex_digest() == sha256_hex(std::string_view("abc")));
}
