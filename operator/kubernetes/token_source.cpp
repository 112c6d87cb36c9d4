#include "operator/kubernetes/token_source.hpp"

#include <openssl/evp.h>

#include <string>
#include <utility>

#include "common/file.hpp"
#include "common/guarded.hpp"
#include "common/log.hpp"
#include "common/percent_encode.hpp"
#include "operator/kubernetes/exec_credential.hpp"
#include "operator/kubernetes/request.hpp"

namespace imageclassifier::kubernetes {
namespace {

constexpr std::size_t kMaximumToken = 64 * 1024;

class FixedToken final : public TokenSource {
 public:
  explicit FixedToken(Secret token, const char* scheme = "Bearer") : token_(std::move(token)), scheme_(scheme) {}
  Result<Secret> token() override { return token_; }
  bool reject(const Secret&, SteadyTime) override { return false; }
  const char* scheme() const override { return scheme_; }

 private:
  Secret token_;
  const char* scheme_;
};

Result<Secret> read_token(const std::string& path) {
  auto text = read_regular_file(path, kMaximumToken);
  if (!text) return fail(text.error());
  const Secret whole(std::move(*text));
  const std::string& content = whole.reveal();
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return fail(ErrorCode::kInvalidArgument, path + " is empty");
  Secret token(content.substr(first, content.find_last_not_of(" \t\r\n") - first + 1));
  if (!is_header_text(token.reveal())) {
    return fail(ErrorCode::kInvalidArgument, path + " holds control characters or more than one line");
  }
  return token;
}

class TokenFile final : public TokenSource {
 public:
  TokenFile(std::string path, Clock& clock, Duration read_every)
      : path_(std::move(path)), clock_(clock), read_every_(read_every) {}

  Result<Secret> token() override {
    auto state = state_.lock();
    if (state->token.empty() || clock_.steady_now() - state->read_at >= read_every_) read(*state);
    if (state->token.empty()) return fail(ErrorCode::kUnauthenticated, "there is no token: " + state->problem);
    return state->token;
  }

  bool reject(const Secret& used, SteadyTime) override {
    auto state = state_.lock();
    if (state->token == used) read(*state);
    return state->token != used;
  }

 private:
  struct State {
    Secret token;
    SteadyTime read_at;
    std::string problem;  ///< why there is none
  };

  void read(State& state) {
    Result<Secret> fresh = read_token(path_);
    state.read_at = clock_.steady_now();
    if (fresh) {
      state.token = std::move(*fresh);
      return;
    }
    state.problem = std::move(fresh.error().message);
    if (!state.token.empty()) log::warning("Kept the old token", {{"error", state.problem}});
  }

  const std::string path_;
  Clock& clock_;
  const Duration read_every_;
  Guarded<State> state_;
};

// Any source, as somebody else.
class Impersonating final : public TokenSource {
 public:
  Impersonating(std::unique_ptr<TokenSource> inner, const Impersonation& who) : inner_(std::move(inner)) {
    headers_.push_back({"Impersonate-User", who.user});
    if (!who.uid.empty()) headers_.push_back({"Impersonate-Uid", who.uid});
    for (const std::string& group : who.groups) headers_.push_back({"Impersonate-Group", group});
    for (const auto& [key, values] : who.extra) {
      for (const std::string& value : values) headers_.push_back({"Impersonate-Extra-" + percent_encode(key), value});
    }
  }
  Result<Secret> token() override { return inner_->token(); }
  bool reject(const Secret& used, SteadyTime sent) override { return inner_->reject(used, sent); }
  const char* scheme() const override { return inner_->scheme(); }
  std::vector<Header> headers() const override { return headers_; }

 private:
  std::unique_ptr<TokenSource> inner_;
  std::vector<Header> headers_;
};

Secret basic(const std::string& user, const Secret& password) {
  const Secret plain(user + ":" + password.reveal());
  std::string encoded((plain.reveal().size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                  reinterpret_cast<const unsigned char*>(plain.reveal().data()),
                  static_cast<int>(plain.reveal().size()));
  encoded.pop_back();
  return Secret(std::move(encoded));
}

std::unique_ptr<TokenSource> make_plain_source(const ClientConfig& config, Clock& clock, TokenOptions options) {
  if (!config.token_file.empty()) {
    return std::make_unique<TokenFile>(config.token_file, clock, options.read_file_every);
  }
  if (!config.token.empty()) return std::make_unique<FixedToken>(config.token);
  if (!config.username.empty()) {
    log::conceal(config.password.reveal());  // who quotes it need not quote it in base64
    return std::make_unique<FixedToken>(basic(config.username, config.password), "Basic");
  }
  if (config.exec)
    return make_exec_token_source(*config.exec, clock, std::move(options.certificates), {.stop = options.stop});
  return std::make_unique<FixedToken>(Secret());
}

}  // namespace

std::unique_ptr<TokenSource> make_token_source(const ClientConfig& config, Clock& clock, TokenOptions options) {
  auto source = make_plain_source(config, clock, std::move(options));
  if (config.impersonation.user.empty()) return source;
  return std::make_unique<Impersonating>(std::move(source), config.impersonation);
}

}  // namespace imageclassifier::kubernetes
