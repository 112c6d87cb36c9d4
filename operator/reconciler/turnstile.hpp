#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/clock.hpp"
#include "common/guarded.hpp"

namespace imageclassifier::reconciler {

/// How often one server is asked.
struct Pace {
  double per_second = 5;
  double at_once = 10;  ///< questions, after a time without any
  int threads = 4;      ///< at the same time: a server that is slow is to leave some to others
};

/// Decides when a server may be asked next, by a Pace. One that does not answer at all is closed to everybody for a
/// while; what it answers to one credential alone, that it is ill or was asked too often, closes it to that credential,
/// and to others it opens half as often meanwhile: nobody's questions answer for somebody else's. Thread safe.
///
/// `Why` is what is known of a server, or a credential, that is turned away.
template <typename Why>
class Turnstile {
 public:
  Turnstile(const Pace& pace, const Clock& clock) : pace_(pace), clock_(clock) {}

  /// Lasts as long as the question.
  class Pass {
   public:
    Pass(Turnstile& turnstile, std::string server) : turnstile_(&turnstile), server_(std::move(server)) {}
    ~Pass() {
      if (turnstile_ != nullptr) --(*turnstile_->servers_.lock())[server_].busy;
    }
    Pass(Pass&& other) noexcept
        : turnstile_(std::exchange(other.turnstile_, nullptr)), server_(std::move(other.server_)) {}
    Pass& operator=(Pass&&) = delete;

   private:
    Turnstile* turnstile_;
    std::string server_;
  };
  struct Answer {
    std::optional<Pass> pass = {};  ///< nothing: not before `wait`
    Duration wait{};
    std::optional<Why> why = {};  ///< nothing: it is only busy
  };

  /// `credential`: a name for it that does not tell it. `again`: it was asked before; half of what a server is asked at
  /// once is left to what was not, so that nothing new waits behind all that is asked again and again.
  Answer enter(const std::string& server, const std::string& credential, bool again = false) {
    const SteadyTime now = clock_.steady_now();
    auto servers = servers_.lock();
    tidy(*servers, now);
    Server& known = (*servers)[server];
    if (known.closed.until > now) return {{}, known.closed.until - now, known.closed.why};
    const auto paused = known.paused.find(credential);
    if (paused != known.paused.end() && paused->second.until > now)
      return {{}, paused->second.until - now, paused->second.why};
    if (known.busy >= pace_.threads) return {{}, kBusyAgain, {}};
    const bool slow = known.slow_until > now;
    const double per_second = slow ? pace_.per_second / 2 : pace_.per_second;
    const double seconds = std::chrono::duration<double>(now - known.filled).count();
    known.tokens = std::min(slow ? 1 : pace_.at_once, known.tokens + seconds * per_second);
    known.filled = now;
    if (known.tokens >= pace_.at_once) known.waiting = 0;
    const double needed = again && !slow ? 1 + pace_.at_once / 2 : 1;
    if (known.tokens < needed) {
      // One after the other, or all of them would come back at once.
      const auto wait = std::chrono::duration<double>((needed - known.tokens + known.waiting++) / per_second);
      return {{}, std::chrono::ceil<std::chrono::milliseconds>(wait), {}};
    }
    known.tokens -= 1;
    known.waiting = std::max(0, known.waiting - 1);
    ++known.busy;
    return {Pass(*this, server), {}, {}};
  }

  /// To everybody.
  void close(const std::string& server, const Why& why, Duration pause) {
    auto servers = servers_.lock();
    extend((*servers)[server].closed, why, clock_.steady_now() + pause);
  }
  void close_to(const std::string& server, const std::string& credential, const Why& why, Duration pause) {
    const SteadyTime now = clock_.steady_now();
    auto servers = servers_.lock();
    Server& known = (*servers)[server];
    std::erase_if(known.paused, [&](const auto& entry) { return entry.second.until <= now; });
    extend(known.paused[credential], why, now + pause);
    known.slow_until = std::max(known.slow_until, now + std::min(pause, kLongestSlow));
    known.tokens = std::min(known.tokens, 1.0);
  }

 private:
  static constexpr Duration kLongestSlow = std::chrono::minutes(1);
  static constexpr Duration kBusyAgain = std::chrono::milliseconds(200);
  /// Beyond that many, servers of which there is nothing to remember are forgotten.
  static constexpr std::size_t kTidyAbove = 256;

  struct Closed {
    SteadyTime until{};
    Why why{};
  };
  struct Server {
    double tokens = 0;
    SteadyTime filled{};
    SteadyTime slow_until{};
    Closed closed;
    std::map<std::string, Closed> paused;  ///< by credential
    int busy = 0;                          ///< threads that ask it
    int waiting = 0;                       ///< questions that were turned away, as it was asked enough
  };

  static void extend(Closed& closed, const Why& why, SteadyTime until) {
    closed.until = std::max(closed.until, until);
    closed.why = why;
  }

  static void tidy(std::map<std::string, Server>& servers, SteadyTime now) {
    if (servers.size() <= kTidyAbove) return;
    std::erase_if(servers, [&](const auto& entry) {
      const Server& idle = entry.second;
      return idle.busy == 0 && idle.closed.until < now && idle.slow_until < now &&
             idle.filled + std::chrono::minutes(1) < now;
    });
  }

  const Pace pace_;
  const Clock& clock_;
  Guarded<std::map<std::string, Server>> servers_;
};

}  // namespace imageclassifier::reconciler
