#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "operator/registry/mint_failure.hpp"
#include "operator/registry/token.hpp"

namespace imageclassifier::registry {

/// A token, and since when we have it.
struct HeldToken {
  Token token;
  WallTime obtained;
};

/// Tokens that serve several resources, in memory alone. Who asks for one that is being fetched waits for it, and
/// shares also its failure. Thread safe.
class SharedTokens {
 public:
  using Fetch = std::function<Minting<Token>()>;

  explicit SharedTokens(const Clock& clock) : clock_(clock) {}

  /// The token of this name if it has lived for no more than `share` of its life, else a new one. `name` must tell all
  /// that `fetch` depends on, whoever asks: also the secret that is shown for it.
  Minting<HeldToken> get(const std::string& name, double share, const Fetch& fetch);
  /// It was refused.
  void forget(const std::string& name);

 private:
  struct Slot {
    std::mutex fetching;
    std::atomic<unsigned> ended = 0;      ///< fetches
    std::atomic<WallTime::rep> ends = 0;  ///< what is held
    std::optional<HeldToken> held;
    std::optional<MintFailure> failure;  ///< of the last fetch
  };
  std::shared_ptr<Slot> slot(const std::string& name);

  const Clock& clock_;
  Guarded<std::map<std::string, std::shared_ptr<Slot>>> slots_;
};

}  // namespace imageclassifier::registry
