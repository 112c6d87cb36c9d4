#include "inference-server/protocol/bearer_auth.hpp"

#include "inference-server/protocol/basic_auth.hpp"
#include "tests/inference-server/protocol/v2_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kFirst = "first-token-0123456789";
constexpr const char* kSecond = "second.token_~+/ABCDEF==";

struct Tokens {
  Tokens() { write(std::string(kFirst) + "\n# the batch job's\n\n" + kSecond + "\r\n"); }
  void write(const std::string& text) const { std::ofstream(path) << text; }
  testing::TemporaryFolder folder;
  std::string path = folder.path() / "tokens";
  protocol::BearerAuth auth{path};
};

bool holds(protocol::BearerAuth& auth, const std::string& authorization) {
  HttpRequest head;
  head.path = "/v1/classify";
  if (!authorization.empty()) head.headers.push_back({"authorization", authorization});
  return auth.holds_token(head);
}

}  // namespace

TEST_CASE("each of the file's tokens is let in, and nothing else") {
  Tokens tokens;
  CHECK_FALSE(holds(tokens.auth, std::string("Bearer ") + kFirst));  // nothing was loaded yet
  REQUIRE(tokens.auth.load());
  CHECK(holds(tokens.auth, std::string("Bearer ") + kFirst));
  CHECK(holds(tokens.auth, std::string("bEARER   ") + kSecond));
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string(kFirst),
        std::string("Basic ") + kFirst, std::string("Bearer ") + kFirst + "0", std::string("Bearer # the batch job's"),
        std::string("Bearer first-token-012345678"), std::string("Bearer ") + kFirst + " " + kSecond}) {
    INFO(wrong);
    CHECK_FALSE(holds(tokens.auth, wrong));
  }
  HttpRequest probe;
  probe.path = "/readyz";
  CHECK(tokens.auth.admits(probe));
  CHECK_FALSE(tokens.auth.holds_token(probe));
}

TEST_CASE("changed tokens hold from the moment they are read, broken ones never do and are not shown") {
  Tokens tokens;
  REQUIRE(tokens.auth.load());
  tokens.write("another-hidden-token");
  REQUIRE(tokens.auth.load());
  CHECK_FALSE(holds(tokens.auth, std::string("Bearer ") + kFirst));
  const auto refused = [&tokens](const std::string& text) {
    tokens.write(text);
    const auto loaded = tokens.auth.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(loaded.error().describe(), !Contains("hidden"));
    CHECK(holds(tokens.auth, "Bearer another-hidden-token"));
    return loaded.error().describe();
  };
  CHECK_THAT(refused("# nothing\n\n"), Contains("holds no token"));
  CHECK_THAT(refused("good-token-0123456789\nhidden token with blanks\n"), Contains("line 2 has a character"));
  CHECK_THAT(refused("hidden\n"), Contains("line 1 has a token of fewer than 16 characters"));
  CHECK_THAT(refused("================\n"), Contains("line 1 has a character"));
  std::filesystem::remove(tokens.path);
  CHECK(tokens.auth.load().error().code == ErrorCode::kNotFound);
}

TEST_CASE("a 401 names the schemes that are taken, and a token that was wrong") {
  HttpRequest head;
  head.path = "/v1/classify";
  const auto refuse = [&head](const protocol::AuthSchemes& schemes) {
    const HttpRefusalContext refusal{HttpRefusal::kUnauthorized, 401, "no", 0, &head};
    std::string challenges;
    for (const HttpHeader& header : protocol::refusals(schemes)(refusal).headers) {
      if (header.name == "WWW-Authenticate") challenges += header.value + "\n";
    }
    return challenges;
  };
  const std::string basic = std::string(protocol::kBasicChallenge) + "\n";
  const std::string bearer = "Bearer realm=\"imageclassifier\"\n";
  CHECK(refuse({.basic = true, .bearer = false}) == basic);
  CHECK(refuse({.basic = false, .bearer = true}) == bearer);
  CHECK(refuse({.basic = true, .bearer = true}) == basic + bearer);
  head.headers.push_back({"Authorization", "Bearer wrong"});
  CHECK(refuse({.basic = false, .bearer = true}) == "Bearer realm=\"imageclassifier\", error=\"invalid_token\"\n");
}

TEST_CASE("an upload with a token is classified, one without is not") {
  Tokens tokens;
  REQUIRE(tokens.auth.load());
  ProtocolFixture server(true, {}, {}, [&tokens](const HttpRequest& head) { return tokens.auth.admits(head); });
  const std::string picture = read_picture("exif-3.jpg");
  CHECK(status_of(server.post(picture)) == 401);
  CHECK(status_of(server.post(picture, "", std::string("Authorization: Bearer ") + kSecond + "\r\n")) == 200);
  CHECK(status_of(server.get("/healthz")) == 200);
}
