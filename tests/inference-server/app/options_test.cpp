#include "inference-server/app/options.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::app;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

CommandLine parse(std::vector<const char*> words) {
  words.insert(words.begin(), "inference-server");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

/// A variable of the environment, while it lives.
struct Variable {
  Variable(const char* variable, const std::string& value) : name(variable) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name); }
  Variable(const Variable&) = delete;
  const char* name;
};

struct ConfigFile {
  explicit ConfigFile(const std::string& text) { std::ofstream(path) << text; }
  testing::TemporaryFolder folder;
  std::string path = folder.path() / "server.yaml";
};

std::string refused(const std::vector<const char*>& words) {
  const CommandLine line = parse(words);
  CHECK(line.command == Command::kNone);
  CHECK(line.exit_code == 78);
  return line.message;
}

}  // namespace

TEST_CASE("a number that is none is refused") {
  for (const char* option : {"--request-timeout", "--drain-delay", "--exit-timeout", "--self-test-minimum-score"}) {
    const CommandLine line = parse({"serve", "--model", "m", option, "nan"});
    CHECK(line.command == Command::kNone);
    CHECK_THAT(line.message, Contains("nan is not a number"));
  }
}

TEST_CASE("a flag goes before the environment, that before the file, and that before the default") {
  const ConfigFile file(
      "model: from-file\ntop-k: 2\nqueue-depth: 3\ndrain-delay: 1.5\nupload-page: false\nlog-level: debug\n");
  const Variable queue("INFERENCE_QUEUE_DEPTH", "4");
  const Variable top_k("INFERENCE_TOP_K", "6");
  const CommandLine line = parse({"serve", "--config", file.path.c_str(), "--top-k", "7"});
  INFO(line.message);
  REQUIRE(line.command == Command::kServe);
  CHECK(line.serve.model.top_k == 7);
  CHECK(line.serve.queue_depth == 4);
  CHECK(line.serve.model.model == "from-file");
  CHECK(line.serve.drain_delay == 1.5);
  CHECK_FALSE(line.serve.upload_page);
  CHECK(line.serve.exit_timeout == 30);
  CHECK(line.log_level == log::Level::kDebug);
}

TEST_CASE("the file may be named by the environment, and other commands do not look at it") {
  const ConfigFile file("model: from-file\n");
  const Variable config("INFERENCE_CONFIG", file.path);
  CHECK(parse({"serve"}).serve.model.model == "from-file");
  std::ofstream(file.path) << "nonsense";
  CHECK_THAT(refused({"serve"}), Contains("option: value"));
  CHECK(parse({"convert", "a", "b"}).command == Command::kConvert);
}

TEST_CASE("what a file says wrongly is told with its line and the nearest name") {
  const auto message = [](const std::string& text) {
    const ConfigFile file(text);
    return refused({"serve", "--model", "m", "--config", file.path.c_str()});
  };
  CHECK_THAT(message("labels: a\nqueue_depth: 3\n"),
             Contains("server.yaml: line 2: there is no option queue_depth; did you mean queue-depth?\n"));
  CHECK_THAT(message("top-k: 500\n"), Contains("server.yaml: line 1: --top-k: "));
  CHECK_THAT(message("top-k: many\n"), Contains("server.yaml: line 1: ") && Contains("many"));
  CHECK_THAT(message("upload-page: perhaps\n"), Contains("line 1: "));
  CHECK_THAT(message("top-k: [1, 2]\n"), Contains("line 1: top-k must be one value, not a list\n"));
  CHECK_THAT(message("config: other.yaml\n"), Contains("there is no option config"));
  CHECK_THAT(message("print-config: true\n"), Contains("there is no option print-config"));
  CHECK_THAT(message("a: {\n"), Contains("server.yaml: line "));
  CHECK_THAT(refused({"serve", "--model", "m", "--config", "/nowhere/server.yaml"}), Contains("/nowhere/server.yaml"));
}

TEST_CASE("the effective configuration says where each value came from, and is a configuration file") {
  const ConfigFile file("model: from-file\nlabels: names.txt\n");
  const Variable queue("INFERENCE_QUEUE_DEPTH", "4");
  const CommandLine line =
      parse({"--log-level", "error", "serve", "--top-k", "7", "--print-config", "--config", file.path.c_str()});
  CHECK(line.command == Command::kNone);
  CHECK(line.exit_code == 0);
  for (const char* expected :
       {"model: from-file  # file, line 1\n", "labels: names.txt  # file, line 2\n", "top-k: 7  # flag\n",
        "queue-depth: 4  # environment INFERENCE_QUEUE_DEPTH\n", "upload-page: true  # default\n",
        "# architecture:  # not set\n", "log-level: error  # flag\n", "drain-delay: 5  # default\n"}) {
    CHECK_THAT(line.message, Contains(expected));
  }
  const ConfigFile printed(line.message);
  const CommandLine again = parse({"serve", "--config", printed.path.c_str()});
  INFO(again.message);
  REQUIRE(again.command == Command::kServe);
  CHECK(again.serve.model.model == "from-file");
  CHECK(again.serve.model.top_k == 7);
  CHECK(again.serve.queue_depth == 4);
  CHECK(again.log_level == log::Level::kError);
}

