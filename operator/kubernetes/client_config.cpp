#include "operator/kubernetes/client_config.hpp"

#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <utility>
#include <vector>

#include "common/file.hpp"
#include "common/log.hpp"

namespace imageclassifier::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;

using Environment = std::function<std::optional<std::string>(const std::string&)>;

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> read_file(const std::string& path, std::string_view purpose) {
  auto text = imageclassifier::read_file(path, kMaximumFile);
  if (!text) text.error().message.insert(0, std::string(purpose) + " ");
  return text;
}

Result<std::string> decode_base64(std::string text, const std::string& what) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  std::string decoded(text.size() / 4 * 3 + 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0) return fail(ErrorCode::kInvalidArgument, what + " is not valid base64");
  const auto padding = std::min<std::ptrdiff_t>(std::count(text.begin(), text.end(), '='), 2);
  decoded.resize(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, length - padding)));
  return decoded;
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

// ---- kubeconfig ----

// One entry of a merged list, with the folder that its relative paths start from.
struct Entry {
  YAML::Node body;
  fs::path folder;
};

class Merged {
 public:
  void add(const YAML::Node& file, const fs::path& path) {
    const std::string current = text(file["current-context"]);
    if (current_context_.empty()) current_context_ = current;
    add_list(file["clusters"], "cluster", path, clusters_);
    add_list(file["contexts"], "context", path, contexts_);
    add_list(file["users"], "user", path, users_);
  }
  const std::string& current_context() const { return current_context_; }
  std::optional<Entry> cluster(const std::string& name) const { return find(clusters_, name); }
  std::optional<Entry> context(const std::string& name) const { return find(contexts_, name); }
  std::optional<Entry> user(const std::string& name) const { return find(users_, name); }

  static std::string text(const YAML::Node& node) { return node && node.IsScalar() ? node.Scalar() : std::string(); }

 private:
  using List = std::vector<std::pair<std::string, Entry>>;

  static void add_list(const YAML::Node& list, const char* member, const fs::path& path, List& into) {
    if (!list || !list.IsSequence()) return;
    for (const YAML::Node& item : list) {
      if (!item.IsMap()) continue;
      const std::string name = text(item["name"]);
      if (!find(into, name)) into.push_back({name, {item[member], fs::absolute(path).parent_path()}});
    }
  }
  static std::optional<Entry> find(const List& list, const std::string& name) {
    for (const auto& [key, entry] : list) {
      if (key == name) return entry;
    }
    return std::nullopt;
  }

  std::string current_context_;
  List clusters_, contexts_, users_;
};

std::string member(const Entry& entry, const char* key) {
  return entry.body && entry.body.IsMap() ? Merged::text(entry.body[key]) : std::string();
}

std::string path_in(const Entry& entry, const char* key) {
  const std::string path = member(entry, key);
  return path.empty() ? path : (entry.folder / path).lexically_normal().string();
}

// `<key>-data` (base64) or the file `<key>`; the file's name goes to `file`.
Result<std::string> data_or_file(const Entry& entry, const std::string& key, std::string& file) {
  const std::string inline_data = member(entry, (key + "-data").c_str());
  if (!inline_data.empty()) return decode_base64(inline_data, "the kubeconfig's " + key + "-data");
  file = path_in(entry, key.c_str());
  if (file.empty()) return std::string();
  return read_file(file, "the kubeconfig's " + key);
}

Result<void> read_cluster(const Entry& cluster, const std::string& name, ClientConfig& config) {
  config.server = member(cluster, "server");
  while (!config.server.empty() && config.server.back() == '/') config.server.pop_back();
  const bool tls = config.server.rfind("https://", 0) == 0;
  if (!tls && config.server.rfind("http://", 0) != 0) {
    return fail(ErrorCode::kInvalidArgument, "cluster '" + name + "' has no server URL that starts with https://");
  }
  if (!member(cluster, "proxy-url").empty()) {
    return fail(ErrorCode::kUnsupported, "cluster '" + name + "' asks for proxy-url, which is not supported");
  }
  config.tls.server_name = member(cluster, "tls-server-name");
  config.tls.insecure_skip_verify = member(cluster, "insecure-skip-tls-verify") == "true";
  auto ca = data_or_file(cluster, "certificate-authority", config.tls.ca_file);
  if (!ca) return fail(ca.error());
  config.tls.ca_pem = std::move(*ca);
  if (tls && config.tls.insecure_skip_verify) {
    log::warning("API server's certificate is not verified: insecure-skip-tls-verify is set", {{"cluster", name}});
  } else if (tls && config.tls.ca_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "cluster '" + name + "' has no certificate-authority; add it, or set insecure-skip-tls-verify");
  }
  return {};
}

