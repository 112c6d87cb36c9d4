#include "operator/registry/entra.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using namespace imageclassifier::registry;
using kubernetes::Response;

namespace {

constexpr WallTime kNow{std::chrono::seconds(1769846410)};  // 2026-01-31T08:00:10Z
constexpr const char* kAudience = "https://containerregistry.azure.net";

Response refusal(const std::string& code, int status = 400) {
  return {status,
          {},
          R"({"error": "invalid_client", "error_codes": [)" + code + R"(], "error_description": "AADSTS)" + code +
              R"(: sentinel Trace ID: 4711 Timestamp: now"})"};
}

}  // namespace

TEST_CASE("an application shows its secret, or an account's token, with every character escaped") {
  const auto secret = entra_request("ten ant", "client", kAudience, {Proof::Kind::kSecret, Secret("a+/=&b")});
  CHECK(secret.target == "/ten%20ant/oauth2/v2.0/token");
  CHECK(secret.body ==
        "grant_type=client_credentials&client_id=client&scope=https%3A%2F%2Fcontainerregistry.azure.net%2F.default"
        "&client_secret=a%2B%2F%3D%26b");
  const auto assertion = entra_request("t", "c", kAudience, {Proof::Kind::kAssertion, Secret("e.y.J")});
  CHECK_THAT(assertion.body,
             Catch::EndsWith("&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                             "&client_assertion=e.y.J"));
}

TEST_CASE("a machine is asked for the identity that is meant, or for its only one") {
  CHECK(metadata_request({"zoo", "", ""}, kAudience).target ==
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcontainerregistry.azure.net");
  CHECK_THAT(metadata_request({"zoo", "c", ""}, kAudience).target, Catch::EndsWith("&client_id=c"));
  CHECK_THAT(metadata_request({"zoo", "", "/s/r"}, kAudience).target, Catch::EndsWith("&msi_res_id=%2Fs%2Fr"));
}

TEST_CASE("each number of Entra's errors has its problem, and no word of the answer is told") {
  const auto [code, problem] = GENERATE(table<const char*, MintProblem>({
      {"70021", MintProblem::kFederationNotFound},
      {"700211", MintProblem::kFederationNotFound},
      {"700212", MintProblem::kFederationNotFound},
      {"700213", MintProblem::kFederationNotFound},
      {"7002138", MintProblem::kFederationNotFound},
      {"700024", MintProblem::kAssertionExpired},
      {"7000215", MintProblem::kClientSecretInvalid},
      {"7000222", MintProblem::kClientSecretExpired},
      {"700016", MintProblem::kIdentityNotFound},
      {"90002", MintProblem::kIdentityNotFound},
      {"500011", MintProblem::kAudienceUnknown},
      {"50001", MintProblem::kAudienceUnknown},
      {"53003", MintProblem::kIdentityRefused},
  }));
  INFO(code);
  for (const int status : {400, 401}) {
    const auto token = read_entra(refusal(code, status), kNow);
    REQUIRE_FALSE(token);
    CHECK(token.error() == MintFailure{problem, std::string("AADSTS") + code, {}});
  }
  const Response words{400, {}, std::string(R"({"error_description": "AADSTS)") + code + R"(: sentinel"})"};
  CHECK(read_entra(words, kNow).error().problem == problem);
}

TEST_CASE("a refusal without a number is told by its status") {
  for (const char* body : {"", "<html>sentinel", "[]", R"({"error_codes": ["sentinel"]})", R"({"error_codes": []})"}) {
    CHECK(read_entra({400, {}, body}, kNow).error() ==
          MintFailure{MintProblem::kIdentityRefused, "HTTP status 400", {}});
  }
}

TEST_CASE("an Entra that is ill is told from one that refuses, with the pause that it asks for") {
  for (const int status : {302, 429, 500, 503}) {
    const auto failure = read_entra({status, {{"Retry-After", "17"}}, "sentinel"}, kNow).error();
    CHECK(failure.problem == MintProblem::kIdentityProviderUnavailable);
    CHECK(failure.detail == "HTTP status " + std::to_string(status));
    CHECK(failure.retry_after == std::chrono::seconds(17));
  }
  CHECK(read_entra({200, {}, R"({"access_tok)"}, kNow).error().detail == "its answer holds no token");
}

TEST_CASE("an account's token that is out of its time is the clock's fault where the clocks differ") {
  Response answer = refusal("700024");
  answer.headers = {{"Date", "Sat, 31 Jan 2026 08:04:10 GMT"}};
  CHECK(read_entra(answer, kNow).error().problem == MintProblem::kAssertionExpired);
  for (const char* date : {"Sat, 31 Jan 2026 08:05:11 GMT", "Sat, 31 Jan 2026 07:55:09 GMT"}) {
    answer.headers = {{"Date", date}};
    CHECK(read_entra(answer, kNow).error().problem == MintProblem::kClockSkew);
  }
  for (const char* nonsense : {"", "yesterday", "Sat, 31 Jan 2026 08:05:11 CET", "Sat, 31 Jan 1026 08:05:11 GMT"}) {
    answer.headers = {{"Date", nonsense}};
    CHECK(read_entra(answer, kNow).error().problem == MintProblem::kAssertionExpired);
  }
}

TEST_CASE("a machine without the identity is told from one that does not answer for now") {
  const auto token = read_metadata({200, {}, R"({"access_token": "t", "expires_in": "86399"})"}, "", kNow);
  REQUIRE(token);
  CHECK(token->expires == kNow + std::chrono::seconds(86399));
  const Response other{200, {}, R"({"access_token": "t", "expires_in": "9", "client_id": "ABC-1"})"};
  CHECK(read_metadata(other, "abc-1", kNow));
  CHECK(read_metadata(other, "abc-2", kNow).error().problem == MintProblem::kIdentityNotAssigned);
  for (const int status : {404, 410, 429, 500}) {
    CHECK(read_metadata({status, {}, ""}, "", kNow).error().problem == MintProblem::kMetadataBusy);
  }
  for (const int status : {400, 403}) {
    CHECK(read_metadata({status, {}, R"({"error": "invalid_request"})"}, "", kNow).error().problem ==
          MintProblem::kIdentityNotAssigned);
  }
  CHECK(read_metadata(refusal("500011"), "", kNow).error().problem == MintProblem::kAudienceUnknown);
}
