#pragma once

#include <mutex>
#include <utility>

namespace imageclassifier {

/// A value that can be reached only while its mutex is held.
///   Guarded<std::map<...>> table;
///   auto locked = table.lock();  // released when `locked` goes out of scope
///   locked->emplace(...);
template <typename T>
class Guarded {
 public:
  class Locked {
   public:
    T& operator*() const { return *value_; }
    T* operator->() const { return value_; }
    /// For waiting on a condition variable; the value must not be touched while the lock is released.
    std::unique_lock<std::mutex>& mutex_lock() { return lock_; }

   private:
    friend class Guarded;
    Locked(T& value, std::mutex& mutex) : value_(&value), lock_(mutex) {}
    T* value_;
    std::unique_lock<std::mutex> lock_;
  };

  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  Locked lock() { return Locked(value_, mutex_); }

  /// Calls `function(value)` under the lock and returns its result.
  template <typename Function>
  auto with(Function&& function) {
    std::unique_lock hold(mutex_);
    return std::forward<Function>(function)(value_);
  }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace imageclassifier
