#include "common/percent_encode.hpp"

#include <catch2/catch.hpp>

TEST_CASE("all but the unreserved characters of a URL is escaped") {
  CHECK(imageclassifier::percent_encode("aZ0-._~ /\xff") == "aZ0-._~%20%2F%FF");
}
