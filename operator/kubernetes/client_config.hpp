#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "common/secret.hpp"

namespace imageclassifier::kubernetes {

/// Whom we trust and who we are on the TLS level. PEM text, already read; the file names stay for later re-reading.
struct TlsConfig {
  std::string ca_pem = {};       ///< empty: nobody is trusted, unless insecure_skip_verify
  std::string ca_file = {};      ///< where ca_pem came from; empty when it was inline
  std::string server_name = {};  ///< SNI and name to verify; empty: the host of the server URL
  bool insecure_skip_verify = false;
  std::string client_certificate_pem = {};
  std::string client_certificate_file = {};
  Secret client_key_pem = {};
  std::string client_key_file = {};
};

/// The proxy on the way to the API server, already decided (kubeconfig's proxy-url, else the environment).
struct ProxyConfig {
  std::string url = {};   ///< "http://host:3128", "https://..." or "socks5://..." without user; empty: none
  std::string user = {};  ///< from the URL's user part, percent-decoded
  Secret password = {};
  bool required = false;  ///< the kubeconfig names it: a transport that cannot use it must refuse
};

/// Who we pretend to be (kubeconfig's `as`, `as-uid`, `as-groups`, `as-user-extra`): headers Impersonate-*.
struct Impersonation {
  std::string user = {};
  std::string uid = {};
  std::vector<std::string> groups = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> extra = {};
};

/// A credential plugin (kubeconfig's `exec`), client.authentication.k8s.io.
struct ExecConfig {
  std::string api_version = {};  ///< client.authentication.k8s.io/v1 or .../v1beta1; the answer must have the same
  std::string command = {};      ///< a path, or a name to be found in PATH
  std::vector<std::string> args = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< added to ours
  std::string install_hint = {};
  std::string cluster_json = {};  ///< spec.cluster of KUBERNETES_EXEC_INFO; empty unless provideClusterInfo
};

/// Everything needed to reach one API server.
struct ClientConfig {
  std::string server = {};  ///< "https://host:6443/optional/prefix", without trailing slash
  TlsConfig tls = {};
  ProxyConfig proxy = {};
  Secret token = {};            ///< bearer token, if inline
  std::string token_file = {};  ///< bearer token file, re-read while running; wins over `token`
  std::string username = {};    ///< HTTP Basic, if neither token nor exec is given
  Secret password = {};
  Impersonation impersonation = {};
  std::optional<ExecConfig> exec = {};
  std::string default_namespace = {};  ///< of the context or the service account; "default" if neither says
  std::string source = {};             ///< for logs: "in-cluster" or the kubeconfig's path list
};

/// Host and port of a server's URL, for logs, metrics and errors: without the user and password that it may hold, and
/// without whatever stands before an '@', even where no user can be.
std::string host_of(const std::string& server);

/// Takes every credential out of a configuration whose server is not https://, as kubectl does: it would be readable on
/// the way. True: there was one.
bool drop_credentials_without_tls(ClientConfig& config);

struct LoadOptions {
  /// --kubeconfig; empty: $KUBECONFIG (a ':'-list), then in-cluster, then ~/.kube/config.
  std::string kubeconfig = {};
  /// --context; empty: the file's current-context.
  std::string context = {};
  /// Where a pod finds its identity: files token, ca.crt, namespace.
  std::string service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
  /// Reads an environment variable; default: getenv. Tests give their own.
  std::function<std::optional<std::string>(const std::string&)> environment = {};
};

/// Finds and reads the configuration, in controller-runtime's order: LoadOptions::kubeconfig, $KUBECONFIG, in-cluster
/// (KUBERNETES_SERVICE_HOST and _PORT both set), ~/.kube/config. Files of a list are merged, the first to set a value
/// wins; relative paths are relative to the file that names them; *-data wins over files. The proxy is the kubeconfig's
/// proxy-url, else the environment's (proxy.hpp). disable-compression is ignored on purpose: nothing is compressed.
/// Errors: kNotFound (no configuration, file or context), kInvalidArgument (malformed, contradicting), kUnsupported
/// (auth-provider: the message names the way out). A missing CA is an error unless the kubeconfig says
/// insecure-skip-tls-verify, which is logged as a warning.
Result<ClientConfig> load_client_config(const LoadOptions& options);

}  // namespace imageclassifier::kubernetes
