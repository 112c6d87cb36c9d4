#include "operator/runtime/lease_fence.hpp"

#include <csignal>
#include <ctime>
#include <mutex>

#include "common/log.hpp"

namespace imageclassifier::runtime {
namespace {

/// SIGKILL to this process at a time of CLOCK_MONOTONIC.
class KillTimer {
 public:
  KillTimer() {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    if (!made_) log::warning("Could not make a timer that ends this process if it is frozen in the middle of a write");
  }
  ~KillTimer() {
    if (made_) timer_delete(timer_);
  }
  KillTimer(const KillTimer&) = delete;
  KillTimer& operator=(const KillTimer&) = delete;

  // Absolute: a pause before this call counts.
  void arm(SteadyTime when) { set(when.time_since_epoch()); }
  void disarm() { set(Duration::zero()); }

 private:
  void set(Duration since_boot) {
    if (!made_) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    itimerspec spec{};
    spec.it_value.tv_sec = seconds.count();
    spec.it_value.tv_nsec = (since_boot - seconds).count();
    timer_settime(timer_, TIMER_ABSTIME, &spec, nullptr);
  }

  timer_t timer_{};
  bool made_ = false;
};

}  // namespace

struct LeaseFence::Impl {
  const Options options;
  Clock& clock;
  mutable std::mutex mutex;
  std::optional<SteadyTime> until;
  int writes = 0;
  std::unique_ptr<KillTimer> timer;
};

LeaseFence::LeaseFence(Options options, Clock& clock)
    : impl_(new Impl{options, clock, {}, {}, 0, options.end_frozen ? std::make_unique<KillTimer>() : nullptr}) {}
LeaseFence::~LeaseFence() = default;

void LeaseFence::open(SteadyTime until) {
  std::lock_guard hold(impl_->mutex);
  impl_->until = until;
}

void LeaseFence::close() {
  std::lock_guard hold(impl_->mutex);
  impl_->until.reset();
}

std::optional<SteadyTime> LeaseFence::open_until() const {
  std::lock_guard hold(impl_->mutex);
  if (!impl_->until || impl_->clock.steady_now() >= *impl_->until) return std::nullopt;
  return impl_->until;
}

std::optional<SteadyTime> LeaseFence::enter() {
  std::lock_guard hold(impl_->mutex);
  if (!impl_->until || impl_->clock.steady_now() >= *impl_->until) return std::nullopt;
  // The clock is looked at again when the timer runs: what is frozen from here on is the timer's business.
  if (impl_->timer) impl_->timer->arm(*impl_->until + impl_->options.margin);
  if (impl_->clock.steady_now() < *impl_->until) {
    ++impl_->writes;
    return impl_->until;
  }
  if (impl_->timer && impl_->writes == 0) impl_->timer->disarm();
  return std::nullopt;
}

void LeaseFence::leave() noexcept {
  std::lock_guard hold(impl_->mutex);
  if (--impl_->writes == 0 && impl_->timer) impl_->timer->disarm();
}

}  // namespace imageclassifier::runtime
