#include "operator/resources/ranges.hpp"

#include <catch2/catch.hpp>

using imageclassifier::resources::common_ranges;
using Ranges = std::vector<std::string>;

TEST_CASE("of two lists of networks those remain that lie in both") {
  CHECK(common_ranges({"10.0.0.0/8"}, {"10.1.0.0/16", "192.168.0.0/24"}) == Ranges{"10.1.0.0/16"});
  CHECK(common_ranges({"10.1.2.0/23", "172.16.0.0/12"}, {"10.1.0.0/16"}) == Ranges{"10.1.2.0/23"});
  CHECK(common_ranges({"10.1.0.0/16"}, {"10.1.0.0/16"}) == Ranges{"10.1.0.0/16"});
  CHECK(common_ranges({"2001:db8::/32"}, {"2001:db8:7::/48", "10.0.0.0/8"}) == Ranges{"2001:db8:7::/48"});
  CHECK(common_ranges({"0.0.0.0/0"}, {"10.0.0.0/8", "2001:db8::/32"}) == Ranges{"10.0.0.0/8"});
}

TEST_CASE("an empty list of networks is everybody, and never what two lists have in common") {
  CHECK(common_ranges({}, {"10.0.0.0/8"}) == Ranges{"10.0.0.0/8"});
  CHECK(common_ranges({"10.0.0.0/8"}, {}) == Ranges{"10.0.0.0/8"});
  CHECK(common_ranges({}, {}).empty());
  CHECK(common_ranges({"10.0.0.0/8"}, {"192.168.0.0/16"}) == Ranges{"192.168.0.0/16"});
  CHECK(common_ranges({"nonsense", "10.0.0.0/99", "10.0.0.0"}, {"10.0.0.0/8"}) == Ranges{"10.0.0.0/8"});
}
