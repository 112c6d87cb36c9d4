#include "operator/registry/mint.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "tests/operator/registry/tokens.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;
using kubernetes::Request;
using kubernetes::Response;

namespace {

constexpr const char* kServer = "contoso.azurecr.io";
constexpr const char* kEntra = "login.microsoftonline.com";
const std::string kEntraRoute = std::string(kEntra) + "/tenant/oauth2/v2.0/token";
const std::string kChallenge = std::string(kServer) + "/v2/";
const std::string kExchange = std::string(kServer) + "/oauth2/exchange";
const std::string kToken = std::string(kServer) + "/oauth2/token";

/// Entra, a machine's metadata service and a registry; what they answer can be replaced, what they were asked is kept.
struct World {
  testing::FakeClock clock;
  Settings settings;
  std::map<std::string, Result<Response>> instead;  ///< by host and path
  std::vector<std::string> asked;                   ///< "host/path body"
  std::string realm = "https://contoso.azurecr.io/oauth2/token";
  std::string audience = kServer;
  std::string refused_scope = "none";  ///< part of a request for a token
  Duration skew{};
  int assertions = 0;
  Minter minter;

  explicit World(Settings with = {})
      : settings(with),
        minter(
            with, [this](const std::string& host, const Request& request) { return answer(host, request); },
            [this](const Request& request) { return answer("imds", request); }, clock) {}

  std::int64_t seconds(Duration after) const {
    return std::chrono::duration_cast<std::chrono::seconds>((clock.wall_now() + skew + after).time_since_epoch())
        .count();
  }
  std::string token(const char* member, Duration life, const std::string& number) const {
    return std::string("{\"") + member + "\": \"" +
           testing::jwt(R"({"aud": ")" + audience + R"(", "iat": )" + std::to_string(seconds({})) + R"(, "nbf": )" +
                        std::to_string(seconds({})) + R"(, "exp": )" + std::to_string(seconds(life)) + R"(, "jti": ")" +
                        number + "\"}") +
           "\"}";
  }
  Result<Response> answer(const std::string& host, const Request& request) {
    const std::string path = host + request.target.substr(0, request.target.find('?'));
    asked.push_back(path + " " + request.body);
    if (const auto found = instead.find(path); found != instead.end()) return found->second;
    const std::string number = std::to_string(asked.size());
    if (path == kEntraRoute)
      return Response{200, {}, R"({"access_token": "entra)" + number + R"(", "expires_in": 3600})"};
    if (host == "imds") return Response{200, {}, R"({"access_token": "machine", "expires_in": "3600"})"};
    if (path == kChallenge)
      return Response{401, {{"WWW-Authenticate", "Bearer realm=\"" + realm + "\",service=\"contoso.azurecr.io\""}}, ""};
    if (path == kExchange) return Response{200, {}, token("refresh_token", std::chrono::hours(3), number)};
    if (path == kToken && request.body.find(refused_scope) != std::string::npos) return Response{401, {}, {}};
    if (path == kToken) return Response{200, {}, token("access_token", std::chrono::minutes(75), number)};
    return Response{404, {}, ""};
  }
  std::vector<std::string> routes() {
    std::vector<std::string> all;
    for (const std::string& one : asked) all.push_back(one.substr(0, one.find(' ')));
    asked.clear();
    return all;
  }
  MintQuestion question() const {
    MintQuestion question;
    question.server = kServer;
    question.repositories = {"team/server"};
    question.tenant = "tenant";
    question.client = "client";
    question.secret = Secret("sentinel");
    return question;
  }
  MintQuestion federated() {
    MintQuestion asks = question();
    asks.identity = MintQuestion::Identity::kFederated;
    asks.secret = {};
    asks.subject = "zoo/puller";
    asks.assertion = [this]() -> Minting<Secret> {
      ++assertions;
      return Secret("e.y.J");
    };
    return asks;
  }
  MintProblem problem() { return minter.mint(question()).error().problem; }
};

const std::vector<std::string> kWholeWay = {kChallenge, kEntraRoute, kExchange, kToken};

}  // namespace

