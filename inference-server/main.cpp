#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "inference-server/app/application.hpp"

namespace {

using namespace imageclassifier;

/// `serve` with unusable options is as final as an unusable model; Kubernetes should know why.
int refuse(const app::CommandLine& line, int argc, char** argv) {
  std::fputs(line.message.c_str(), line.exit_code == 0 ? stdout : stderr);
  const bool serving = argc > 1 && std::strcmp(argv[1], "serve") == 0;
  if (line.exit_code == 0 || !serving) return line.exit_code == 0 ? 0 : 2;
  log::initialize(log::Level::kInfo);
  const char* const termination_log = std::getenv("INFERENCE_TERMINATION_LOG");
  app::report_fatal(termination_log != nullptr ? termination_log : app::ServeOptions().termination_log,
                    "ConfigurationInvalid", line.message);
  return app::kExitConfiguration;
}

}  // namespace

int main(int argc, char** argv) {
  const app::CommandLine line = app::parse_command_line(argc, argv);
  if (line.command == app::Command::kNone) return refuse(line, argc, argv);
  log::initialize(line.log_level);
  switch (line.command) {
    case app::Command::kServe: {
      // The other commands end at the first signal, as any tool does.
      const SignalStop signals;
      return app::serve(line.serve, signals);
    }
    case app::Command::kClassify:
      return app::classify_files(line.classify);
    case app::Command::kFetchModel:
      return app::fetch_model(line.fetch_model);
    case app::Command::kMakeDemoModel:
      return app::make_demo_model(line.make_demo_model);
    case app::Command::kDrawPictures:
      return app::draw_pictures(line.draw_pictures);
    case app::Command::kNone:
      break;
  }
  return 2;
}
