#include <malloc.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>

#include "operator/app/application.hpp"
#include "operator/cli/commands.hpp"
#include "operator/kubernetes/cpprest_transport.hpp"

namespace {

using namespace imageclassifier;

int print(const Result<std::string>& text) {
  if (!text) {
    std::fprintf(stderr, "%s\n", text.error().describe().c_str());
    return 1;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

int print_rendered(const Result<cli::Rendered>& rendered) {
  if (!rendered) return print(fail(rendered.error()));
  std::fputs(rendered->warnings.c_str(), stderr);
  return print(rendered->objects);
}

/// With an arena for each of some sixteen threads, a quarter of the memory is free space between records. Three cost no
/// time that can be measured. The environment variable MALLOC_ARENA_MAX, if set, counts.
void share_arenas() {
#ifdef __GLIBC__
  constexpr int kArenas = 3;
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) mallopt(M_ARENA_MAX, kArenas);
#endif
}

/// A core file would hold every credential. The sanitizers' runtimes look at their own process, which this forbids too.
void forbid_core_files() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

int run(const app::CommandLine& line) {
  forbid_core_files();
  share_arenas();
  const SignalStop signals;  // first: it blocks the signals in every later thread
  kubernetes::initialize_cpprest_process();
  log::set_level(line.log_level);
  return app::run_operator(line.run, signals);
}

}  // namespace

int main(int argc, char** argv) {
  const app::CommandLine line = app::parse_command_line(argc, argv);
  switch (line.command) {
    case app::Command::kNone:
      std::fputs(line.message.c_str(), line.exit_code == 0 ? stdout : stderr);
      return line.exit_code;
    case app::Command::kRun:
      return run(line);
    case app::Command::kRender:
      return print_rendered(cli::render_file(line.file));
    case app::Command::kExplain:
      return print(cli::explain(line.reason));
    case app::Command::kReasons:
      return print(cli::list_reasons());
  }
  return 0;
}
