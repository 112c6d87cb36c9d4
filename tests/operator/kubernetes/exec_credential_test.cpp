#include "operator/kubernetes/exec_credential.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/fake_clock.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;

namespace {

const std::string kV1 = "client.authentication.k8s.io/v1";

std::string answer(const std::string& status, const std::string& version = kV1) {
  return R"({"apiVersion":")" + version + R"(","kind":"ExecCredential","status":)" + status + "}";
}

/// A plugin that is a script; each run leaves a line in `runs`.
struct Rig {
  testing::TemporaryFolder folder;
  testing::FakeClock clock;
  ExecConfig config{.api_version = kV1, .command = folder.path() / "kubelogin"};
  std::string certificate;
  std::unique_ptr<TokenSource> source;

  void script(const std::string& body) {
    std::ofstream(config.command) << "#!/bin/sh\necho run >>" << (folder.path() / "runs").string() << "\n"
                                  << body << "\n";
    std::filesystem::permissions(config.command, std::filesystem::perms::owner_all);
  }
  void answers(const std::string& text) {
    std::ofstream(folder.path() / "answer") << text;
    script("cat '" + (folder.path() / "answer").string() + "'");
  }
  TokenSource& start(ExecOptions options = {}) {
    source = make_exec_token_source(
        config, clock,
        [this](const std::string& pem, const Secret&) -> Result<void> {
          certificate = pem;
          return {};
        },
        std::move(options));
    return *source;
  }
  std::size_t runs() const {
    std::ifstream file(folder.path() / "runs");
    std::string line;
    std::size_t count = 0;
    while (std::getline(file, line)) ++count;
    return count;
  }
};

}  // namespace

TEST_CASE("a plugin's token is kept until it expires") {
  Rig rig;
  // The clock stands at 2026-01-01T00:00:00Z.
  rig.answers(answer(R"({"token":"one","expirationTimestamp":"2026-01-01T02:10:00+02:00"})"));
  TokenSource& source = rig.start();
  CHECK(source.token()->reveal() == "one");
  CHECK(source.token()->reveal() == "one");
  CHECK(rig.runs() == 1);
  rig.answers(answer(R"({"token":"two"})"));
  rig.clock.advance(10min);
  CHECK(source.token()->reveal() == "two");
  rig.clock.advance(10h);
  CHECK(source.token()->reveal() == "two");
  CHECK(rig.runs() == 2);
}

TEST_CASE("a 401 runs the plugin once more, but not for a request older than the last run") {
  Rig rig;
  rig.answers(answer(R"({"token":"one"})"));
  TokenSource& source = rig.start();
  REQUIRE(source.token());
  rig.clock.advance(1s);
  const SteadyTime sent = rig.clock.steady_now();
  rig.clock.advance(1s);
  rig.answers(answer(R"({"token":"two"})"));
  CHECK(source.reject(Secret("one"), sent));
  CHECK(source.reject(Secret("one"), sent));
  CHECK(source.token()->reveal() == "two");
  CHECK(rig.runs() == 2);
}

TEST_CASE("many callers start one plugin") {
  Rig rig;
  rig.answers(answer(R"({"token":"one"})"));
  TokenSource& source = rig.start();
  std::vector<std::jthread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { (void)source.token(); });
  callers.clear();
  CHECK(rig.runs() == 1);
}

TEST_CASE("a plugin gets its arguments, variables and KUBERNETES_EXEC_INFO without a shell") {
  Rig rig;
  rig.config.args = {"get-token", "a b; $(touch x)", "--x='y'"};
  rig.config.environment = {{"PLUGIN_MODE", "m $HOME"}};
  rig.config.cluster_json = R"({"server":"https://c","config":{"audience":"a"}})";
  const std::string seen = rig.folder.path() / "seen";
  rig.script("{ printf '%s\\n' \"$@\" \"$PLUGIN_MODE\" \"$KUBERNETES_EXEC_INFO\"; cat; } >" + seen + "\necho '" +
             answer(R"({"token":"one"})") + "'");
  REQUIRE(rig.start().token());
  std::ifstream file(seen);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == "a b; $(touch x)");
  CHECK(lines[2] == "--x='y'");
  CHECK(lines[3] == "m $HOME");
  const auto info = nlohmann::json::parse(lines[4]);
  CHECK(info["apiVersion"] == kV1);
  CHECK(info["spec"]["interactive"] == false);
  CHECK(info["spec"]["cluster"]["config"]["audience"] == "a");
}

