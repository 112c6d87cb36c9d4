#pragma once

#include <atomic>
#include <cstddef>

namespace imageclassifier::kubernetes {

/// Bounds what all answers of API servers that this process holds at the same time take together: each alone is bounded
/// by TransportOptions, but a dozen caches may ask at once. An answer that would lead beyond the limit is given up, and
/// its caller asks again later or for less; one of up to kAlwaysAdmitted bytes never is, nor is the line that a watch
/// has not received whole (TransportOptions::maximum_line). Thread safe.
class ReceiveBudget {
 public:
  static constexpr std::size_t kAlwaysAdmitted = 2U << 20U;

  explicit ReceiveBudget(std::size_t limit) : limit_(limit) {}

  /// What one answer holds; given back at its end. Used by one thread at a time; must not outlive the budget.
  class Share {
   public:
    explicit Share(ReceiveBudget& budget) : budget_(budget) {}
    ~Share() { shrink(held_); }
    Share(const Share&) = delete;

    /// Counts `bytes` more; false: the answer is to be given up.
    bool grow(std::size_t bytes) {
      held_ += bytes;
      const std::size_t all = budget_.held_.fetch_add(bytes) + bytes;
      return held_ <= kAlwaysAdmitted || all <= budget_.limit_;
    }
    void shrink(std::size_t bytes) {
      held_ -= bytes;
      budget_.held_.fetch_sub(bytes);
    }

   private:
    ReceiveBudget& budget_;
    std::size_t held_ = 0;
  };

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_{0};
};

/// The process's own: 24 MiB, which take up to three times as much while they grow and are copied. Together with what
/// is always admitted a dozen hostile answers have been seen to bring an empty process to 170 MB; a pod has 256Mi.
inline ReceiveBudget& receive_budget() {
  static ReceiveBudget budget(24U << 20U);
  return budget;
}

}  // namespace imageclassifier::kubernetes