Result<void> refuse_unsupported(const Entry& user, const std::string& name) {
  for (const char* key : {"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups"}) {
    if (user.body && user.body.IsMap() && user.body[key]) {
      return fail(ErrorCode::kUnsupported,
                  "user '" + name + "' of the kubeconfig uses '" + key +
                      "', which is not supported; use a client certificate, token or tokenFile");
    }
  }
  return {};
}

Result<void> read_user(const Entry& user, const std::string& name, ClientConfig& config) {
  if (auto supported = refuse_unsupported(user, name); !supported) return supported;
  config.token_file = path_in(user, "tokenFile");
  config.token = Secret(member(user, "token"));
  auto certificate = data_or_file(user, "client-certificate", config.tls.client_certificate_file);
  if (!certificate) return fail(certificate.error());
  auto key = data_or_file(user, "client-key", config.tls.client_key_file);
  if (!key) return fail(key.error());
  if (certificate->empty() != key->empty()) {
    return fail(ErrorCode::kInvalidArgument, "user '" + name + "' needs both client-certificate and client-key");
  }
  config.tls.client_certificate_pem = std::move(*certificate);
  config.tls.client_key_pem = Secret(std::move(*key));
  return {};
}

Result<ClientConfig> from_merged(const Merged& merged, const std::string& wanted_context, const std::string& source) {
  const std::string& name = wanted_context.empty() ? merged.current_context() : wanted_context;
  if (name.empty()) return fail(ErrorCode::kNotFound, source + " has no current-context; choose one with --context");
  const auto context = merged.context(name);
  if (!context) return fail(ErrorCode::kNotFound, source + " has no context '" + name + "'");
  const std::string cluster_name = member(*context, "cluster");
  const auto cluster = merged.cluster(cluster_name);
  if (!cluster) return fail(ErrorCode::kNotFound, source + " has no cluster '" + cluster_name + "'");
  ClientConfig config;
  config.source = source;
  config.default_namespace = member(*context, "namespace");
  if (config.default_namespace.empty()) config.default_namespace = "default";
  if (auto read = read_cluster(*cluster, cluster_name, config); !read) return fail(read.error());
  const std::string user_name = member(*context, "user");
  if (user_name.empty()) return config;
  const auto user = merged.user(user_name);
  if (!user) return fail(ErrorCode::kNotFound, source + " has no user '" + user_name + "'");
  if (auto read = read_user(*user, user_name, config); !read) return fail(read.error());
  return config;
}

// yaml-cpp throws; this is where that ends.
Result<ClientConfig> from_files(const std::vector<std::string>& paths, const std::string& context,
                                const std::string& source) {
  Merged merged;
  std::string reading;
  try {
    bool any = false;
    for (const std::string& path : paths) {
      reading = path;
      std::error_code ignored;
      // As kubectl: files of a list may be missing, but not all of them.
      if (paths.size() > 1 && !fs::exists(path, ignored)) continue;
      auto text = read_file(path, "the kubeconfig");
      if (!text) return fail(text.error());
      const YAML::Node file = YAML::Load(*text);
      if (!file.IsMap()) return fail(ErrorCode::kInvalidArgument, "the kubeconfig " + path + " is not a YAML mapping");
      merged.add(file, path);
      any = true;
    }
    if (!any) return fail(ErrorCode::kNotFound, "none of the kubeconfig files " + source + " exists");
    return from_merged(merged, context, source);
  } catch (const std::exception&) {
    // The parser's text may quote the file, which holds credentials.
    return fail(ErrorCode::kInvalidArgument, "the kubeconfig " + reading + " is not valid YAML");
  }
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

void warn_about_proxy(const Environment& environment) {
  for (const char* name : {"HTTPS_PROXY", "https_proxy"}) {
    if (!environment(name).value_or("").empty()) {
      log::warning("Proxy environment is not used for the API server", {{"variable", name}});
      return;
    }
  }
}

}  // namespace

Result<ClientConfig> load_client_config(const LoadOptions& options) {
  const Environment environment = options.environment ? options.environment : process_environment;
  warn_about_proxy(environment);
  if (!options.kubeconfig.empty()) return from_files({options.kubeconfig}, options.context, options.kubeconfig);
  const std::string list = environment("KUBECONFIG").value_or("");
  const auto paths = split_list(list);
  if (!paths.empty()) return from_files(paths, options.context, list);
  const std::string host = environment("KUBERNETES_SERVICE_HOST").value_or("");
  const std::string port = environment("KUBERNETES_SERVICE_PORT").value_or("");
  if (!host.empty() && !port.empty()) return in_cluster(host, port, options.service_account_dir);
  const std::string home = environment("HOME").value_or("");
  std::error_code ignored;
  const std::string standard = home + "/.kube/config";
  if (!home.empty() && fs::exists(standard, ignored)) return from_files({standard}, options.context, standard);
  return fail(ErrorCode::kNotFound,
              "no configuration found: pass --kubeconfig, set KUBECONFIG, or run inside a cluster");
}

}  // namespace imageclassifier::kubernetes
