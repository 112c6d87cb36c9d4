#include "inference-server/model/fetch_model.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/sha256.hpp"
#include "inference-server/model/safetensors.hpp"

using namespace imageclassifier;

namespace {

const std::string kContent = "weights, as far as this test is concerned\n";

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// https_server.py over a folder with the content under three names; everything ends with the object.
class HttpsServer {
 public:
  HttpsServer() {
    char name[] = "/tmp/fetch-model-XXXXXX";
    folder_ = ::mkdtemp(name);
    std::filesystem::create_directories(folder_ + "/files");
    const std::string digits = sha256_hex(kContent).substr(0, 8);
    good_ = "net-" + digits + ".pth";
    for (const std::string& file : {good_, "not-" + digits + ".safetensors", std::string("net-00000000.pth")}) {
      std::ofstream(folder_ + "/files/" + file) << kContent;
    }
    const std::array<float, 2> values{1, 2};
    const std::array<model::FileTensor, 1> tensors{model::FileTensor{"fc.bias", {2}, std::as_bytes(std::span(values))}};
    REQUIRE(model::write_safetensors(folder_ + "/files/net.safetensors", tensors, {}));
    const std::string openssl =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=DNS:localhost -keyout " +
        folder_ + "/key -out " + certificate() + " 2>/dev/null";
    REQUIRE(std::system(openssl.c_str()) == 0);
    start();
  }
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;
  ~HttpsServer() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }

  model::FetchOptions options(const std::string& path) const {
    model::FetchOptions options;
    options.url = "https://localhost:" + port_ + "/" + path;
    options.output_directory = folder_ + "/out";
    options.ca_file = certificate();
    options.retry_delay = std::chrono::milliseconds(1);
    return options;
  }
  /// A file in safetensors format under a name that says nothing, pinned by its digest.
  model::FetchOptions pinned(const std::string& way = {}) const {
    auto pinned = options(way + "net.safetensors?sig=hidden");
    pinned.expected_sha256 = sha256_hex(weights());
    return pinned;
  }
  std::string weights() const { return read_all(folder_ + "/files/net.safetensors"); }
  std::string out(const std::string& name) const { return folder_ + "/out/" + name; }
  const std::string& good() const { return good_; }
  bool kept_nothing() const {
    return !std::filesystem::exists(folder_ + "/out") || std::filesystem::is_empty(folder_ + "/out");
  }

 private:
  std::string certificate() const { return folder_ + "/certificate"; }

  void start() {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
    std::string program = "tests/inference-server/model/https_server.py";
    std::string certificate_path = certificate();
    std::string key = folder_ + "/key";
    std::string files = folder_ + "/files";
    std::array<char*, 5> arguments{program.data(), certificate_path.data(), key.data(), files.data(), nullptr};
    REQUIRE(::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    char c = 0;
    while (::read(pipe[0], &c, 1) == 1 && c != '\n') port_.push_back(c);
    ::close(pipe[0]);
    REQUIRE_FALSE(port_.empty());
  }

  std::string folder_;
  std::string good_;
  std::string port_;
  pid_t process_ = 0;
};

}  // namespace

TEST_CASE("weights are downloaded over TLS and their digest is checked against the name") {
  const HttpsServer server;
  for (const std::string& way : {std::string(), std::string("slow-way/")}) {
    auto options = server.options(way + server.good());
    std::uint64_t seen = 0;
    options.progress = [&](std::uint64_t received, std::uint64_t) { seen = received; };
    const auto report = model::fetch_model(options);
    if (!report) FAIL(report.error().describe());
    CHECK(report->bytes == kContent.size());
    CHECK(seen == kContent.size());
    CHECK(report->sha256 == sha256_hex(kContent));
    CHECK_FALSE(report->servable);
    CHECK_THAT(report->message, Catch::Contains("safetensors"));
    CHECK(std::filesystem::file_size(report->path) == kContent.size());
    std::filesystem::remove(report->path);
  }
  const auto report = model::fetch_model(server.pinned());
  REQUIRE(report);
  CHECK(report->servable);
  CHECK(report->path == server.out("net.safetensors"));
}

