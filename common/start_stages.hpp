#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"

namespace imageclassifier {

/// What the start of a program consists of and how long each stage takes, for the log (one line when a stage ends) and
/// for whoever asks meanwhile. Stages may overlap. Thread safe.
class StartStages {
 public:
  struct Stage {
    std::string name;
    Duration begin{};              ///< since the start
    std::optional<Duration> took;  ///< nothing: it goes on
  };

  /// A stage that goes on until this is destroyed. Must not outlive the StartStages.
  class Running {
   public:
    Running(StartStages* stages, std::size_t index) : stages_(stages), index_(index) {}
    Running(Running&& other) noexcept : stages_(std::exchange(other.stages_, nullptr)), index_(other.index_) {}
    Running& operator=(Running&&) = delete;
    ~Running() {
      if (stages_ != nullptr) stages_->end(index_);
    }

   private:
    StartStages* stages_;
    std::size_t index_;
  };

  /// The start was `age` ago: what the operating system did before the program's first line.
  explicit StartStages(const Clock& clock, Duration age = {});

  [[nodiscard]] Running begin(const std::string& name);
  /// For code that also runs without a start to speak of: nothing is noted without `stages`.
  [[nodiscard]] static Running begin(StartStages* stages, const std::string& name);

  /// In the order in which they began.
  std::vector<Stage> get();
  Duration since_start() const { return clock_.steady_now() - start_; }

 private:
  void end(std::size_t index);

  const Clock& clock_;
  SteadyTime start_;
  Guarded<std::vector<Stage>> stages_;
};

}  // namespace imageclassifier
