#include "operator/kubernetes/kubeconfig.hpp"

#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "common/file.hpp"
#include "common/log.hpp"
#include "operator/kubernetes/proxy.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;

Result<std::string> named(std::string_view purpose, Result<std::string> text) {
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
    std::set<std::string> here;
    for (const YAML::Node& item : list) {
      if (!item.IsMap()) continue;
      const std::string name = text(item["name"]);
      if (!here.insert(name).second) throw std::runtime_error("duplicate name");
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
  return named("the kubeconfig's " + key, read_regular_file(file, kMaximumFile));
}

// As YAML 1.1 spells it, which kubectl reads.
bool is_true(const std::string& text) {
  static const std::set<std::string> kTrue = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
  return kTrue.count(text) > 0;
}

// "HTTPS://a" as "https://a".
void lower_scheme(std::string& url) {
  const std::size_t end = url.find("://");
  if (end == std::string::npos) return;
  std::transform(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(end), url.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
}

Result<void> read_cluster(const Entry& cluster, const std::string& name, ClientConfig& config) {
  config.server = member(cluster, "server");
  while (!config.server.empty() && config.server.back() == '/') config.server.pop_back();
  lower_scheme(config.server);
  const bool tls = config.server.rfind("https://", 0) == 0;
  if (!tls && config.server.rfind("http://", 0) != 0) {
    return fail(ErrorCode::kInvalidArgument, "cluster '" + name + "' has no server URL that starts with https://");
  }
  if (const std::string url = member(cluster, "proxy-url"); !url.empty()) {
    auto proxy = parse_proxy_url(url, "proxy-url of the cluster '" + name + "'");
    if (!proxy) return fail(proxy.error());
    config.proxy = std::move(*proxy);
    config.proxy.required = true;
  }
  config.tls.server_name = member(cluster, "tls-server-name");
  config.tls.insecure_skip_verify = is_true(member(cluster, "insecure-skip-tls-verify"));
  auto ca = data_or_file(cluster, "certificate-authority", config.tls.ca_file);
  if (!ca) return fail(ca.error());
  config.tls.ca_pem = std::move(*ca);
  if (tls && config.tls.insecure_skip_verify && !config.tls.ca_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "cluster '" + name + "' has both certificate-authority and insecure-skip-tls-verify; remove one");
  }
  if (tls && config.tls.insecure_skip_verify) {
    log::warning("API server's certificate is not verified: insecure-skip-tls-verify is set", {{"cluster", name}});
  } else if (tls && config.tls.ca_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "cluster '" + name + "' has no certificate-authority; add it, or set insecure-skip-tls-verify");
  }
  return {};
}

std::vector<std::string> texts(const YAML::Node& list) {
  std::vector<std::string> result;
  if (!list || !list.IsSequence()) return result;
  for (const YAML::Node& item : list) result.push_back(Merged::text(item));
  return result;
}

Result<void> read_impersonation(const Entry& user, const std::string& name, Impersonation& who) {
  who.user = member(user, "as");
  who.uid = member(user, "as-uid");
  who.groups = texts(user.body["as-groups"]);
  if (const YAML::Node extra = user.body["as-user-extra"]; extra && extra.IsMap()) {
    for (const auto& entry : extra) who.extra.emplace_back(Merged::text(entry.first), texts(entry.second));
  }
  if (who.user.empty() && !(who.uid.empty() && who.groups.empty() && who.extra.empty())) {
    return fail(ErrorCode::kInvalidArgument,
                "user '" + name + "' has as-uid, as-groups or as-user-extra without as; name the user to impersonate");
  }
  bool clean = is_header_text(who.user) && is_header_text(who.uid);
  for (const std::string& group : who.groups) clean = clean && is_header_text(group);
  for (const auto& [key, values] : who.extra) {
    for (const std::string& value : values) clean = clean && is_header_text(value);
  }
  if (!clean)
    return fail(ErrorCode::kInvalidArgument, "user '" + name + "' impersonates a name with control characters");
  return {};
}

Result<ExecConfig> read_exec(const YAML::Node& exec, const fs::path& folder, const std::string& name) {
  const std::string who = "the exec plugin of user '" + name + "'";
  const auto refuse = [&](const std::string& why) { return fail(ErrorCode::kInvalidArgument, who + " " + why); };
  if (!exec.IsMap()) return refuse("is not a mapping");
  ExecConfig config;
  config.api_version = Merged::text(exec["apiVersion"]);
  config.command = Merged::text(exec["command"]);
  const bool v1 = config.api_version == "client.authentication.k8s.io/v1";
  if (!v1 && config.api_version != "client.authentication.k8s.io/v1beta1") {
    return refuse("needs apiVersion client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1");
  }
  if (config.command.empty()) return refuse("has no command");
  if (config.command.find('/') != std::string::npos) config.command = (folder / config.command).lexically_normal();
  config.args = texts(exec["args"]);
  if (const YAML::Node list = exec["env"]; list && list.IsSequence()) {
    for (const YAML::Node& item : list) {
      if (!item.IsMap() || Merged::text(item["name"]).empty()) return refuse("has a variable without name in env");
      config.environment.emplace_back(Merged::text(item["name"]), Merged::text(item["value"]));
    }
  }
  const std::string mode = Merged::text(exec["interactiveMode"]);
  if (mode == "Always") return refuse("says interactiveMode: Always, but this program has no terminal for it");
  if ((v1 || !mode.empty()) && mode != "Never" && mode != "IfAvailable") {
    return refuse("needs interactiveMode: Never or IfAvailable");
  }
  config.install_hint = Merged::text(exec["installHint"]);
  return config;
}

