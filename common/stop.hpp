#pragma once

#include <functional>
#include <memory>
#include <stop_token>

namespace imageclassifier {

/// Turns SIGTERM and SIGINT into a stop request. Construct first in main, before any thread starts (the signals are
/// blocked in this and all later threads and received by one thread of ours); destroy last. One instance per process.
class SignalStop {
 public:
  SignalStop();
  ~SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;

  /// Stop is requested at the first signal.
  std::stop_token token() const;
  /// Stop is requested at the second signal: whoever sent it does not want to wait for a drain.
  std::stop_token fast_token() const;
  /// From now on SIGHUP calls this, on the receiving thread, instead of requesting a stop; it must be quick. Empty: as
  /// before. Returns when the former one does not run any more.
  void on_hangup(std::function<void()> call);
  /// Blocks until the first signal.
  void wait() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier
