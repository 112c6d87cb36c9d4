#include "operator/registry/challenge.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier::registry;

TEST_CASE("the challenges of registries are read, with commas inside and between them") {
  const auto acr =
      parse_challenges(R"(Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io")");
  REQUIRE(acr);
  REQUIRE(acr->size() == 1);
  CHECK(acr->front().scheme == "bearer");
  CHECK(acr->front().get("realm") == "https://contoso.azurecr.io/oauth2/token");
  CHECK(acr->front().get("error").empty());

  const auto refused = parse_challenges(
      R"(Bearer realm="https://r/token", service="s" ,scope="repository:a:pull,push repository:b:pull",error="insufficient_scope")");
  REQUIRE(refused);
  CHECK(refused->front().get("scope") == "repository:a:pull,push repository:b:pull");
  CHECK(refused->front().get("error") == "insufficient_scope");

  const auto several =
      parse_challenges(R"(, Negotiate, NTLM dGV4dA==,, Basic realm="a \"quoted\" one", BEARER Realm=x)");
  REQUIRE(several);
  REQUIRE(several->size() == 4);
  CHECK((*several)[0].scheme == "negotiate");
  CHECK((*several)[1].token68 == "dGV4dA==");
  CHECK((*several)[2].get("realm") == "a \"quoted\" one");
  CHECK((*several)[3].get("realm") == "x");
  CHECK(parse_challenges("")->empty());
}

TEST_CASE("what does not follow the grammar of challenges is refused") {
  for (const char* bad : {R"(Bearer realm="open)", R"(realm="without a scheme")", R"(Bearer a="1",A="2")",
                          R"(Bearer realm="a" service="b")", "Bearer \"x\"", "Bearer abc==, realm=\"a\"", "Bear(er",
                          "Bearer realm=\"a\nb\""}) {
    INFO(bad);
    CHECK_FALSE(parse_challenges(bad));
  }
  CHECK_FALSE(parse_challenges("Bearer realm=\"" + std::string(9000, 'x') + '"'));
}
