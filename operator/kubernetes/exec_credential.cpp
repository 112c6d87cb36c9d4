#include "operator/kubernetes/exec_credential.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/guarded.hpp"
#include "operator/api/time.hpp"

namespace imageclassifier::kubernetes {
namespace {

using nlohmann::json;

constexpr std::size_t kHintsPerHour = 10;
constexpr std::size_t kLongestWord = 40;
constexpr std::size_t kLongestMixedWord = 12;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// RFC 3339 with any offset, as Go's encoder may print it.
std::optional<WallTime> parse_time(const std::string& text) {
  if (text.size() < 25 || text[text.size() - 3] != ':') return api::parse_rfc3339(text);
  const std::string offset = text.substr(text.size() - 6);
  const bool digits =
      std::all_of(offset.begin() + 1, offset.end(), [](char c) { return c == ':' || (c >= '0' && c <= '9'); });
  const auto local = api::parse_rfc3339(text.substr(0, text.size() - 6) + "Z");
  if (!local || !digits || (offset[0] != '+' && offset[0] != '-')) return std::nullopt;
  const auto number = [&](std::size_t at) { return (offset[at] - '0') * 10 + (offset[at + 1] - '0'); };
  const auto shift = std::chrono::minutes(number(1) * 60 + number(4));
  return offset[0] == '+' ? *local - shift : *local + shift;
}

bool names_credential(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* name : {"token", "password", "passwd", "secret", "bearer", "credential"}) {
    if (lower.find(name) != std::string::npos) return true;
  }
  return false;
}

// Words that may be one: very long, or of letters and digits; or with a digit behind a word such as "token". Of
// "password=x" the name stays.
std::string without_credential(const std::string& word, bool after_name) {
  const auto has = [&](int (*is)(int)) {
    return std::any_of(word.begin(), word.end(), [&](unsigned char c) { return is(c) != 0; });
  };
  const std::size_t equals = word.find('=');
  if (equals != std::string::npos && names_credential(std::string_view(word).substr(0, equals)))
    return word.substr(0, equals + 1) + "[redacted]";
  const bool mixed = has(std::isdigit) && has(std::isalpha);
  const bool suspicious = word.size() >= kLongestWord || (mixed && word.size() >= kLongestMixedWord) ||
                          (after_name && has(std::isdigit) && word.size() >= 4);
  return suspicious ? "[redacted]" : word;
}

class ExecTokenSource final : public TokenSource {
 public:
  ExecTokenSource(ExecConfig config, Clock& clock, CertificateSink certificates, ExecOptions options)
      : config_(std::move(config)),
        clock_(clock),
        certificates_(std::move(certificates)),
        options_(std::move(options)) {
    if (!options_.run) options_.run = run_child;
  }

  Result<Secret> token() override {
    auto state = state_.lock();
    if (state->known && (!state->credential.expires || clock_.wall_now() < *state->credential.expires)) {
      return state->credential.token;
    }
    if (state->failed && clock_.steady_now() - state->asked_at < options_.hold_failure) return fail(*state->failed);
    if (const auto renewed = renew(*state); !renewed) return fail(renewed.error());
    return state->credential.token;
  }

  bool reject(const Secret& used, SteadyTime sent) override {
    auto state = state_.lock();
    if (state->known && (state->credential.token != used || state->asked_at > sent)) return true;
    if (state->failed) return false;
    return renew(*state).has_value();
  }

 private:
  struct State {
    ExecCredential credential;
    bool known = false;
    std::optional<Error> failed;
    SteadyTime asked_at;
    std::deque<SteadyTime> hints;
  };

  // Under the lock: this is what makes it one run at a time.
  Result<void> renew(State& state) {
    auto answer = ask(state);
    if (answer && !answer->certificate_pem.empty()) {
      const Result<void> taken =
          certificates_ ? certificates_(answer->certificate_pem, answer->key_pem)
                        : Result<void>(fail(ErrorCode::kUnsupported, "this connection cannot change its certificate"));
      if (!taken)
        answer = fail(Error(taken.error().code, subject() + " gave a certificate that is not used", taken.error()));
    }
    state.asked_at = clock_.steady_now();
    state.known = answer.has_value();
    state.failed = answer ? std::nullopt : std::optional(answer.error());
    if (!answer) return fail(answer.error());
    state.credential = std::move(*answer);
    return {};
  }

  std::string subject() const { return "the credential plugin '" + config_.command + "' of the kubeconfig"; }