TEST_CASE("a secret becomes a token for one repository, and the registry says first where it may go") {
  World world;
  const auto minted = world.minter.mint(world.question());
  REQUIRE(minted);
  CHECK(minted->username.reveal() == "00000000-0000-0000-0000-000000000000");
  CHECK(minted->minted == world.clock.wall_now());
  CHECK(minted->expires == world.clock.wall_now() + std::chrono::minutes(75));
  REQUIRE(world.asked.size() == 4);
  CHECK(world.asked[0] == kChallenge + " ");
  CHECK_THAT(world.asked[1], Catch::EndsWith("&client_secret=sentinel"));
  CHECK(world.asked[2] ==
        kExchange + " grant_type=access_token&service=contoso.azurecr.io&tenant=tenant&access_token=entra2");
  CHECK_THAT(world.asked[3], Catch::Contains("grant_type=refresh_token&service=contoso.azurecr.io"
                                             "&scope=repository%3Ateam%2Fserver%3Apull&refresh_token="));
}

TEST_CASE("without repositories the credential is the token for whatever the identity may do") {
  World world;
  MintQuestion question = world.question();
  question.repositories.clear();
  const auto first = world.minter.mint(question);
  REQUIRE(first);
  CHECK(first->expires == world.clock.wall_now() + std::chrono::hours(3));
  CHECK(world.routes() == std::vector<std::string>{kChallenge, kEntraRoute, kExchange});
  // Another resource shares it, with its age; at the time of the rotation there is a new one.
  world.clock.advance(std::chrono::minutes(30));
  CHECK(world.minter.mint(question) == first);
  world.clock.advance(std::chrono::minutes(24));
  CHECK(world.minter.mint(question)->minted == world.clock.wall_now());
}

TEST_CASE("an account's token is asked for only where Entra is") {
  World world;
  REQUIRE(world.minter.mint(world.federated()));
  CHECK_THAT(world.asked[1], Catch::EndsWith("&client_assertion=e.y.J"));
  REQUIRE(world.minter.mint(world.federated()));
  CHECK(world.assertions == 1);
  MintQuestion refused = world.federated();
  refused.subject = "zoo/other";
  refused.assertion = []() -> Minting<Secret> { return not_minted(MintProblem::kTokenRequestForbidden); };
  CHECK(world.minter.mint(refused).error().problem == MintProblem::kTokenRequestForbidden);
}

TEST_CASE("a machine's identity needs neither tenant nor secret") {
  World world;
  MintQuestion question = world.question();
  question.identity = MintQuestion::Identity::kMachine;
  question.tenant.clear();
  REQUIRE(world.minter.mint(question));
  CHECK(world.asked[2] == kExchange + " grant_type=access_token&service=contoso.azurecr.io&access_token=machine");
  world.instead.emplace("imds/metadata/identity/oauth2/token", fail(ErrorCode::kDeadlineExceeded, "sentinel"));
  question.client = "other";
  CHECK(world.minter.mint(question).error() ==
        MintFailure{MintProblem::kMetadataUnavailable, "it does not answer in time", {}});
}

TEST_CASE("resources with one identity share its tokens, and nobody gets what another secret has opened") {
  World world;
  REQUIRE(world.minter.mint(world.question()));
  CHECK(world.routes() == kWholeWay);
  MintQuestion neighbour = world.question();
  neighbour.repositories = {"team/other"};
  REQUIRE(world.minter.mint(neighbour));
  CHECK(world.routes() == std::vector<std::string>{kChallenge, kToken});
  neighbour.secret = Secret("guessed");
  world.instead.emplace(kEntraRoute, Response{401, {}, R"({"error_codes": [7000215]})"});
  CHECK(world.minter.mint(neighbour).error().problem == MintProblem::kClientSecretInvalid);
  CHECK(world.routes() == std::vector<std::string>{kChallenge, kEntraRoute});
}

