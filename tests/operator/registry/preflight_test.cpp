#include "operator/registry/preflight.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "operator/registry/docker_config.hpp"

using namespace imageclassifier;
using namespace imageclassifier::registry;
using kubernetes::Header;
using kubernetes::Request;
using kubernetes::Response;

namespace {

constexpr WallTime kNow{std::chrono::seconds(1769846410)};
constexpr const char* kServer = "contoso.azurecr.io";
constexpr const char* kIndex = "application/vnd.oci.image.index.v1+json";
constexpr const char* kImage = "application/vnd.oci.image.manifest.v1+json";
const std::string kManifests = "/v2/team/server/manifests/";
const std::string kConfiguration = R"({"os": "linux", "architecture": "amd64"})";

/// A registry that asks for tokens as ACR does, and remembers what it was asked for, by whom.
struct Registry {
  std::map<std::string, Response> content;  ///< by host and target
  std::string challenge = R"(Bearer realm="https://contoso.azurecr.io/oauth2/token",service="contoso.azurecr.io")";
  std::string wanted = "Bearer granted";
  std::vector<std::string> allowed = {"azurecr.io"};
  std::vector<std::string> asked;
  std::optional<Response> to_head;  ///< in place of what it would answer

  Registry() {
    put("/oauth2/token?service=contoso.azurecr.io&scope=repository%3Ateam%2Fserver%3Apull",
        {200, {}, R"({"token": "granted"})"});
  }
  void put(const std::string& target, Response response, const std::string& host = kServer) {
    content[host + target] = std::move(response);
  }
  std::string hold(const std::string& name, const std::string& body, const char* type) {
    put(kManifests + name, {200, {{"Content-Type", type}, {"Docker-Content-Digest", digest_of(body)}}, body});
    return digest_of(body);
  }
  Result<Response> answer(const std::string& host, const Request& request) {
    const std::string shown(kubernetes::find_header(request.headers, "Authorization").value_or("nobody"));
    const bool head = request.method == kubernetes::Method::kHead;
    asked.push_back((head ? "HEAD " : "") + host + request.target + " by " + shown);
    const bool guarded = request.target.starts_with("/v2/") && host == kServer;
    if (guarded && shown != wanted) return Response{401, {{"Www-Authenticate", challenge}}, {}};
    if (head && to_head) return *to_head;
    const auto found = content.find(host + request.target);
    if (found == content.end()) return Response{404, {}, {}};
    if (!head) return found->second;
    return Response{200, found->second.headers, {}};
  }
  Preflight look(const std::string& image,
                 std::optional<Credential> credential = Credential{Secret("user"), Secret("sentinel")},
                 const Preflight* known = nullptr) {
    const auto reference = parse_image_reference(image);
    REQUIRE(reference);
    return look_up(
        *reference, credential, allowed,
        [this](const std::string& host, const Request& request) { return answer(host, request); }, kNow, known);
  }
  Preflight look_again(const Preflight& known) {
    asked.clear();
    return look(kServer + std::string("/team/server:1.0.0"), Credential{Secret("user"), Secret("sentinel")}, &known);
  }
};

const std::string kName = std::string(kServer) + "/team/server:1.0.0";
const std::string kBasic = "Basic " + base64_encode("user:sentinel");

std::string single(const std::string& configuration) {
  return R"({"config": {"digest": ")" + digest_of(configuration) + R"("}})";
}

}  // namespace

TEST_CASE("an image is found with its digest and platforms, and the credential is shown to the token server alone") {
  Registry registry;
  const std::string digest =
      registry.hold("1.0.0", R"({"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}}]})", kIndex);
  const Preflight found = registry.look(kName);
  CHECK(found.verdict == Verdict::kResolved);
  CHECK(found.digest == digest);
  REQUIRE(found.platforms);
  CHECK(to_string(found.platforms->front()) == "linux/arm64");
  REQUIRE(registry.asked.size() == 3);
  CHECK(registry.asked[0] == kServer + kManifests + "1.0.0 by nobody");
  CHECK_THAT(registry.asked[1], Catch::EndsWith(" by " + kBasic));
  CHECK(registry.asked[2] == kServer + kManifests + "1.0.0 by Bearer granted");
}

