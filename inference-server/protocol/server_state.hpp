#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/guarded.hpp"
#include "common/start_stages.hpp"
#include "inference-server/protocol/self_test.hpp"

namespace imageclassifier::protocol {

enum class Stage { kLoading, kWarmingUp, kReady, kDraining };

/// "loading", "warming_up", "ready", "draining".
const char* to_string(Stage stage);

/// How far the server is; written by the application, read by every handler. Thread safe.
class ServerState {
 public:
  /// `stages` of the start are shown by /readyz.
  explicit ServerState(StartStages& stages) : stages_(stages) {}

  struct Snapshot {
    Stage stage = Stage::kLoading;
    std::optional<model::ModelInfo> model;    ///< from warming up on
    std::shared_ptr<Classifier> classifier;   ///< from the first warm picture on, also while draining
    std::optional<SelfTestReport> self_test;  ///< passed, if one was asked for
  };

  Snapshot get() { return *snapshot_.lock(); }
  StartStages& stages() { return stages_; }
  void warming_up(const model::ModelInfo& model);
  /// Requests are answered from now on, although the warm-up goes on.
  void answering(std::shared_ptr<Classifier> classifier, std::optional<SelfTestReport> self_test = std::nullopt);
  void ready(std::shared_ptr<Classifier> classifier, std::optional<SelfTestReport> self_test = std::nullopt);
  /// Readiness ends; requests are still served.
  void draining();

 private:
  StartStages& stages_;
  Guarded<Snapshot> snapshot_;
};

/// Why nothing can be asked of a model, if so. `address` is its name and perhaps its version; empty: any model.
/// kLoading: none is there yet; kNotFound: another one is.
std::optional<Problem> problem_of_model(const ServerState::Snapshot& now, const std::vector<std::string>& address);

}  // namespace imageclassifier::protocol
