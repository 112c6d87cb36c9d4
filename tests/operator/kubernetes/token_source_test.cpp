#include "operator/kubernetes/token_source.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/fake_clock.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;

namespace {

struct Rig {
  testing::TemporaryFolder folder;
  testing::FakeClock clock;
  const std::string path = folder.path() / "token";
  std::unique_ptr<TokenSource> source;

  Rig() {
    write("first\n");
    ClientConfig config;
    config.token_file = path;
    config.token = Secret("inline");
    source = make_token_source(config, clock);
  }
  void write(const std::string& text) { std::ofstream(path) << text; }
  std::string token() { return source->token()->reveal(); }
};

}  // namespace

TEST_CASE("a token file wins over an inline token and is trimmed") {
  Rig rig;
  CHECK(rig.token() == "first");
}

TEST_CASE("a token file is read again within a minute") {
  Rig rig;
  CHECK(rig.token() == "first");
  rig.write("second");
  rig.clock.advance(49s);
  CHECK(rig.token() == "first");
  rig.clock.advance(1s);
  CHECK(rig.token() == "second");
}

TEST_CASE("the old token is kept while the file is missing or empty") {
  Rig rig;
  CHECK(rig.token() == "first");
  std::filesystem::remove(rig.path);
  rig.clock.advance(60s);
  CHECK(rig.token() == "first");
  rig.write("  \n");
  rig.clock.advance(60s);
  CHECK(rig.token() == "first");
  rig.write("second");
  rig.clock.advance(60s);
  CHECK(rig.token() == "second");
}

TEST_CASE("a token of several lines or with control characters is none") {
  Rig rig;
  const std::string text = GENERATE(as<std::string>{}, "a\nX-Other: b",
                                    "a\x01"
                                    "b",
                                    "a\x7f"
                                    "b");
  REQUIRE(rig.token() == "first");
  rig.write(text);
  rig.clock.advance(50s);
  CHECK(rig.token() == "first");
  CHECK_FALSE(is_header_text(text));
}

TEST_CASE("a rejected token is read again at once, unless it was replaced already") {
  Rig rig;
  CHECK(rig.token() == "first");
  rig.write("second");
  rig.source->reject(Secret("something else"), {});
  CHECK(rig.token() == "first");
  rig.source->reject(Secret("first"), {});
  CHECK(rig.token() == "second");
}

TEST_CASE("a token file that never was there is an error") {
  Rig rig;
  std::filesystem::remove(rig.path);
  const auto token = rig.source->token();
  REQUIRE_FALSE(token);
  CHECK(token.error().code == ErrorCode::kUnauthenticated);
}

TEST_CASE("an inline token stays, no token is an empty one") {
  testing::FakeClock clock;
  ClientConfig config;
  CHECK(make_token_source(config, clock)->token()->empty());
  config.token = Secret("inline");
  CHECK(make_token_source(config, clock)->token()->reveal() == "inline");
}

TEST_CASE("user and password become Basic, impersonation becomes headers") {
  testing::FakeClock clock;
  ClientConfig config;
  config.username = "Aladdin";
  config.password = Secret("open sesame");
  config.impersonation = {"jane", "7", {"x", "y"}, {{"example.com/k", {"v"}}}};
  const auto source = make_token_source(config, clock);
  CHECK(source->scheme() == std::string("Basic"));
  CHECK(source->token()->reveal() == "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(source->headers() == std::vector<Header>{{"Impersonate-User", "jane"},
                                                 {"Impersonate-Uid", "7"},
                                                 {"Impersonate-Group", "x"},
                                                 {"Impersonate-Group", "y"},
                                                 {"Impersonate-Extra-example.com%2Fk", "v"}});
}