TEST_CASE("of a single image the platform is read from where the registry redirects to, without a credential") {
  Registry registry;
  registry.hold("1.0.0", single(kConfiguration), kImage);
  const std::string blob = "/v2/team/server/blobs/" + digest_of(kConfiguration);
  registry.put(blob, {307, {{"Location", "https://x.blob.core.windows.net/a?sig=b"}}, {}});
  registry.put("/a?sig=b", {200, {}, kConfiguration}, "x.blob.core.windows.net");
  CHECK(to_string(registry.look(kName).platforms->front()) == "linux/amd64");
  CHECK(registry.asked.back() == "x.blob.core.windows.net/a?sig=b by nobody");
  for (const char* elsewhere : {"https://169.254.169.254/token", "https://evil.example/a",
                                "http://x.blob.core.windows.net/a", "https://contoso.azurecr.io@evil.example/", ""}) {
    registry.put(blob, {307, {{"Location", elsewhere}}, {}});
    registry.asked.clear();
    const Preflight found = registry.look(kName);
    CHECK(found.verdict == Verdict::kResolved);
    CHECK_FALSE(found.platforms);
    CHECK_THAT(registry.asked.back(), Catch::StartsWith(std::string(kServer) + blob));
  }
  registry.put(blob, {200, {}, "another configuration"});
  CHECK_FALSE(registry.look(kName).platforms);
}

TEST_CASE("whoever allows one registry by its name means its data endpoints, and no other's") {
  Registry registry;
  registry.allowed = {kServer};
  registry.hold("1.0.0", single(kConfiguration), kImage);
  const std::string blob = "/v2/team/server/blobs/" + digest_of(kConfiguration);
  for (const char* host : {"contoso.eastus.data.azurecr.io", "other.eastus.data.azurecr.io", "contoso.data.example"}) {
    INFO(host);
    registry.put(blob, {307, {{"Location", "https://" + std::string(host) + "/a"}}, {}});
    registry.put("/a", {200, {}, kConfiguration}, host);
    CHECK(registry.look(kName).platforms.has_value() == (host == std::string("contoso.eastus.data.azurecr.io")));
  }
}

TEST_CASE("each refusal of a registry has its own verdict") {
  Registry registry;
  CHECK(registry.look(kName).verdict == Verdict::kManifestUnknown);
  CHECK(registry.look(kName, std::nullopt).verdict == Verdict::kManifestUnknown);  // anonymous pull is on
  registry.wanted = "Bearer another";
  // The token server has taken the credential.
  CHECK(registry.look(kName).verdict == Verdict::kInsufficientScope);
  CHECK(registry.look(kName, std::nullopt).verdict == Verdict::kCredentialMissing);
  const std::string bearer = registry.challenge;
  registry.challenge = bearer + R"(,error="insufficient_scope")";
  CHECK(registry.look(kName).verdict == Verdict::kInsufficientScope);
  registry.challenge = bearer + R"(,error="invalid_token")";
  CHECK(registry.look(kName).verdict == Verdict::kCredentialRefused);
  registry.challenge = R"(Basic realm="lab")";
  CHECK(registry.look(kName, std::nullopt).verdict == Verdict::kCredentialMissing);
  CHECK(registry.look(kName).verdict == Verdict::kCredentialRefused);
  registry.wanted = kBasic;
  CHECK(registry.look(kName).verdict == Verdict::kManifestUnknown);
  registry.wanted = "Bearer another";
  for (const char* challenge : {"Negotiate", "", "Bearer realm=\"open"}) {
    registry.challenge = challenge;
    CHECK(registry.look(kName).verdict == Verdict::kAnswerInvalid);
  }
}

