#include "operator/kubernetes/token_source.hpp"

#include <string>
#include <utility>

#include "common/file.hpp"
#include "common/guarded.hpp"
#include "common/log.hpp"

namespace imageclassifier::kubernetes {
namespace {

using std::chrono::seconds;

// client-go: every 60 s, 10 s of leeway.
constexpr auto kReadEvery = seconds(50);
constexpr std::size_t kMaximumToken = 64 * 1024;

class FixedToken final : public TokenSource {
 public:
  explicit FixedToken(Secret token) : token_(std::move(token)) {}
  Result<Secret> token() override { return token_; }
  void reject(const Secret&) override {}

 private:
  Secret token_;
};

Secret read_token(const std::string& path) {
  auto text = read_file(path, kMaximumToken);
  if (!text) return Secret();
  const Secret whole(std::move(*text));
  const std::string& content = whole.reveal();
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return Secret();
  return Secret(content.substr(first, content.find_last_not_of(" \t\r\n") - first + 1));
}

class TokenFile final : public TokenSource {
 public:
  TokenFile(std::string path, Clock& clock) : path_(std::move(path)), clock_(clock) {}

  Result<Secret> token() override {
    auto state = state_.lock();
    if (state->token.empty() || state->stale || clock_.steady_now() - state->read_at >= kReadEvery) read(*state);
    if (state->token.empty()) {
      return fail(ErrorCode::kUnauthenticated, "the token file " + path_ + " is missing or empty");
    }
    return state->token;
  }

  void reject(const Secret& used) override {
    auto state = state_.lock();
    if (state->token == used) state->stale = true;
  }

 private:
  struct State {
    Secret token;
    SteadyTime read_at;
    bool stale = false;
  };

  void read(State& state) {
    Secret fresh = read_token(path_);
    state.read_at = clock_.steady_now();
    state.stale = false;
    if (!fresh.empty()) {
      state.token = std::move(fresh);
    } else if (!state.token.empty()) {
      log::warning("Kept the old token because its file could not be read", {{"file", path_}});
    }
  }

  const std::string path_;
  Clock& clock_;
  Guarded<State> state_;
};

}  // namespace

std::unique_ptr<TokenSource> make_token_source(const ClientConfig& config, Clock& clock) {
  if (!config.token_file.empty()) return std::make_unique<TokenFile>(config.token_file, clock);
  return std::make_unique<FixedToken>(config.token);
}

}  // namespace imageclassifier::kubernetes