TEST_CASE("without anything the defaults are printed, and taken back") {
  const CommandLine line = parse({"serve", "--print-config"});
  CHECK(line.exit_code == 0);
  CHECK_THAT(line.message, StartsWith("# model:  # not set\n"));
  const ConfigFile printed(line.message);
  const CommandLine again = parse({"serve", "--model", "m", "--config", printed.path.c_str()});
  INFO(again.message);
  REQUIRE(again.command == Command::kServe);
  CHECK(again.serve.max_upload_bytes == ServeOptions().max_upload_bytes);
  CHECK(again.serve.upload_page);
}

TEST_CASE("an option or a command that there is not is told with the nearest one that there is") {
  CHECK_THAT(refused({"serve", "--modle", "m"}),
             StartsWith("--modle: there is no such option; did you mean --model?\n"));
  CHECK_THAT(refused({"serve", "--model", "m", "--topk=3"}), Contains("did you mean --top-k?\n"));
  CHECK_THAT(refused({"serve", "--model", "m", "--log-lvel", "info"}), Contains("did you mean --log-level?\n"));
  CHECK_THAT(refused({"serve", "--model", "m", "--nothing-like-it"}),
             StartsWith("--nothing-like-it: there is no such option\n"));
  CHECK_THAT(refused({"sreve", "--model", "m"}), StartsWith("sreve: there is no such command; did you mean serve?\n"));
  CHECK_THAT(refused({"serve"}), Contains("--model is required"));
  CHECK_THAT(refused({"serve", "--model", "m", "--top-k", "0"}), StartsWith("--top-k: "));
  CHECK_THAT(refused({}), Contains("subcommand is required"));
}

TEST_CASE("a variable of the environment that no option has is told with the nearest one that is one") {
  const Variable misspelt("INFERENCE_QUEUE_DEPHT", "4");
  const Variable foreign("INFERENCE_NOTHING_LIKE_IT", "1");
  const Variable right("INFERENCE_TOP_K", "3");
  const Variable of_another_command("INFERENCE_FETCH_NAME", "model.safetensors");
  const Variable short_of_prefix("INFERENCES", "1");
  for (const CommandLine& line : {parse({"serve", "--model", "m"}), parse({"serve"}), parse({"fetch-model"})}) {
    REQUIRE(line.unknown_variables.size() == 2);
    const bool misspelt_first = line.unknown_variables[0].name == misspelt.name;
    const UnknownVariable& told = line.unknown_variables[misspelt_first ? 0 : 1];
    CHECK(told.name == misspelt.name);
    CHECK(told.nearest == "INFERENCE_QUEUE_DEPTH");
    const UnknownVariable& other = line.unknown_variables[misspelt_first ? 1 : 0];
    CHECK(other.name == foreign.name);
    CHECK(other.nearest.empty());
  }
  CHECK(parse({"serve", "--help"}).unknown_variables.empty());
}

TEST_CASE("variables that Kubernetes sets for a Service are nobody's mistake") {
  const Variable host("INFERENCE_SERVICE_HOST", "10.0.0.1");
  const Variable port("INFERENCE_SERVICE_PORT", "80");
  const Variable named("INFERENCE_SERVICE_PORT_HTTP", "80");
  const Variable url("INFERENCE_PORT", "tcp://10.0.0.1:80");
  const Variable protocol("INFERENCE_PORT_80_TCP_PROTO", "tcp");
  const Variable longer_host("INFERENCE_TOP_SERVICE_HOST", "10.0.0.2");
  const Variable longer_port("INFERENCE_TOP_PORT_80_TCP", "tcp://10.0.0.2:80");
  CHECK(parse({"serve", "--model", "m"}).unknown_variables.empty());
  const Variable of_no_service("INFERENCE_PETS_PORT", "80");
  const auto unknown = parse({"serve", "--model", "m"}).unknown_variables;
  REQUIRE(unknown.size() == 1);
  CHECK(unknown[0].name == of_no_service.name);
}

TEST_CASE("options of all commands may stand before and behind serve") {
  CHECK(parse({"serve", "--model", "m", "--log-level", "warning"}).log_level == log::Level::kWarning);
  CHECK(parse({"--log-level", "warning", "serve", "--model", "m"}).log_level == log::Level::kWarning);
}