TEST_CASE("each status of a registry or its token server has its own verdict") {
  const std::string token = "/oauth2/token?service=contoso.azurecr.io&scope=repository%3Ateam%2Fserver%3Apull";
  for (const std::string& target : {token, kManifests + "1.0.0"}) {
    Registry registry;
    const auto verdict = [&](int status) {
      registry.put(target, {status, {{"Retry-After", "17"}}, "sentinel"});
      const Preflight found = registry.look(kName);
      CHECK(found.detail.find("sentinel") == std::string::npos);
      CHECK(found.retry_after == std::chrono::seconds(status == 429 || status == 503 ? 17 : 0));
      return found.verdict;
    };
    CHECK(verdict(403) == Verdict::kForbidden);
    CHECK(verdict(429) == Verdict::kThrottled);
    CHECK(verdict(503) == Verdict::kUnavailable);
    CHECK(verdict(301) == Verdict::kAnswerInvalid);
  }
  Registry registry;
  registry.put(token, {400, {}, {}});
  CHECK(registry.look(kName).verdict == Verdict::kCredentialRefused);
  registry.put(token, {200, {}, "{}"});
  CHECK(registry.look(kName).verdict == Verdict::kAnswerInvalid);
}

TEST_CASE("a registry that says nothing at all is told from one that gives up on who asks") {
  for (const std::size_t answers : {0, 1, 2}) {
    Registry registry;
    const Preflight found = look_up(
        *parse_image_reference(kName), Credential{Secret("user"), Secret("sentinel")}, registry.allowed,
        [&](const std::string& host, const Request& request) -> Result<Response> {
          if (registry.asked.size() == answers) return fail(ErrorCode::kUnavailable, "reset");
          return registry.answer(host, request);
        },
        kNow);
    CHECK(found.verdict == Verdict::kUnavailable);
    CHECK(found.silent == (answers == 0));
  }
}

TEST_CASE("content that is not what its digest says is refused") {
  Registry registry;
  const std::string digest = registry.hold("1.0.0", single(kConfiguration), kImage);
  registry.put(kManifests + digest, {200, {{"Content-Type", kImage}}, single(kConfiguration)});
  CHECK(registry.look(kName + "@" + digest).verdict == Verdict::kResolved);
  registry.put(kManifests + digest, {200, {{"Content-Type", kImage}}, single("{}")});
  CHECK(registry.look(kName + "@" + digest).verdict == Verdict::kDigestMismatch);
  registry.put(kManifests + "1.0.0", {200, {{"Docker-Content-Digest", digest}}, single("{}")});
  CHECK(registry.look(kName).verdict == Verdict::kDigestMismatch);
  registry.hold("1.0.0", "<html>", "text/html");
  CHECK(registry.look(kName).verdict == Verdict::kAnswerInvalid);
  registry.hold("1.0.0", R"({"fsLayers": []})", "application/json");
  CHECK(registry.look(kName).verdict == Verdict::kNotAnImage);
}

TEST_CASE("no credential leaves for a server that is not allowed") {
  Registry registry;
  for (const char* image : {"evil.example/team/server:1.0.0", "azurecr.io.evil.example/a/b", "contosoazurecr.io/a/b",
                            "contoso.azurecr.io:8443/a/b", "localhost/a/b"}) {
    INFO(image);
    CHECK(registry.look(image).verdict == Verdict::kServerNotAllowed);
  }
  CHECK(registry.asked.empty());
  for (const auto& [realm, host] : {std::pair("https://evil.example/token", "evil.example"),
                                    {"https://contoso.azurecr.io:444/token", "contoso.azurecr.io:444"},
                                    {"http://contoso.azurecr.io/token", ""},
                                    {"https://contoso.azurecr.io@evil.example/token", ""},
                                    {"//contoso.azurecr.io/token", ""},
                                    {"", ""}}) {
    INFO(realm);
    registry.challenge = "Bearer realm=\"" + std::string(realm) + "\",service=\"s\"";
    registry.asked.clear();
    const Preflight found = registry.look(kName);
    CHECK(found.verdict == (*host == '\0' ? Verdict::kAnswerInvalid : Verdict::kServerNotAllowed));
    CHECK_THAT(found.detail, *host == '\0' ? Catch::Contains("its challenge names") : Catch::Contains(host));
    CHECK(registry.asked.size() == 1);
  }
}