  Result<ExecCredential> ask(State& state) {
    ChildOptions child;
    child.program = config_.command;
    if (child.program.find('/') == std::string::npos) {
      const char* path = std::getenv("PATH");
      child.program = find_program(config_.command, path == nullptr ? "" : path);
    }
    if (child.program.empty()) return missing(state, "is not in PATH");
    child.args = config_.args;
    child.environment = config_.environment;
    child.environment.emplace_back("KUBERNETES_EXEC_INFO", exec_info(config_));
    child.timeout = options_.timeout;
    child.stop = options_.stop;
    auto ran = options_.run(child);
    if (!ran && ran.error().code == ErrorCode::kNotFound)
      return missing(state, "cannot be started: " + ran.error().message);
    if (!ran) return fail(Error(ran.error().code, subject() + " failed", ran.error()));
    const Secret output(std::move(ran->output));
    if (ran->exit_code != 0) {
      const std::string errors = clean_plugin_text(ran->errors);
      return fail(ErrorCode::kUnauthenticated, subject() + " ended with code " + std::to_string(ran->exit_code) +
                                                   (errors.empty() ? " and said nothing" : " and said: " + errors));
    }
    auto credential = parse_exec_credential(output.reveal(), config_.api_version);
    if (!credential)
      return fail(Error(ErrorCode::kUnauthenticated, subject() + " gave no usable answer", credential.error()));
    return credential;
  }

  Result<ExecCredential> missing(State& state, const std::string& how) {
    const SteadyTime now = clock_.steady_now();
    while (!state.hints.empty() && now - state.hints.front() >= std::chrono::hours(1)) state.hints.pop_front();
    std::string message = subject() + " " + how;
    if (!config_.install_hint.empty() && state.hints.size() < kHintsPerHour) {
      state.hints.push_back(now);
      message += ". " + clean_plugin_text(config_.install_hint);
    }
    return fail(ErrorCode::kUnauthenticated, message);
  }

  const ExecConfig config_;
  Clock& clock_;
  const CertificateSink certificates_;
  ExecOptions options_;
  Guarded<State> state_;
};

}  // namespace

Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version) {
  const json answer = json::parse(output, nullptr, false);
  if (!answer.is_object()) return fail(ErrorCode::kInvalidArgument, "its output is not a JSON object");
  if (text_of(answer, "kind") != "ExecCredential" || text_of(answer, "apiVersion") != api_version) {
    return fail(ErrorCode::kInvalidArgument, "its output is not an ExecCredential of " + std::string(api_version) +
                                                 ", which the kubeconfig asks for");
  }
  const auto status = answer.find("status");
  if (status == answer.end() || !status->is_object()) {
    return fail(ErrorCode::kInvalidArgument, "its output has no status");
  }
  ExecCredential credential;
  credential.token = Secret(text_of(*status, "token"));
  credential.certificate_pem = text_of(*status, "clientCertificateData");
  credential.key_pem = Secret(text_of(*status, "clientKeyData"));
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument, "its output has only one of clientCertificateData and clientKeyData");
  }
  if (credential.token.empty() && credential.certificate_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument, "its output has neither token nor client certificate");
  }
  const std::string& token = credential.token.reveal();
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return fail(ErrorCode::kInvalidArgument, "its token holds characters that no HTTP header may hold");
  }
  const auto expires = status->find("expirationTimestamp");
  if (expires != status->end() && !expires->is_null()) {
    credential.expires = parse_time(text_of(*status, "expirationTimestamp"));
    if (!credential.expires)
      return fail(ErrorCode::kInvalidArgument, "its expirationTimestamp is not an RFC 3339 time");
  }
  return credential;
}

std::string exec_info(const ExecConfig& config) {
  json info = {{"apiVersion", config.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
  const json cluster = json::parse(config.cluster_json, nullptr, false);
  if (cluster.is_object()) info["spec"]["cluster"] = cluster;
  return info.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string clean_plugin_text(std::string_view text) {
  std::string cleaned, word;
  bool after_name = false;
  const auto is_credential_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.+=").find(c) != std::string_view::npos;
  };
  const auto end_word = [&] {
    cleaned += without_credential(word, after_name);
    if (!word.empty()) after_name = names_credential(word);
    word.clear();
  };
  for (const char c : text) {
    if (is_credential_character(c)) {
      word += c;
      continue;
    }
    end_word();
    const bool space = static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
    if (!space) cleaned += c;
    if (space && !cleaned.empty() && cleaned.back() != ' ') cleaned += ' ';
  }
  end_word();
  while (!cleaned.empty() && cleaned.back() == ' ') cleaned.pop_back();
  return cleaned;
}

std::unique_ptr<TokenSource> make_exec_token_source(const ExecConfig& config, Clock& clock,
                                                    CertificateSink certificates, ExecOptions options) {
  return std::make_unique<ExecTokenSource>(config, clock, std::move(certificates), std::move(options));
}

}  // namespace imageclassifier::kubernetes