TEST_CASE("nothing secret leaves for a server, or a token server, that is not allowed") {
  World world;
  MintQuestion question = world.question();
  question.server = "evil.example";
  CHECK(world.minter.mint(question).error() == MintFailure{MintProblem::kServerNotAllowed, "evil.example", {}});
  CHECK(world.asked.empty());
  for (const auto& [realm, host] : {std::pair("https://evil.example/oauth2/token", "evil.example"),
                                    {"https://evilazurecr.io/t", "evilazurecr.io"},
                                    {"https://-evil..example/t", "a name that is no host's"}}) {
    world.realm = realm;
    CHECK(world.minter.mint(world.question()).error() == MintFailure{MintProblem::kServerNotAllowed, {}, {}, host});
    CHECK(world.routes() == std::vector<std::string>{kChallenge});
  }
  for (const auto& [realm, detail] :
       {std::pair("http://contoso.azurecr.io/oauth2/token",
                  "its challenge names a token server by what is no https URL"),
        {"https://contoso.azurecr.io@evil.example/", "its challenge names a token server by what is no https URL"},
        {"", "its challenge names no token server"}}) {
    world.realm = realm;
    CHECK(world.minter.mint(world.question()).error() == MintFailure{MintProblem::kRegistryAnswerInvalid, detail, {}});
    CHECK(world.routes() == std::vector<std::string>{kChallenge});
  }
  // Also not what is kept from before.
  world.realm = "https://contoso.azurecr.io/oauth2/token";
  REQUIRE(world.minter.mint(world.question()));
  world.routes();
  world.realm = "https://evil.example/oauth2/token";
  CHECK(world.problem() == MintProblem::kServerNotAllowed);
  CHECK(world.routes() == std::vector<std::string>{kChallenge});
}

TEST_CASE(
    "a cloud's token goes to registries that both the cloud and the operator list, also by way of a token server") {
  Settings settings;
  settings.servers = {"azurecr.io", "azurecr.cn", "registry.example"};
  settings.clouds["Mine"] = {.authority = kEntra};
  World world(settings);
  const auto result = [&](const std::string& cloud, const std::string& server) {
    MintQuestion question = world.question();
    question.cloud = cloud;
    question.server = server;
    const auto minted = world.minter.mint(question);
    return minted ? std::string("minted")
                  : to_string(minted.error().problem) + (" " + minted.error().detail + minted.error().host);
  };
  CHECK(result("Public", "registry.example") == "ServerNotAllowed registry.example");
  CHECK(result("Public", "contoso.azurecr.cn") == "ServerNotAllowed contoso.azurecr.cn");
  CHECK(result("China", kServer) == "ServerNotAllowed contoso.azurecr.io");
  CHECK(result("USGovernment", "contoso.azurecr.us") == "ServerNotAllowed contoso.azurecr.us");
  CHECK(result("Mine", kServer) == "ServerNotAllowed contoso.azurecr.io");
  CHECK(world.asked.empty());
  CHECK(result("Public", kServer) == "minted");
  world.realm = "https://registry.example/oauth2/token";
  CHECK(result("Public", kServer) == "ServerNotAllowed registry.example");
}

TEST_CASE("a cloud is one of the settings', and its second audience is used only where the first is not known") {
  Settings settings;
  settings.clouds["Public"].fallback_audience = "https://management.azure.com";
  World world(settings);
  MintQuestion question = world.question();
  question.cloud = "Mine";
  CHECK(world.minter.mint(question).error() == MintFailure{MintProblem::kCloudUnknown, "Mine", {}});
  REQUIRE(world.minter.mint(world.question()));
  CHECK(world.routes() == kWholeWay);
  world.instead.emplace(kEntraRoute, Response{400, {}, R"({"error_codes": [500011]})"});
  question = world.question();
  question.client = "other";
  CHECK(world.minter.mint(question).error().problem == MintProblem::kAudienceUnknown);
  REQUIRE(world.asked.size() == 3);
  CHECK_THAT(world.asked[1], Catch::Contains("scope=https%3A%2F%2Fcontainerregistry.azure.net%2F.default"));
  CHECK_THAT(world.asked[2], Catch::Contains("scope=https%3A%2F%2Fmanagement.azure.com%2F.default"));
}

