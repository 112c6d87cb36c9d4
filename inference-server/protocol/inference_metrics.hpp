#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/metrics.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

/// What GET /v2/models/stats tells, since the start. Times are sums.
struct InferenceStatistics {
  struct Sum {
    std::uint64_t count = 0;
    Duration time{};
  };
  std::int64_t last_inference_ms = 0;  ///< Unix time of the last answer; 0: none yet
  Sum success, fail;                   ///< requests for a classification, on every route
  Sum queue, input, compute;           ///< pictures; input is decode and resize
  Sum output;                          ///< answers
  std::map<std::size_t, Sum> batches;  ///< by their size
};

/// Every metric of the inference server: names, help and label values stand in the .cpp alone, and each series exists
/// at zero from the start. Thread safe.
class InferenceMetrics {
 public:
  explicit InferenceMetrics(MetricsRegistry& registry);

  enum class Stage { kRead, kDecode, kResize, kQueue, kCompute, kEncode };

  /// `route` is a template of the closed list, anything else counts as "other".
  void request(std::string_view route, int status, Duration duration);
  void stage(Stage stage, Duration duration);
  void batch(std::size_t size, Duration duration);
  void image_pixels(double pixels);
  void queue_depth(std::size_t depth);
  /// Counts the problems that are refusals of load or of a picture; others are only requests with their status.
  void rejected(const Problem& problem);
  /// A picture that was dropped because its client had gone.
  void abandoned();
  void model(const model::ModelInfo& info);
  void model_replaced(const model::ModelInfo& former, const model::ModelInfo& info);

  std::string text() const { return registry_.text(); }
  InferenceStatistics statistics() { return *statistics_.lock(); }

 private:
  MetricsRegistry& registry_;
  Guarded<InferenceStatistics> statistics_;
};

}  // namespace imageclassifier::protocol
