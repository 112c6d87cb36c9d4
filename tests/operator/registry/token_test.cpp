#include "operator/registry/token.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/registry/tokens.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;

namespace {

constexpr WallTime kNow{std::chrono::seconds(1497990000)};

Secret jwt(const std::string& payload) {
  return Secret(testing::jwt(payload));
}

std::chrono::seconds life(const std::string& body) {
  return std::chrono::duration_cast<std::chrono::seconds>(parse_token(Secret(body), kNow)->expires - kNow);
}

}  // namespace

TEST_CASE("a token tells when it ends and for whom it is") {
  const auto claims =
      parse_claims(jwt(R"({"exp": 1497993407, "nbf": 1497988907.5, "aud": "contoso.azurecr.io", "iat": "soon"})"));
  REQUIRE(claims);
  CHECK(claims->expires == WallTime(std::chrono::seconds(1497993407)));
  CHECK(claims->not_before == WallTime(std::chrono::seconds(1497988907)));
  CHECK_FALSE(claims->issued);
  CHECK(claims->audiences == std::vector<std::string>{"contoso.azurecr.io"});
  CHECK(parse_claims(jwt(R"({"aud": ["a", 7, "b"]})"))->audiences == std::vector<std::string>{"a", "b"});
  for (const char* beyond : {R"({"exp": -1})", R"({"exp": 1e300})", R"({"exp": 253402300800})"}) {
    CHECK_FALSE(parse_claims(jwt(beyond))->expires);
  }
}

TEST_CASE("what is no JSON Web Token is refused") {
  for (const char* bad : {"", "a.b", "a.b.c.d", "a.!!.c", "a.e30", "a.W10.c", "a.e3.c"}) {
    INFO(bad);
    CHECK(parse_claims(Secret(bad)).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("the answer of a token endpoint gives the token and its life") {
  CHECK(parse_token(Secret(R"({"token": "t"})"), kNow)->value.reveal() == "t");
  CHECK(parse_token(Secret(R"({"token": "t", "access_token": "a"})"), kNow)->value.reveal() == "a");
  CHECK(parse_token(Secret(R"({"refresh_token": "r"})"), kNow, "refresh_token")->value.reveal() == "r");
  CHECK(life(R"({"token": "t"})") == std::chrono::seconds(60));
  CHECK(life(R"({"token": "t", "expires_in": 300})") == std::chrono::seconds(300));
  CHECK(life(R"({"token": "t", "expires_in": "86399"})") == std::chrono::seconds(86399));
  CHECK(life(R"({"token": "t", "expires_in": "soon"})") == std::chrono::seconds(60));
  CHECK(life(R"({"token": "t", "expires_in": -5})") == std::chrono::seconds(0));
  CHECK(life(R"({"token": "t", "expires_in": 18446744073709551615})") <= std::chrono::hours(24 * 366));
  CHECK(life(R"({"access_token": ")" + jwt(R"({"exp": 1497993407})").reveal() + R"("})") == std::chrono::seconds(3407));
}

TEST_CASE("an answer without a token is told without its words") {
  for (const char* bad : {"", "[]", R"({"token": ""})", R"({"token": 7})", R"({"token": "two words"})",
                          R"({"refresh_token": "sentinel"})", "{\"token\": \"a\\r\\nX: sentinel\"}"}) {
    const auto token = parse_token(Secret(bad), kNow);
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::kDataLoss);
    CHECK(token.error().describe().find("sentinel") == std::string::npos);
  }
}

TEST_CASE("base64url is read with and without padding, and is not base64") {
  CHECK(base64url_decode("_-8")->size() == 2);
  CHECK(base64url_decode("_-8=")->size() == 2);
  CHECK(base64url_decode("")->empty());
  for (const char* bad : {"+/8", "a", "a b"}) CHECK_FALSE(base64url_decode(bad));
}

TEST_CASE("what a token opens is read from it") {
  const auto opens = [](const std::string& access, const std::vector<std::string>& repositories) {
    return grants_pull(Secret(testing::jwt(R"({"access": )" + access + "}")), repositories);
  };
  const std::string one = R"([{"type": "repository", "name": "team/server", "actions": ["metadata_read", "pull"]}])";
  CHECK(opens(one, {"team/server"}) == true);
  CHECK(opens(one, {"team/server", "team/other"}) == false);
  CHECK(opens("[]", {"team/server"}) == false);
  CHECK(opens(R"([{"type": "repository", "name": "team/server", "actions": ["push"]}])", {"team/server"}) == false);
  CHECK(opens(R"([3, {"name": 1}, {"type": "registry", "name": "team/server", "actions": "pull"}])", {"team/server"}) ==
        false);
  CHECK(opens("7", {"team/server"}) == std::nullopt);
  CHECK(grants_pull(Secret("no token"), {"team/server"}) == std::nullopt);
}

TEST_CASE("an answer that is larger than any token is not read") {
  CHECK_FALSE(parse_token(Secret(R"({"token": ")" + std::string(65536, 'x') + R"("})"), kNow));
}