TEST_CASE("what was found before is looked at again without its content, until it is something else") {
  Registry registry;
  registry.hold("1.0.0", single(kConfiguration), kImage);
  registry.put("/v2/team/server/blobs/" + digest_of(kConfiguration), {200, {}, kConfiguration});
  const Preflight before = registry.look(kName);
  CHECK(registry.look_again(before) == before);
  REQUIRE(registry.asked.size() == 3);
  CHECK(registry.asked[0] == "HEAD " + (kServer + kManifests) + "1.0.0 by nobody");
  CHECK_THAT(registry.asked[1], Catch::EndsWith(" by " + kBasic));
  CHECK(registry.asked[2] == "HEAD " + (kServer + kManifests) + "1.0.0 by Bearer granted");
  const std::string digest =
      registry.hold("1.0.0", R"({"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}}]})", kIndex);
  const Preflight after = registry.look_again(before);
  CHECK(after.digest == digest);
  CHECK(to_string(after.platforms->front()) == "linux/arm64");
  CHECK(registry.asked.back() == kServer + kManifests + "1.0.0 by Bearer granted");
  // What could not be told the last time, or was not found, is asked for anew.
  Preflight less = after;
  less.platforms.reset();
  CHECK(registry.look_again(less) == after);
  less.verdict = Verdict::kUnavailable;
  CHECK(registry.look_again(less) == after);
  CHECK_THAT(registry.asked.front(), !Catch::StartsWith("HEAD"));
}

TEST_CASE("where HEAD tells nothing that can be relied on, the content does") {
  Registry registry;
  const std::string digest = registry.hold("1.0.0", R"({"manifests": []})", kIndex);
  const Preflight before = registry.look(kName);
  const Header told{"Docker-Content-Digest", digest}, another{"Docker-Content-Digest", digest_of("")};
  for (const Response& odd : {Response{200, {}, {}}, Response{200, {another}, {}}, Response{304, {told}, {}},
                              Response{404, {}, {}}, Response{405, {}, {}}, Response{403, {}, {}},
                              Response{400, {}, {}}, Response{307, {{"Location", "https://evil.example/"}}, {}}}) {
    INFO(odd.status);
    registry.to_head = odd;
    CHECK(registry.look_again(before) == before);
    CHECK(registry.asked.back() == kServer + kManifests + "1.0.0 by Bearer granted");
  }
  registry.to_head = Response{200, {told}, {}};
  CHECK(registry.look_again(before) == before);
  CHECK_THAT(registry.asked.back(), Catch::StartsWith("HEAD"));
  // A registry that is ill is not asked twice, and what is gone is gone.
  for (const auto& [status, verdict] : {std::pair(429, Verdict::kThrottled), {503, Verdict::kUnavailable}}) {
    registry.to_head = Response{status, {{"Retry-After", "17"}}, {}};
    CHECK(registry.look_again(before).verdict == verdict);
    CHECK_THAT(registry.asked.back(), Catch::StartsWith("HEAD"));
  }
  registry.to_head = Response{404, {}, {}};
  registry.content.erase(kServer + kManifests + "1.0.0");
  CHECK(registry.look_again(before).verdict == Verdict::kManifestUnknown);
}

TEST_CASE("images of Docker Hub are named by another host than they are asked for at") {
  Registry registry;
  registry.allowed = {"docker.io"};
  registry.look("team/server:1.0.0");
  REQUIRE(!registry.asked.empty());
  CHECK(registry.asked[0] == "registry-1.docker.io/v2/team/server/manifests/1.0.0 by nobody");
}
