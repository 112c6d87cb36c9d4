#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "inference-server/app/application.hpp"

namespace {

using namespace imageclassifier;

/// `serve` and `fetch-model` run in pods: unusable options are as final as an unusable model; Kubernetes should know
/// why.
int refuse(const app::CommandLine& line, int argc, char** argv) {
  std::fputs(line.message.c_str(), line.exit_code == 0 ? stdout : stderr);
  // Options of all commands may stand before the command.
  const std::vector<std::string_view> words(argv, argv + argc);
  const bool serving = std::find(words.begin(), words.end(), "serve") != words.end();
  const bool fetching = !serving && std::find(words.begin(), words.end(), "fetch-model") != words.end();
  if (line.exit_code == 0 || !(serving || fetching)) return line.exit_code == 0 ? 0 : 2;
  const char* const termination_log = std::getenv("INFERENCE_TERMINATION_LOG");
  // Without the advice to run it with --help, which ends up in a resource's status.
  const std::string message = line.message.substr(0, line.message.find('\n'));
  const std::string path = termination_log != nullptr ? termination_log : app::ServeOptions().termination_log;
  if (fetching) {
    app::write_termination_log(path, "ConfigurationInvalid", message);
  } else {
    log::set_level(log::Level::kInfo);
    app::report_fatal(path, "ConfigurationInvalid", message);
  }
  return app::kExitConfiguration;
}

/// A variable that nobody reads would be a setting that silently does nothing.
void warn_of_variables(const app::CommandLine& line) {
  for (const app::UnknownVariable& variable : line.unknown_variables) {
    if (variable.nearest.empty()) {
      log::warning("no option has this environment variable", {{"variable", variable.name}});
    } else {
      log::warning("no option has this environment variable",
                   {{"variable", variable.name}, {"did_you_mean", variable.nearest}});
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const app::CommandLine line = app::parse_command_line(argc, argv);
  if (line.command != app::Command::kNone) log::set_level(line.log_level);
  warn_of_variables(line);
  if (line.command == app::Command::kNone) return refuse(line, argc, argv);
  switch (line.command) {
    case app::Command::kServe: {
      // The commands for a terminal end at the first signal, as any tool does.
      SignalStop signals;
      return app::serve(line.serve, signals);
    }
    case app::Command::kClassify:
      return app::classify_files(line.classify);
    case app::Command::kFetchModel: {
      // As the first process of a container it would not see a signal that it does not wait for.
      const SignalStop signals;
      return app::fetch_model(line.fetch_model, signals.token());
    }
    case app::Command::kConvert:
      return app::convert_model(line.convert);
    case app::Command::kFit:
      return app::fit_model(line.fit);
    case app::Command::kCalibrate:
      return app::calibrate(line.calibrate);
    case app::Command::kMakeDemoModel:
      return app::make_demo_model(line.make_demo_model);
    case app::Command::kDrawPictures:
      return app::draw_pictures(line.draw_pictures);
    case app::Command::kNone:
      break;
  }
  return 2;
}