TEST_CASE("each way in which a registry fails has its problem, without a word of its answer") {
  const auto [status, problem] = GENERATE(table<int, MintProblem>({{302, MintProblem::kRegistryAnswerInvalid},
                                                                   {403, MintProblem::kRegistryForbidden},
                                                                   {404, MintProblem::kRegistryAnswerInvalid},
                                                                   {429, MintProblem::kThrottled},
                                                                   {500, MintProblem::kRegistryUnreachable},
                                                                   {503, MintProblem::kRegistryUnreachable}}));
  for (const std::string& route : {kChallenge, kExchange, kToken}) {
    World world;
    world.instead.emplace(route, Response{status, {{"Retry-After", "9"}}, "sentinel"});
    const auto minted = world.minter.mint(world.question());
    INFO(route << " " << status);
    REQUIRE_FALSE(minted);
    CHECK(minted.error().problem == problem);
    CHECK(minted.error().retry_after.count() == (status >= 429 ? 9 : 0));
    CHECK_THAT(minted.error().detail, !Catch::Contains("sentinel"));
  }
}

TEST_CASE("what is refused is asked for anew the next time") {
  World world;
  for (const std::string& route : {kExchange, kToken}) {
    world.instead.emplace(route, Response{401, {}, ""});
    CHECK(world.problem() == MintProblem::kExchangeDenied);
    world.instead.clear();
  }
  world.routes();
  REQUIRE(world.minter.mint(world.question()));
  CHECK(world.routes() == std::vector<std::string>{kChallenge, kExchange, kToken});
}

TEST_CASE("a token that opens nothing is refused, as it would take the place of one that works") {
  World world;
  MintQuestion question = world.question();
  const auto giving = [&](const std::string& access) {
    const std::string payload = R"({"aud": "contoso.azurecr.io", "exp": )" +
                                std::to_string(world.seconds(std::chrono::hours(1))) + R"(, "access": )" + access + "}";
    world.instead.insert_or_assign(kToken,
                                   Response{200, {}, R"({"access_token": ")" + testing::jwt(payload) + R"("})"});
    const auto minted = world.minter.mint(question);
    return minted ? std::string("minted") : std::string(to_string(minted.error().problem));
  };
  CHECK(giving("[]") == "ExchangeDenied");
  const std::string wanted = R"([{"type": "repository", "name": "team/server", "actions": ["pull"]}])";
  CHECK(giving(wanted) == "minted");
  // What is only wished for may be missing.
  question.wished = {"team/before"};
  CHECK(giving(wanted) == "minted");
  CHECK_THAT(world.asked.back(), Catch::Contains("&scope=repository%3Ateam%2Fserver%3Apull"
                                                 "&scope=repository%3Ateam%2Fbefore%3Apull&"));
  CHECK(giving(R"([{"type": "repository", "name": "team/before", "actions": ["pull"]}])") == "ExchangeDenied");
}

TEST_CASE("a token server that refuses what is only wished for is asked for the rest") {
  World world;
  world.refused_scope = "before";
  MintQuestion question = world.question();
  question.wished = {"team/before"};
  CHECK(world.minter.mint(question));
  CHECK(world.routes() == std::vector<std::string>{kChallenge, kEntraRoute, kExchange, kToken, kToken});
}

TEST_CASE("errors on the way are told apart") {
  const auto [code, problem] = GENERATE(table<ErrorCode, MintProblem>({
      {ErrorCode::kUnauthenticated, MintProblem::kUntrusted},
      {ErrorCode::kPermissionDenied, MintProblem::kAddressRefused},
      {ErrorCode::kDeadlineExceeded, MintProblem::kRegistryUnreachable},
      {ErrorCode::kUnavailable, MintProblem::kRegistryUnreachable},
      {ErrorCode::kTooLarge, MintProblem::kRegistryUnreachable},
  }));
  World world;
  world.instead.emplace(kChallenge, fail(code, "sentinel"));
  CHECK(world.problem() == problem);
  World other;
  other.instead.emplace(kEntraRoute, fail(code, "sentinel"));
  CHECK(other.problem() ==
        (problem == MintProblem::kRegistryUnreachable ? MintProblem::kIdentityProviderUnavailable : problem));
}

