#include "operator/registry/shared_tokens.hpp"

namespace imageclassifier::registry {
namespace {

/// Beyond that many, those that hold nothing of use go first.
constexpr std::size_t kTidyAbove = 256;

bool is_fresh(const std::optional<HeldToken>& held, double share, WallTime now) {
  if (!held || now < held->obtained) return false;
  const std::chrono::duration<double> life = held->token.expires - held->obtained;
  const std::chrono::duration<double> age = now - held->obtained;
  return age < life * share;
}

}  // namespace

std::shared_ptr<SharedTokens::Slot> SharedTokens::slot(const std::string& name) {
  const WallTime now = clock_.wall_now();
  auto slots = slots_.lock();
  if (slots->size() > kTidyAbove) {
    // Nobody else can come to hold one: that needs the lock that is held here.
    std::erase_if(*slots, [&](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->ends.load() <= now.time_since_epoch().count();
    });
  }
  std::shared_ptr<Slot>& found = (*slots)[name];
  if (!found) found = std::make_shared<Slot>();
  return found;
}

Minting<HeldToken> SharedTokens::get(const std::string& name, double share, const Fetch& fetch) {
  const auto mine = slot(name);
  const unsigned seen = mine->ended;
  const std::lock_guard hold(mine->fetching);
  if (is_fresh(mine->held, share, clock_.wall_now())) return *mine->held;
  if (mine->ended != seen && mine->failure) return tl::unexpected(*mine->failure);
  auto token = fetch();
  mine->failure.reset();
  if (token) {
    mine->held = HeldToken{std::move(*token), clock_.wall_now()};
    mine->ends = mine->held->token.expires.time_since_epoch().count();
  } else {
    mine->failure = token.error();
  }
  ++mine->ended;
  if (mine->failure) return tl::unexpected(*mine->failure);
  return *mine->held;
}

void SharedTokens::forget(const std::string& name) {
  const auto theirs = slot(name);
  const std::lock_guard hold(theirs->fetching);
  theirs->held.reset();
  theirs->ends = 0;
}

}  // namespace imageclassifier::registry
