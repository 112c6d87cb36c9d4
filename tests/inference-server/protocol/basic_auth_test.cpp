#include "inference-server/protocol/basic_auth.hpp"

#include <nlohmann/json.hpp>

#include "tests/inference-server/protocol/protocol_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

/// user / päss:word, in UTF-8
constexpr const char* kGood = "Authorization: Basic dXNlcjpww6Rzczp3b3Jk\r\n";

struct Credentials {
  Credentials() { write("user", "p\xc3\xa4ss:word"); }
  void write(const std::string& username, const std::string& password) const {
    std::ofstream(folder.path() / "username") << username;
    std::ofstream(folder.path() / "password") << password;
  }
  testing::TemporaryFolder folder;
  protocol::BasicAuth auth{folder.path()};
};

bool admits(protocol::BasicAuth& auth, const std::string& authorization, const std::string& path = "/v1/classify") {
  HttpRequest head;
  head.path = path;
  if (!authorization.empty()) head.headers.push_back({"authorization", authorization});
  return auth.admits(head);
}

}  // namespace

TEST_CASE("everything but health and metrics asks for the credentials before it looks at the request") {
  Credentials files;
  REQUIRE(files.auth.load());
  ProtocolFixture server(true, {}, {}, [&files](const HttpRequest& head) { return files.auth.admits(head); });
  for (const char* path : {"/", "/app.js", "/v1/classify", "/docs", "/nothing", "/healthz/", "/readyz%20"}) {
    const std::string refused = server.get(path);
    INFO(refused);
    CHECK(status_of(refused) == 401);
    CHECK_THAT(refused, Contains("\r\nWWW-Authenticate: Basic realm=\"imageclassifier\", charset=\"UTF-8\"\r\n"));
    CHECK_THAT(refused, Contains("application/problem+json"));
    CHECK(nlohmann::json::parse(body_of(refused))["code"] == "unauthorized");
  }
  for (const char* path : {"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready", "/ping"}) {
    CHECK(status_of(server.get(path)) == 200);
  }
  for (const char* path : {"/v2", "/v2/models/brightness", "/v2/models/brightness/infer"}) {
    const std::string refused = server.get(path);
    CHECK(status_of(refused) == 401);
    CHECK_THAT(refused, Contains("WWW-Authenticate: Basic ") && Contains("Content-Type: application/json\r\n"));
    CHECK_THAT(body_of(refused), StartsWith("{\"error\":"));
  }
  CHECK(status_of(server.post(read_picture("exif-3.jpg"))) == 401);
  CHECK(status_of(server.post(read_picture("exif-3.jpg"), "", kGood)) == 200);
  CHECK(status_of(server.get("/", kGood)) == 200);
  CHECK(status_of(server.get("/nothing", kGood)) == 404);
}

TEST_CASE(
    "an upload without credentials is refused before a byte of it is read, and a connection without one is kept") {
  Credentials files;
  REQUIRE(files.auth.load());
  ProtocolFixture server(true, {}, {}, [&files](const HttpRequest& head) { return files.auth.admits(head); });
  RawClient upload(server.server->port());
  upload.send("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  CHECK(status_of(upload.read_response()) == 401);
  RawClient browser(server.server->port());
  browser.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_of(browser.read_response()) == 401);
  browser.send(std::string("GET / HTTP/1.1\r\nHost: x\r\n") + kGood + "\r\n");
  CHECK(status_of(browser.read_response()) == 200);
  browser.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_of(browser.read_response(true)) == 401);
}

TEST_CASE("only the exact user name and password are let in") {
  Credentials files;
  CHECK_FALSE(admits(files.auth, ""));  // nothing was loaded yet
  CHECK_FALSE(admits(files.auth, "Basic "));
  REQUIRE(files.auth.load());
  CHECK(admits(files.auth, "Basic dXNlcjpww6Rzczp3b3Jk"));
  CHECK(admits(files.auth, "bAsIc   dXNlcjpww6Rzczp3b3Jk"));
  for (const char* wrong :
       {"", "Basic", "Basic ", "Bearer dXNlcjpww6Rzczp3b3Jk", "dXNlcjpww6Rzczp3b3Jk", "Basic dXNlcjpww6Rzczp3b3JkIA==",
        "Basic dXNlcjo=", "Basic OnDDpHNzOndvcmQ=", "Basic dxNlcjpww6Rzczp3b3Jk", "Basic dXNlcjpww6Rzczp3b3Jk="}) {
    INFO(wrong);
    CHECK_FALSE(admits(files.auth, wrong));
    CHECK(admits(files.auth, wrong, "/healthz"));
  }
}

TEST_CASE("changed credentials hold from the moment they are read, broken ones never do") {
  Credentials files;
  REQUIRE(files.auth.load());
  files.write("user\n", "other\r\n");  // as an editor or echo leaves them
  REQUIRE(files.auth.load());
  CHECK_FALSE(admits(files.auth, "Basic dXNlcjpww6Rzczp3b3Jk"));
  CHECK(admits(files.auth, "Basic dXNlcjpvdGhlcg=="));
  files.write("user", "");
  CHECK_FALSE(files.auth.load());
  CHECK(admits(files.auth, "Basic dXNlcjpvdGhlcg=="));
}

TEST_CASE("credentials that no client could send are refused without being shown") {
  Credentials files;
  const auto refused = [&files](const std::string& username, const std::string& password) {
    files.write(username, password);
    const auto loaded = files.auth.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(loaded.error().describe(), !Contains("hidden"));
    return loaded.error().describe();
  };
  CHECK_THAT(refused("", "hidden"), Contains("/username is empty"));
  CHECK_THAT(refused("user", "\n"), Contains("/password is empty"));
  CHECK_THAT(refused("us:er", "hidden"), Contains("colon"));
  CHECK_THAT(refused("user", "hidden\nhidden"), Contains("/password has more than one line"));
  std::filesystem::remove(files.folder.path() / "password");
  CHECK(files.auth.load().error().code == ErrorCode::kNotFound);
  CHECK(protocol::BasicAuth(files.folder.path() / "nowhere").load().error().code == ErrorCode::kNotFound);
}

TEST_CASE("one file may hold both") {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "both") << "user:p\xc3\xa4ss:word\n";
  protocol::BasicAuth auth(folder.path() / "both");
  REQUIRE(auth.load());
  CHECK(admits(auth, "Basic dXNlcjpww6Rzczp3b3Jk"));
  for (const char* wrong : {"user", ":word", "user:", ""}) {
    std::ofstream(folder.path() / "both") << wrong;
    CHECK(auth.load().error().code == ErrorCode::kInvalidArgument);
  }
}
