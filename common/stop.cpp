#include "common/stop.hpp"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/guarded.hpp"

namespace imageclassifier {
namespace {

// Wakes the receiving thread when the process ends without a signal; not one that anybody else sends us.
constexpr int kWake = SIGUSR2;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);  // the terminal is gone, or see on_hangup
  sigaddset(&set, kWake);
  return set;
}

}  // namespace

struct SignalStop::Impl {
  std::stop_source first;
  std::stop_source second;
  Guarded<std::function<void()>> hangup;
  std::jthread receiver;
};

SignalStop::SignalStop() : impl_(std::make_unique<Impl>()) {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that closes its connection must not end the process.
  signal(SIGPIPE, SIG_IGN);
  impl_->receiver = std::jthread([this, set](std::stop_token stop) {
    while (!stop.stop_requested()) {
      int received = 0;
      if (sigwait(&set, &received) != 0 || received == kWake) continue;
      if (received == SIGHUP) {
        const auto call = impl_->hangup.lock();
        if (*call) {
          (*call)();
          continue;
        }
      }
      if (!impl_->first.request_stop()) impl_->second.request_stop();
    }
  });
}

SignalStop::~SignalStop() {
  impl_->receiver.request_stop();
  pthread_kill(impl_->receiver.native_handle(), kWake);
}

void SignalStop::on_hangup(std::function<void()> call) {
  *impl_->hangup.lock() = std::move(call);
}

std::stop_token SignalStop::token() const {
  return impl_->first.get_token();
}
std::stop_token SignalStop::fast_token() const {
  return impl_->second.get_token();
}

void SignalStop::wait() const {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait(lock, token(), [] { return false; });
}

}  // namespace imageclassifier
