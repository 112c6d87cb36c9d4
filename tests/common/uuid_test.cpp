#include "common/uuid.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

TEST_CASE("a UUID is of version 4 and never the same") {
  CHECK_THAT(random_uuid(), Catch::Matches("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  CHECK(random_uuid() != random_uuid());
}