TEST_CASE("a certificate with its key goes to the connections") {
  Rig rig;
  rig.answers(answer(R"({"clientCertificateData":"CERT","clientKeyData":"KEY"})"));
  const auto token = rig.start().token();
  REQUIRE(token);
  CHECK(token->empty());
  CHECK(rig.certificate == "CERT");
}

TEST_CASE("a plugin that fails is named with its code and its cleaned words; the failure is held for a moment") {
  Rig rig;
  rig.script(
      "printf 'login expired\\033[31m\\n token eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAifQ.e30.s' >&2; exit 3");
  TokenSource& source = rig.start();
  const auto token = source.token();
  REQUIRE_FALSE(token);
  CHECK(token.error().code == ErrorCode::kUnauthenticated);
  CHECK_THAT(token.error().message, Catch::Contains("kubelogin") && Catch::Contains("code 3") &&
                                        Catch::Contains("login expired [31m token [redacted]"));
  CHECK_FALSE(source.token());
  CHECK(rig.runs() == 1);
  rig.clock.advance(5s);
  rig.answers(answer(R"({"token":"one"})"));
  CHECK(source.token());
}

TEST_CASE("a plugin that is missing brings its install hint, at most ten times an hour") {
  Rig rig;
  rig.config.command = GENERATE("no-such-plugin-anywhere", "/nonexistent/plugin");
  rig.config.install_hint = "Install it\nwith brew";
  TokenSource& source = rig.start();
  int hints = 0;
  for (int i = 0; i < 20; ++i) {
    const auto token = source.token();
    REQUIRE_FALSE(token);
    hints += token.error().message.find("Install it with brew") != std::string::npos ? 1 : 0;
    rig.clock.advance(6s);
  }
  CHECK(hints == 10);
  rig.clock.advance(1h);
  CHECK_THAT(source.token().error().message, Catch::Contains("Install it"));
}

TEST_CASE("a plugin that hangs is ended with all it started, one that floods too") {
  Rig rig;
  const bool hangs = GENERATE(true, false);
  rig.script(hangs ? "sleep 1000 & sleep 1000" : "while :; do echo 0123456789012345678901234567890123456789; done");
  const auto token = rig.start({.timeout = hangs ? Duration(200ms) : Duration(30s)}).token();
  REQUIRE_FALSE(token);
  CHECK(token.error().code == (hangs ? ErrorCode::kDeadlineExceeded : ErrorCode::kTooLarge));
}

TEST_CASE("a plugin that hangs does not hold up the end of the process") {
  Rig rig;
  rig.script("sleep 1000");
  std::stop_source stop;
  std::jthread stopper([&] {
    while (rig.runs() == 0) std::this_thread::sleep_for(1ms);
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto token = rig.start({.stop = stop.get_token()}).token();
  REQUIRE_FALSE(token);
  CHECK(token.error().code == ErrorCode::kCancelled);
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("answers that are no credential are refused and not quoted") {
  const std::string output = GENERATE(
      "", "s3cret", "[]", answer(R"({"token":"s3cret"})", "client.authentication.k8s.io/v1beta1"),
      R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"Other","status":{"token":"s3cret"}})", answer("{}"),
      answer(R"("s3cret")"), answer(R"({"clientCertificateData":"s3cret"})"), answer(R"({"token":"s3cret\r\nX: y"})"),
      answer(R"({"token":"s3cret","expirationTimestamp":"tomorrow"})"), answer(R"({"token":7})"));
  const auto credential = parse_exec_credential(output, kV1);
  REQUIRE_FALSE(credential);
  CHECK_THAT(credential.error().describe(), !Catch::Contains("s3cret"));
  CHECK(parse_exec_credential(answer(R"({"token":"t"})", "client.authentication.k8s.io/v1beta1"),
                              "client.authentication.k8s.io/v1beta1"));
}

TEST_CASE("of a plugin's text nothing is shown that may be a credential, and the sentence stays readable") {
  CHECK(clean_plugin_text("login expired, run 'az login'") == "login expired, run 'az login'");
  CHECK(clean_plugin_text("got token SENTINEL-exec-tok-1234") == "got token [redacted]");
  CHECK(clean_plugin_text("password=hunter Token: abc1") == "password=[redacted] Token: [redacted]");
  CHECK(clean_plugin_text("the token has expired") == "the token has expired");
  CHECK(clean_plugin_text("exit status 254 of account 123456789012") == "exit status 254 of account 123456789012");
}