TEST_CASE("a file is kept under a given name, and is not downloaded again while its digest fits") {
  const HttpsServer server;
  auto options = server.pinned();
  options.output_name = "model.safetensors";
  auto report = model::fetch_model(options);
  REQUIRE(report);
  CHECK_FALSE(report->was_there);
  CHECK(report->path == server.out("model.safetensors"));
  CHECK(read_all(report->path) == server.weights());
  CHECK_FALSE(std::filesystem::exists(report->path + ".part"));

  options.url = "https://localhost:1/net.safetensors";  // nobody answers there
  report = model::fetch_model(options);
  REQUIRE(report);
  CHECK(report->was_there);
  CHECK(report->servable);
  CHECK(report->sha256 == options.expected_sha256);

  std::ofstream(report->path, std::ios::app) << "damage";
  CHECK_FALSE(model::fetch_model(options));
  options.url = server.pinned().url;
  report = model::fetch_model(options);
  REQUIRE(report);
  CHECK_FALSE(report->was_there);
  CHECK(read_all(report->path) == server.weights());
}

TEST_CASE("what a killed attempt left behind is started over") {
  const HttpsServer server;
  std::filesystem::create_directories(server.out(""));
  std::ofstream(server.out("net.safetensors.part")) << std::string(1'000'000, 'x');
  REQUIRE(model::fetch_model(server.pinned()));
  CHECK(read_all(server.out("net.safetensors")) == server.weights());
}

TEST_CASE("two downloads to one name do not write over each other") {
  const HttpsServer server;
  auto options = server.pinned();
  std::string refused;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    if (const auto other = model::fetch_model(server.pinned()); !other) refused = other.error().message;
  };
  const auto report = model::fetch_model(options);
  if (!report) FAIL(report.error().describe());
  CHECK_THAT(refused, Catch::Contains("another process is downloading"));
  CHECK(read_all(report->path) == server.weights());
  std::filesystem::remove(report->path);
  CHECK(server.kept_nothing());
}

TEST_CASE("a transfer that breaks is gone on with where it ended, also by another process") {
  const HttpsServer server;
  auto options = server.pinned("thirds/");  // from the beginning it would never come to an end
  std::uint64_t seen = 0;
  std::uint64_t of = 0;
  options.progress = [&](std::uint64_t received, std::uint64_t total) {
    CHECK(received >= seen);
    seen = received;
    of = total;
  };
  auto report = model::fetch_model(options);
  if (!report) FAIL(report.error().describe());
  CHECK(read_all(report->path) == server.weights());
  CHECK(report->bytes == server.weights().size());
  CHECK(seen == report->bytes);
  CHECK(of == report->bytes);
  std::filesystem::remove(report->path);
  CHECK(server.kept_nothing());

  options.attempts = 1;
  options.progress = {};
  for (int left = 2; left > 0; --left) {
    CHECK(model::fetch_model(options).error().code == ErrorCode::kUnavailable);
    CHECK(std::filesystem::exists(server.out("net.safetensors.part")));
  }
  report = model::fetch_model(options);
  REQUIRE(report);
  CHECK(read_all(report->path) == server.weights());
  std::filesystem::remove(report->path);
  CHECK(server.kept_nothing());
}

TEST_CASE("the digest is that of the whole file, whatever a former attempt left") {
  const HttpsServer server;
  auto options = server.pinned("thirds/");
  options.attempts = 1;
  REQUIRE_FALSE(model::fetch_model(options));
  {
    std::fstream part(server.out("net.safetensors.part"), std::ios::in | std::ios::out | std::ios::binary);
    part.put('\xFF');  // of the header's length
  }
  options.attempts = 5;
  CHECK(model::fetch_model(options).error().code == ErrorCode::kDataLoss);
  CHECK(server.kept_nothing());
  REQUIRE(model::fetch_model(options));
  CHECK(read_all(server.out("net.safetensors")) == server.weights());
}

TEST_CASE("a file that has changed meanwhile is started over, and a server that is busy is asked again") {
  const HttpsServer server;
  for (const char* way : {"changing/", "busy/"}) {
    const auto report = model::fetch_model(server.pinned(way));
    if (!report) FAIL(report.error().describe());
    CHECK(read_all(report->path) == server.weights());
    std::filesystem::remove(report->path);
    CHECK(server.kept_nothing());
  }
}