constexpr int kMaximumDepth = 32;
constexpr int kMaximumNodes = 10000;

// `budget` bounds what aliases of aliases can unfold to.
nlohmann::json to_json(const YAML::Node& node, int depth, int& budget) {
  if (depth > kMaximumDepth || --budget < 0) throw std::length_error("the extension is too large");
  if (node.IsSequence()) {
    auto list = nlohmann::json::array();
    for (const YAML::Node& item : node) list.push_back(to_json(item, depth + 1, budget));
    return list;
  }
  if (node.IsMap()) {
    auto object = nlohmann::json::object();
    for (const auto& item : node) object[Merged::text(item.first)] = to_json(item.second, depth + 1, budget);
    return object;
  }
  const std::string text = Merged::text(node);
  if (node.IsScalar() && node.Tag() == "!") return text;
  if (!node.IsScalar() || text.empty() || text == "~") return nullptr;
  const auto value = nlohmann::json::parse(text, nullptr, false);
  return value.is_primitive() && !value.is_discarded() && !value.is_string() ? value : nlohmann::json(text);
}

std::string encode_base64(const std::string& text) {
  std::string encoded((text.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), reinterpret_cast<const unsigned char*>(text.data()),
                  static_cast<int>(text.size()));
  encoded.pop_back();
  return encoded;
}

// spec.cluster of ExecCredential.
std::string cluster_json(const Entry& cluster, const ClientConfig& config) {
  nlohmann::json object = {{"server", config.server}};
  if (!config.tls.server_name.empty()) object["tls-server-name"] = config.tls.server_name;
  if (config.tls.insecure_skip_verify) object["insecure-skip-tls-verify"] = true;
  if (!config.tls.ca_pem.empty()) object["certificate-authority-data"] = encode_base64(config.tls.ca_pem);
  if (const std::string url = member(cluster, "proxy-url"); !url.empty()) object["proxy-url"] = url;
  if (member(cluster, "disable-compression") == "true") object["disable-compression"] = true;
  if (const YAML::Node list = cluster.body["extensions"]; list && list.IsSequence()) {
    for (const YAML::Node& item : list) {
      if (!item.IsMap() || Merged::text(item["name"]) != "client.authentication.k8s.io/exec") continue;
      int budget = kMaximumNodes;
      object["config"] = to_json(item["extension"], 0, budget);
    }
  }
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<void> read_certificate(const Entry& user, const std::string& name, ClientConfig& config) {
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

Result<void> read_user(const Entry& user, const std::string& name, const Entry& cluster, ClientConfig& config) {
  if (!user.body || !user.body.IsMap()) return {};
  if (user.body["auth-provider"]) {
    return fail(
        ErrorCode::kUnsupported,
        "user '" + name +
            "' uses auth-provider, which Kubernetes removed in 1.26; run 'kubelogin convert-kubeconfig' (Azure) or "
            "configure your provider's exec plugin");
  }
  config.token_file = path_in(user, "tokenFile");
  config.token = Secret(member(user, "token"));
  config.username = member(user, "username");
  config.password = Secret(member(user, "password"));
  const bool token = !config.token_file.empty() || !config.token.empty();
  if (token && !(config.username.empty() && config.password.empty())) {
    return fail(ErrorCode::kInvalidArgument, "user '" + name + "' has both a token and username/password; remove one");
  }
  if (!is_header_text(config.token.reveal())) {
    return fail(ErrorCode::kInvalidArgument, "the token of user '" + name + "' holds control characters");
  }
  if (auto who = read_impersonation(user, name, config.impersonation); !who) return who;
  if (const YAML::Node exec = user.body["exec"]; exec && !exec.IsNull()) {
    auto plugin = read_exec(exec, user.folder, name);
    if (!plugin) return fail(plugin.error());
    if (Merged::text(exec["provideClusterInfo"]) == "true") plugin->cluster_json = cluster_json(cluster, config);
    config.exec = std::move(*plugin);
  }
  return read_certificate(user, name, config);
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
  if (auto read = read_user(*user, user_name, *cluster, config); !read) return fail(read.error());
  return config;
}

}  // namespace

// yaml-cpp throws; this is where that ends.
Result<ClientConfig> load_kubeconfig(const std::vector<std::string>& paths, const std::string& context,
                                     const std::string& source) {
  Merged merged;
  std::string reading;
  try {
    bool any = false, filled = false;
    for (const std::string& path : paths) {
      reading = path;
      std::error_code ignored;
      // As kubectl: files of a list may be missing, but not all of them.
      if (paths.size() > 1 && !fs::exists(path, ignored)) {
        log::warning("Passed over a file of KUBECONFIG that does not exist", {{"file", path}});
        continue;
      }
      auto text = named("the kubeconfig", read_file(path, kMaximumFile));
      if (!text) return fail(text.error());
      const YAML::Node file = YAML::Load(*text);
      any = true;
      if (file.IsNull()) continue;
      if (!file.IsMap()) return fail(ErrorCode::kInvalidArgument, "the kubeconfig " + path + " is not a YAML mapping");
      merged.add(file, path);
      filled = true;
    }
    if (!any) return fail(ErrorCode::kNotFound, "none of the kubeconfig files " + source + " exists");
    if (!filled) return fail(ErrorCode::kInvalidArgument, "the kubeconfig " + source + " is empty");
    return from_merged(merged, context, source);
  } catch (const std::exception&) {
    // The parser's text may quote the file, which holds credentials.
    return fail(ErrorCode::kInvalidArgument,
                "the kubeconfig " + reading + " is not valid YAML or names an entry twice");
  }
}

}  // namespace imageclassifier::kubernetes
