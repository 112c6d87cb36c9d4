#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/start_stages.hpp"
#include "inference-server/app/options.hpp"
#include "inference-server/protocol/inference_metrics.hpp"
#include "inference-server/protocol/server_state.hpp"

namespace imageclassifier::app {

/// Bytes; no picture that a self-test needs is as large.
inline constexpr std::uint64_t kMaximumSelfTestPicture = 64 * 1024 * 1024;

/// Why a server does not come up.
struct Failure {
  std::string reason;  ///< for the termination log; empty: a restart may heal it
  Error error;
};

/// The model that a server serves: loads it, warms it up in batches of every size, lets it look at the self-test's
/// picture and hands it to the handlers, at the start and again whenever somebody asks. Thread safe; the parameters
/// must outlive it.
class ServedModel {
 public:
  ServedModel(const ServeOptions& options, Clock& clock, protocol::InferenceMetrics& metrics,
              protocol::ServerState& state);

  /// Once, first. Tells `stages` and the state how far it is.
  std::optional<Failure> start(StartStages& stages);

  /// Reads the files anew and makes another model beside the one that is served, which needs the memory of both; when
  /// it is as ready as at a start it takes the place of the former one in an instant, and that one goes when it has
  /// answered what it had taken. On a failure, or before the first model is ready (kUnavailable), everything stays as
  /// it is. Logs what came of it. One at a time: a second caller waits.
  Result<model::ModelInfo> reload();
  /// The same, but kConflict at once while another one runs.
  Result<model::ModelInfo> reload_alone();

  /// A load or a reload is under way: it ends only when it has made the whole model.
  bool is_loading() const { return loading_ > 0; }

  /// A reload soon, on the thread that runs serve_requests(); several requests before it begins are one.
  void request_reload();
  void serve_requests(const std::stop_token& stop);

 private:
  struct Made {
    std::shared_ptr<protocol::Classifier> classifier;
    std::optional<protocol::SelfTestReport> self_test;
  };
  tl::expected<Made, Failure> make(StartStages& stages, bool first);
  tl::expected<Made, Failure> make_or_throw(StartStages& stages, bool first);
  tl::expected<std::optional<protocol::SelfTestReport>, Failure> test(protocol::Classifier& classifier,
                                                                      StartStages& stages);
  Result<model::ModelInfo> exchange();
  void retire(std::shared_ptr<protocol::Classifier> former);

  const ServeOptions& options_;
  Clock& clock_;
  protocol::InferenceMetrics& metrics_;
  protocol::ServerState& state_;
  std::atomic<bool> started_{false};
  std::atomic<int> loading_{0};
  std::mutex reloading_;
  Guarded<bool> requested_;
  std::condition_variable_any wake_;
};

}  // namespace imageclassifier::app