TEST_CASE("a transfer ends at its time limit, when it is cut and when it is stopped") {
  const HttpsServer server;
  auto options = server.pinned("half/");
  options.time_limit = std::chrono::seconds(1);
  const auto late = model::fetch_model(options);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kDeadlineExceeded);
  CHECK_THAT(late.error().describe(), Catch::Contains("/half/net.safetensors") && !Catch::Contains("hidden"));

  options = server.pinned("cut/");
  CHECK(model::fetch_model(options).error().code == ErrorCode::kUnavailable);

  options = server.pinned("half/");
  std::stop_source stop;
  options.stop = stop.get_token();
  options.progress = [&stop](std::uint64_t received, std::uint64_t) {
    if (received > 0) stop.request_stop();
  };
  CHECK(model::fetch_model(options).error().code == ErrorCode::kCancelled);
  CHECK(server.kept_nothing());
}

TEST_CASE("errors name the address without what gives access to it") {
  auto options = model::FetchOptions{};
  options.url = "https://user:hidden@localhost:1/net.safetensors?sig=hidden#hidden";
  options.expected_sha256 = std::string(64, '0');
  options.output_directory = std::filesystem::temp_directory_path();
  options.attempts = 1;
  const auto failed = model::fetch_model(options);
  REQUIRE_FALSE(failed);
  CHECK_THAT(failed.error().describe(),
             Catch::Contains("https://localhost:1/net.safetensors failed") && !Catch::Contains("hidden"));
}

TEST_CASE("a download that is not what it should be leaves nothing behind") {
  const HttpsServer server;
  const auto code_of = [](const model::FetchOptions& options) { return model::fetch_model(options).error().code; };
  CHECK(code_of(server.options("net-00000000.pth")) == ErrorCode::kDataLoss);
  CHECK(code_of(server.options("net-11111111.pth")) == ErrorCode::kUnavailable);
  CHECK(code_of(server.options("leave-tls/" + server.good())) == ErrorCode::kInvalidArgument);
  auto options = server.options(server.good());
  options.max_bytes = 5;
  CHECK(code_of(options) == ErrorCode::kTooLarge);
  options.url = server.options("endless/" + server.good()).url;
  options.max_bytes = 1'000'000;
  CHECK(code_of(options) == ErrorCode::kTooLarge);
  options = server.options("not-" + server.good().substr(4, 8) + ".safetensors");
  CHECK(code_of(options) == ErrorCode::kUnsupported);
  options = server.options(server.good());
  options.ca_file = "/nowhere/ca.crt";
  CHECK(code_of(options) == ErrorCode::kInvalidArgument);
  options.ca_file = "tests/inference-server/model/https_server.py";
  CHECK(code_of(options) == ErrorCode::kInvalidArgument);
  options.output_directory = "/proc/nowhere";
  CHECK((code_of(options) == ErrorCode::kPermissionDenied || code_of(options) == ErrorCode::kUnavailable));
  options = server.options(server.good());
  options.ca_file.clear();
  CHECK(code_of(options) == ErrorCode::kUnavailable);
  CHECK(server.kept_nothing());
}

TEST_CASE("only https addresses with something to check are fetched") {
  model::FetchOptions options;
  for (const char* url : {"http://example.test/net-0123abcd.pth", "file:///etc/passwd", "https://example.test/",
                          "https://example.test/..", "https://example.test/net.pth", "https://example.test/a%2Fb"}) {
    options.url = url;
    INFO(url);
    CHECK(model::fetch_model(options).error().code == ErrorCode::kInvalidArgument);
  }
  options.url = "https://example.test/net.pth";
  options.expected_sha256 = std::string(64, '0');
  for (const char* name : {"..", ".hidden", "a/b", "a b"}) {
    options.output_name = name;
    CHECK(model::fetch_model(options).error().code == ErrorCode::kInvalidArgument);
  }
  options.output_name.clear();
  options.expected_sha256 = "short";
  CHECK(model::fetch_model(options).error().code == ErrorCode::kInvalidArgument);
}