TEST_CASE("what is wrong with the way to a server is told in words that are always the same, with the server's name") {
  const auto failure = [](ErrorCode code, const char* why) {
    World world;
    world.instead.emplace(kEntraRoute,
                          fail(Error(ErrorCode::kUnauthenticated, "sentinel at 10.0.0.1", Error(code, why))));
    return world.minter.mint(world.question()).error();
  };
  CHECK(failure(ErrorCode::kUnauthenticated, "its issuer is not known") ==
        MintFailure{MintProblem::kUntrusted, "its issuer is not known", {}, kEntra});
  CHECK(failure(ErrorCode::kDeadlineExceeded, "it has ended") ==
        MintFailure{MintProblem::kCertificateOutOfTime, "it has ended", {}, kEntra});
  World world;
  world.instead.emplace(kChallenge, fail(Error(ErrorCode::kUnavailable, "sentinel at 10.0.0.1",
                                               Error(ErrorCode::kNotFound, "its name does not resolve"))));
  CHECK(world.minter.mint(world.question()).error() ==
        MintFailure{MintProblem::kRegistryUnreachable, "its name does not resolve", {}, kServer, true});
}

TEST_CASE("a registry without a challenge for tokens is none of Azure's") {
  World world;
  for (const Response& answer :
       {Response{200, {}, ""}, Response{401, {}, ""}, Response{401, {{"WWW-Authenticate", "Basic realm=\"a\""}}, ""}}) {
    world.instead.insert_or_assign(kChallenge, answer);
    CHECK(world.problem() == MintProblem::kRegistryAnswerInvalid);
  }
  CHECK(world.asked.size() == 3);
}

TEST_CASE("a token of no use is not handed out, and where clocks differ that is said") {
  World world;
  world.audience = "other.azurecr.io";
  CHECK(world.minter.mint(world.question()).error().detail == "its token is for another registry");
  world.audience = kServer;
  world.skew = -std::chrono::hours(4);
  CHECK(world.minter.mint(world.question()).error().detail == "its token has ended already");
  world.skew = std::chrono::minutes(6);
  CHECK(world.minter.mint(world.question()).error().detail == "its token is not good yet");
  world.instead.emplace(kChallenge, Response{401,
                                             {{"WWW-Authenticate", "Bearer realm=\"" + world.realm + "\""},
                                              {"Date", "Thu, 01 Jan 2026 00:06:00 GMT"}},
                                             ""});
  CHECK(world.problem() == MintProblem::kClockSkew);
  world.skew = std::chrono::minutes(4);
  CHECK(world.minter.mint(world.question()));
  world.instead.emplace(kToken, Response{200, {}, R"({"access_token": "opaque"})"});
  CHECK(world.minter.mint(world.question()).error().detail == "its token does not say when it ends");
  world.instead.insert_or_assign(kToken, Response{200, {}, R"({"access_tok)"});
  CHECK(world.minter.mint(world.question()).error().detail == "its answer holds no token");
}

TEST_CASE("how much of its life a token must have left follows from how long that is") {
  constexpr WallTime kNow{std::chrono::seconds(1769846410)};
  const auto refused = [&](std::chrono::seconds left, std::chrono::seconds life) {
    const auto end = (kNow + left).time_since_epoch() / std::chrono::seconds(1);
    const Token token{Secret(testing::jwt(R"({"exp": )" + std::to_string(end) + R"(, "iat": )" +
                                          std::to_string(end - life.count()) + "}")),
                      kNow + left};
    return refuse_token(token, kServer, kServer, false, kNow).has_value();
  };
  using std::chrono::seconds;
  CHECK_FALSE(refused(seconds(301), seconds(4500)));
  CHECK(refused(seconds(300), seconds(4500)));
  CHECK_FALSE(refused(seconds(46), seconds(90)));
  CHECK(refused(seconds(45), seconds(90)));
}
