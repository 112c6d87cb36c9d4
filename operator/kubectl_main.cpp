#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "common/build_info.hpp"
#include "common/log.hpp"
#include "common/metrics.hpp"
#include "operator/app/connection.hpp"
#include "operator/cli/commands.hpp"
#include "operator/cli/doctor.hpp"

// `kubectl imageclassifier`: kubectl runs the program of this name that it finds in PATH.
namespace {

using namespace imageclassifier;

constexpr int kNotWell = 1;
constexpr int kCannotTell = 2;

int print(const Result<std::string>& text) {
  if (!text) {
    std::fprintf(stderr, "%s\n", text.error().message.c_str());
    return kCannotTell;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

int print_rendered(const Result<cli::Rendered>& rendered) {
  if (!rendered) return print(fail(rendered.error()));
  std::fputs(rendered->warnings.c_str(), stderr);
  return print(rendered->objects);
}

int doctor(const app::RunOptions& options, const std::string& argument) {
  const auto name = cli::resource_name(argument);
  if (!name) return print(fail(name.error()));
  SystemClock clock;
  MetricsRegistry metrics;
  const auto identity = app::load_identity(options, clock, metrics, {});
  if (!identity) return print(fail(identity.error()));
  kubernetes::ApiClient::Options client_options;
  client_options.user_agent = "kubectl-imageclassifier";
  const auto connection = app::connect(options, *identity, std::move(client_options), clock, metrics);
  if (!connection) return print(fail(connection.error()));
  const std::string& space =
      options.namespace_name.empty() ? identity->config.default_namespace : options.namespace_name;
  const auto verdict = cli::examine(*connection->client, {space, *name}, clock, {});
  if (!verdict) return print(fail(verdict.error()));
  std::fputs(verdict->text.c_str(), stdout);
  return verdict->well ? 0 : kNotWell;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks after ImageClassifier resources", "kubectl imageclassifier");
  app.set_version_flag("--version", std::string(build_version()));
  app.require_subcommand(1);
  app.fallthrough();  // options may stand behind the subcommand, as kubectl's do
  app::RunOptions options;
  options.transport = kubernetes::TransportKind::kCurl;  // which knows every address and proxy that kubectl does
  std::string name, reason, file, account = "imageclassifier-system:imageclassifier-operator";
  bool grant = false;
  app.add_option("-n,--namespace", options.namespace_name, "Default: that of the kubeconfig's context");
  app.add_option("--kubeconfig", options.client.kubeconfig, "Default: $KUBECONFIG, then ~/.kube/config");
  app.add_option("--context", options.client.context, "Context of the kubeconfig; default: its current one");
  CLI::App& doctor_command = *app.add_subcommand(
      "doctor",
      "Walk from the resource to its answer over HTTP and show the first broken link: 0 all is well, 1 not, "
      "2 it could not be told");
  doctor_command.add_option("NAME", name, "The ImageClassifier: pets, or ic/pets")->required();
  CLI::App& explain = *app.add_subcommand("explain", "Say what a reason in a status means and what to do");
  explain.add_option("REASON", reason, "The reason; without one: all of them");
  CLI::App& render = *app.add_subcommand("render", "Print the objects that the operator makes from a resource");
  render.add_option("-f,--filename", file, "YAML or JSON file with the ImageClassifier; - is standard input")
      ->required();
  CLI::Option* alone = render.add_flag(
      "--grant", grant, "Print nothing but the Role and RoleBinding that spec.registry.auth.workloadIdentity needs");
  render.add_option("--operator", account, "NAMESPACE:NAME of the operator's ServiceAccount")
      ->needs(alone)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kCannotTell;
  }
  log::set_level(log::Level::kError);
  if (doctor_command) return doctor(options, name);
  if (grant) return print(cli::grant_file(file, account));
  if (render) return print_rendered(cli::render_file(file));
  return print(reason.empty() ? Result<std::string>(cli::list_reasons()) : cli::explain(reason));
}
