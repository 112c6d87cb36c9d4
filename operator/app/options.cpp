#include "operator/app/options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

#include "common/build_info.hpp"
#include "operator/kubernetes/fault_plan.hpp"

namespace imageclassifier::app {
namespace {

constexpr int kExitUsage = 2;

/// "0.0.0.0:8080" or ":8080".
bool parse_listen(const std::string& text, RunOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size() || text.size() - colon > 6) return false;
  unsigned port = 0;
  for (const char c : text.substr(colon + 1)) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port > 65535) return false;
  if (colon > 0) options.listen_address = text.substr(0, colon);
  options.listen_port = static_cast<std::uint16_t>(port);
  return true;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("Operator for ImageClassifier resources", "imageclassifier-operator");
  app.set_version_flag("--version", std::string(build_version()));
  app.require_subcommand(0, 1);
  std::string level = "info";
  std::string listen = "0.0.0.0:8080";
  app.add_option("--log-level", level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--kubeconfig", line.run.client.kubeconfig,
                 "How to reach the cluster; default: $KUBECONFIG, then the pod's own identity, then ~/.kube/config");
  app.add_option("--context", line.run.client.context, "Context of the kubeconfig; default: its current one");
  app.add_option("--namespace", line.run.namespace_name, "Only resources of this namespace; default: all");
  app.add_option("--workers", line.run.workers, "Resources that are worked on at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--listen", listen, "Address and port of /healthz, /readyz and /metrics")->capture_default_str();
  app.add_option(
         "--watch-idle-timeout", line.run.watch_idle_seconds,
         "Seconds of silence after which a watch is opened anew; below 60 busier than needed, as bookmarks come "
         "every minute")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_flag("--stream-lists,!--no-stream-lists", line.run.stream_lists,
               "Fill caches by streams (WatchList), or by lists page by page");
  app.add_option("--inject-faults", line.run.faults,
                 "For tests only: make requests to the API server fail, for example "
                 "seed=7,any=reset:0.1,watch=cut:0.5; docs/testing.md has the grammar");
  CLI::App& render = *app.add_subcommand("render", "Print the objects that the operator makes from a resource");
  render.add_option("-f,--filename", line.file, "YAML or JSON file with the ImageClassifier; - is standard input")
      ->required();
  CLI::App& explain = *app.add_subcommand("explain", "Say what a reason in a status means and what to do");
  explain.add_option("REASON", line.reason, "The reason; without one: all of them");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, problems;
    line.exit_code = app.exit(error, out, problems) == 0 ? 0 : kExitUsage;
    line.message = line.exit_code == 0 ? out.str() : problems.str();
    return line;
  }
  if (!parse_listen(listen, line.run)) {
    line.exit_code = kExitUsage;
    line.message = "--listen: \"" + listen + "\" is not an address and a port, such as 0.0.0.0:8080\n";
    return line;
  }
  if (const auto plan = kubernetes::parse_fault_plan(line.run.faults); !line.run.faults.empty() && !plan) {
    line.exit_code = kExitUsage;
    line.message = "--inject-faults: " + plan.error().describe() + "\n";
    return line;
  }
  if (level == "trace") level = "debug";
  if (level == "warn") level = "warning";
  log::parse_level(level, line.log_level);
  line.command = app.got_subcommand("render")     ? Command::kRender
                 : !app.got_subcommand("explain") ? Command::kRun
                 : line.reason.empty()            ? Command::kReasons
                                                  : Command::kExplain;
  return line;
}

}  // namespace imageclassifier::app
