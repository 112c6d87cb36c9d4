#include "operator/kubernetes/client_config.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/file.hpp"
#include "common/log.hpp"
#include "operator/kubernetes/kubeconfig.hpp"
#include "operator/kubernetes/proxy.hpp"

namespace imageclassifier::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> read_file(const std::string& path, std::string_view purpose) {
  auto text = read_regular_file(path, kMaximumFile);
  if (!text) text.error().message.insert(0, std::string(purpose) + " ");
  return text;
}

// ---- in-cluster ----

Result<ClientConfig> in_cluster(const std::string& host, const std::string& port, const std::string& directory) {
  ClientConfig config;
  config.source = "in-cluster";
  const bool ipv6 = host.find(':') != std::string::npos;
  config.server = "https://" + (ipv6 ? "[" + host + "]" : host) + ":" + port;
  config.token_file = directory + "/token";
  config.tls.ca_file = directory + "/ca.crt";
  auto token = read_file(config.token_file, "the service account token");
  if (!token) return fail(token.error());
  Secret(std::move(*token));
  auto ca = read_file(config.tls.ca_file, "the cluster's CA");
  if (!ca) return fail(ca.error());
  if (ca->empty()) return fail(ErrorCode::kInvalidArgument, "the cluster's CA " + config.tls.ca_file + " is empty");
  config.tls.ca_pem = std::move(*ca);
  config.default_namespace = read_file(directory + "/namespace", "the namespace file").value_or("default");
  std::erase(config.default_namespace, '\n');
  return config;
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (start <= list.size()) {
    const std::size_t end = std::min(list.find(':', start), list.size());
    if (end > start) parts.push_back(list.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

Result<ClientConfig> find(const LoadOptions& options, const Environment& environment) {
  if (!options.kubeconfig.empty()) return load_kubeconfig({options.kubeconfig}, options.context, options.kubeconfig);
  const std::string list = environment("KUBECONFIG").value_or("");
  const auto paths = split_list(list);
  if (!paths.empty()) return load_kubeconfig(paths, options.context, list);
  const std::string host = environment("KUBERNETES_SERVICE_HOST").value_or("");
  const std::string port = environment("KUBERNETES_SERVICE_PORT").value_or("");
  if (!host.empty() && !port.empty()) return in_cluster(host, port, options.service_account_dir);
  const std::string home = environment("HOME").value_or("");
  std::error_code ignored;
  const std::string standard = home + "/.kube/config";
  if (!home.empty() && fs::exists(standard, ignored)) return load_kubeconfig({standard}, options.context, standard);
  return fail(ErrorCode::kNotFound,
              "no configuration found: pass --kubeconfig, set KUBECONFIG, or run inside a cluster");
}

}  // namespace

std::string host_of(const std::string& server) {
  const std::size_t scheme = server.find("://");
  std::string rest = scheme == std::string::npos ? server : server.substr(scheme + 3);
  rest.erase(0, rest.rfind('@') + 1);
  return rest.substr(0, rest.find_first_of("/?#"));
}

Result<ClientConfig> load_client_config(const LoadOptions& options) {
  const Environment environment = options.environment ? options.environment : process_environment;
  auto config = find(options, environment);
  if (!config || !config->proxy.url.empty()) return config;
  auto proxy = proxy_from_environment(config->server, environment);
  if (!proxy) return fail(proxy.error());
  config->proxy = std::move(*proxy);
  return config;
}

bool drop_credentials_without_tls(ClientConfig& config) {
  if (config.server.rfind("https://", 0) == 0) return false;
  const bool had = !config.token.empty() || !config.token_file.empty() || !config.username.empty() || config.exec;
  config.token = {};
  config.token_file.clear();
  config.username.clear();
  config.password = {};
  config.exec.reset();
  return had;
}

}  // namespace imageclassifier::kubernetes
