#include "operator/app/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "common/build_info.hpp"
#include "operator/kubernetes/fault_plan.hpp"
#include "operator/kubernetes/transport_factory.hpp"

namespace imageclassifier::app {
namespace {

constexpr int kExitUsage = 2;

std::optional<std::uint16_t> parse_port(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// "0.0.0.0:8080", ":8080" or "[::1]:8080".
bool parse_listen(const std::string& text, RunOptions& options) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_port(text.substr(colon + 1));
  if (!port) return false;
  std::string address = text.substr(0, colon);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  if (brackets != (address.find(':') != std::string::npos) || address.find_first_of("[]") != std::string::npos)
    return false;
  if (!address.empty()) options.listen_address = address;
  options.listen_port = *port;
  return true;
}

/// RFC 1123: what the API server takes as the name of a namespace. Empty: not given.
bool is_namespace(const std::string& text) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return text.empty() || (text.size() <= 63 && alphanumeric(text.front()) && alphanumeric(text.back()) &&
                          std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; }));
}

/// RFC 1123 subdomain: what the API server takes as the name of a Lease.
bool is_object_name(const std::string& text) {
  std::size_t begin = 0;
  while (text.size() <= 253) {
    const std::size_t dot = text.find('.', begin);
    const std::string label = text.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (label.empty() || !is_namespace(label)) return false;
    if (dot == std::string::npos) return true;
    begin = dot + 1;
  }
  return false;
}

/// What CLI11 cannot check by itself; the message of the first problem names its option.
Result<void> check(RunOptions& run, const std::string& listen) {
  const auto refuse = [](const std::string& why) { return fail(ErrorCode::kInvalidArgument, why); };
  for (const auto& [option, name] : {std::pair("--namespace", &run.namespace_name),
                                     std::pair("--leader-elect-resource-namespace", &run.leader.namespace_name)}) {
    if (!is_namespace(*name)) {
      return refuse(std::string(option) + ": \"" + *name + "\" is no name of a namespace: at most 63 of a-z, 0-9 and " +
                    "'-', with a letter or digit at both ends (RFC 1123)");
    }
  }
  if (!is_object_name(run.leader.name)) {
    return refuse("--leader-elect-resource-name: \"" + run.leader.name +
                  "\" is no name of a Lease: a-z, 0-9, '-' and '.', with a letter or digit at both ends (RFC 1123)");
  }
  if (!parse_listen(listen, run)) {
    return refuse("--listen: \"" + listen +
                  "\" is not an address and a port, such as 0.0.0.0:8080, or [::]:8080 for IPv6");
  }
  if (const auto plan = kubernetes::parse_fault_plan(run.faults); !run.faults.empty() && !plan) {
    return refuse("--inject-faults: " + plan.error().message);
  }
  if (run.image_check_milliseconds < 1000) return refuse("--image-check-interval: it must be 1s at least");
  if (const auto timing = run.leader.timing.check(); !timing) {
    return refuse("--leader-elect-...: " + timing.error().message);
  }
  return {};
}

/// A duration with its unit, as other Kubernetes components take it ("15s"), in milliseconds.
void add_duration(CLI::App& app, const std::string& name, std::int64_t& milliseconds, const std::string& help) {
  static const std::map<std::string, std::int64_t> kUnits{{"ms", 1}, {"s", 1000}, {"m", 60000}};
  app.add_option(name, milliseconds, help)
      ->transform(CLI::AsNumberWithUnit(kUnits, CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                                               CLI::AsNumberWithUnit::UNIT_REQUIRED)))
      ->type_name("DURATION");
}

struct LeaseTimes {
  std::int64_t duration = 15000;
  std::int64_t renew = 10000;
  std::int64_t retry = 2000;

  runtime::LeaseTiming timing() const {
    return {std::chrono::milliseconds(duration), std::chrono::milliseconds(renew), std::chrono::milliseconds(retry)};
  }
};

// Names and defaults are those of kube-controller-manager.
void add_leader_options(CLI::App& app, LeaderOptions& leader, LeaseTimes& times) {
  app.add_flag("--leader-elect", leader.elect, "Work only while holding a Lease, so that several processes may run");
  app.add_option("--leader-elect-resource-namespace", leader.namespace_name,
                 "Namespace of the Lease; default: the pod's own, or that of the kubeconfig's context");
  app.add_option("--leader-elect-resource-name", leader.name, "Name of the Lease")->capture_default_str();
  add_duration(app, "--leader-elect-lease-duration", times.duration,
               "How long others wait for a leader that is not heard of (15s)");
  add_duration(app, "--leader-elect-renew-deadline", times.renew,
               "How long a leader writes without having renewed its Lease (10s)");
  add_duration(app, "--leader-elect-retry-period", times.retry, "Between two renewals (2s)");
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("Operator for ImageClassifier resources", "imageclassifier-operator");
  app.set_version_flag("--version", std::string(build_version()));
  app.require_subcommand(0, 1);
  std::string level = "info";
  std::string transport = "cpprest";
  std::string listen = "0.0.0.0:8080";
  app.add_option("--log-level", level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--kubeconfig", line.run.client.kubeconfig,
                 "How to reach the cluster; default: $KUBECONFIG, then the pod's own identity, then ~/.kube/config");
  app.add_option("--context", line.run.client.context, "Context of the kubeconfig; default: its current one");
  app.add_option("--transport", transport,
                 "HTTP library to reach the API server: cpprest, or curl, which also knows IPv6 literals and https:// "
                 "and socks5:// proxies")
      ->check(CLI::IsMember({"cpprest", "curl"}))
      ->capture_default_str();
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
  add_duration(app, "--image-check-interval", line.run.image_check_milliseconds,
               "How often registries are asked again for images that are well, to see whether tags move or images "
               "vanish (10m)");
  app.add_option("--registry-config", line.run.registry_config,
                 "YAML file: which registries may be asked and sent credentials, clouds, certificate authorities, "
                 "identities; read once; default: Azure's public registries");
  app.add_option("--inject-faults", line.run.faults,
                 "For tests only: make requests to the API server fail, for example "
                 "seed=7,any=reset:0.1,watch=cut:0.5; docs/testing.md has the grammar");
  LeaseTimes lease_times;
  add_leader_options(app, line.run.leader, lease_times);
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
  line.run.leader.timing = lease_times.timing();
  if (const auto checked = check(line.run, listen); !checked) {
    line.exit_code = kExitUsage;
    line.message = checked.error().message + "\n";
    return line;
  }
  if (level == "trace") level = "debug";
  if (level == "warn") level = "warning";
  log::parse_level(level, line.log_level);
  line.run.transport = kubernetes::parse_transport_kind(transport).value_or(line.run.transport);
  line.command = app.got_subcommand("render")     ? Command::kRender
                 : !app.got_subcommand("explain") ? Command::kRun
                 : line.reason.empty()            ? Command::kReasons
                                                  : Command::kExplain;
  return line;
}

}  // namespace imageclassifier::app
