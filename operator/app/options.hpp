#pragma once

#include <cstdint>
#include <string>

#include "common/log.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/transport_options.hpp"
#include "operator/runtime/election.hpp"

namespace imageclassifier::app {

enum class Command {
  kNone,     ///< only print `message` and end with `exit_code`
  kRun,      ///< be the operator; also without a subcommand
  kRender,   ///< print the children of a resource as YAML
  kExplain,  ///< say what a reason means
  kReasons   ///< list all reasons
};

struct LeaderOptions {
  bool elect = false;               ///< several processes, of which one works at a time
  std::string namespace_name = {};  ///< of the Lease; empty: the pod's or the context's namespace
  std::string name = "imageclassifier-operator";
  runtime::LeaseTiming timing = {};  ///< checked
};

struct RunOptions {
  kubernetes::LoadOptions client;
  kubernetes::TransportKind transport = kubernetes::TransportKind::kCpprest;
  std::string namespace_name;              ///< empty: all namespaces
  int workers = 4;                         ///< resources that are worked on at the same time
  std::string listen_address = "0.0.0.0";  ///< of health and metrics
  std::uint16_t listen_port = 8080;        ///< 0: any free port, written to the log
  int watch_idle_seconds = 75;             ///< at least; plus a random share of 20/75 of it
  LeaderOptions leader = {};
  bool stream_lists = true;                         ///< WatchList; false: lists page by page
  std::int64_t image_check_milliseconds = 600'000;  ///< how often registries are asked for images that are well
  std::string registry_config;                      ///< file with registry::Settings; empty: the default ones
  std::string faults;                               ///< kubernetes::parse_fault_plan; checked; empty: none
};

struct CommandLine {
  Command command = Command::kNone;
  log::Level log_level = log::Level::kInfo;
  RunOptions run;
  std::string file;    ///< kRender: "-" is standard input
  std::string reason;  ///< kExplain
  std::string message;
  int exit_code = 0;
};

CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace imageclassifier::app
