#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/child_process.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/token_source.hpp"

namespace imageclassifier::kubernetes {

/// What a credential plugin answered (ExecCredential.status).
struct ExecCredential {
  Secret token = {};
  std::string certificate_pem = {};
  Secret key_pem = {};
  std::optional<WallTime> expires = {};  ///< none: valid until the server says otherwise
};

/// Reads a plugin's output. kInvalidArgument if it is not an ExecCredential of `api_version` with a token, or with
/// certificate and key; the message quotes nothing of it.
Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version);

/// The variable KUBERNETES_EXEC_INFO for `config`: never interactive.
std::string exec_info(const ExecConfig& config);

/// Text of a plugin for a message: control characters become spaces, what may be a credential (long words, words of
/// letters and digits, what follows "token", "password=" and the like) becomes "[redacted]".
std::string clean_plugin_text(std::string_view text);

struct ExecOptions {
  Duration timeout = std::chrono::seconds(60);
  std::stop_token stop = {};  ///< of the process: a plugin that hangs does not hold up its end
  /// After a failure the same answer is given for so long, so that ten callers do not start ten plugins.
  Duration hold_failure = std::chrono::seconds(5);
  /// Starts the program; default: run_child. Tests count.
  std::function<Result<ChildResult>(const ChildOptions&)> run = {};
};

/// Runs the plugin when a credential is needed and none is there or the last one has expired; one run at a time. A
/// certificate goes to `certificates`. reject() runs it once more, unless that was done since the request was sent.
/// The error names the plugin, its exit code, the end of its standard error and, at most ten times an hour, the
/// kubeconfig's installHint when the program is missing. `clock` must outlive the source.
std::unique_ptr<TokenSource> make_exec_token_source(const ExecConfig& config, Clock& clock,
                                                    CertificateSink certificates, ExecOptions options = {});

}  // namespace imageclassifier::kubernetes
