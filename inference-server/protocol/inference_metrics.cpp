#include "inference-server/protocol/inference_metrics.hpp"

#include <algorithm>
#include <array>

namespace imageclassifier::protocol {
namespace {

constexpr std::array kRoutes = {"/",
                                "/app.css",
                                "/app.js",
                                "/docs",
                                "/examples/{name}",
                                "/openapi.json",
                                "/v1/classes",
                                "/v1/classify",
                                "/v1/models",
                                "/v1/models/{model}",
                                "/v1/models/{model}:predict",
                                "/v2",
                                "/v2/",
                                "/v2/health/live",
                                "/v2/health/ready",
                                "/v2/models/stats",
                                "/v2/models/{model}",
                                "/v2/models/{model}/ready",
                                "/v2/models/{model}/stats",
                                "/v2/models/{model}/infer",
                                "/v2/models/{model}/versions/{version}",
                                "/v2/models/{model}/versions/{version}/ready",
                                "/v2/models/{model}/versions/{version}/stats",
                                "/v2/models/{model}/versions/{version}/infer",
                                "/ping",
                                "/predictions/{model}",
                                "/predictions/{model}/{version}",
                                "/healthz",
                                "/readyz",
                                "/metrics",
                                "other"};
constexpr std::array kStatuses = {200, 304, 400, 401, 404, 405, 408, 413, 415, 417, 422, 429, 431, 500, 501, 503};
constexpr std::array kStages = {"read", "decode", "resize", "queue", "compute", "encode"};
constexpr std::array kReasons = {"queue_full", "deadline", "too_large",  "bad_image",
                                 "draining",   "loading",  "client_gone"};

const std::vector<double> kSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const std::vector<double> kBatchSizes = {1, 2, 3, 4, 6, 8};
const std::vector<double> kPixels = {1e4, 5e4, 2e5, 1e6, 2e6, 5e6, 1.2e7, 2.5e7, 5e7};

Counter& requests(MetricsRegistry& registry, std::string_view route, int status) {
  return registry.counter("inference_requests_total", "Answered requests by route and HTTP status.",
                          {{"route", std::string(route)}, {"code", std::to_string(status)}});
}
Histogram& duration(MetricsRegistry& registry, std::string_view route) {
  return registry.histogram("inference_request_duration_seconds",
                            "First byte of the request to last byte of the answer.", kSeconds,
                            {{"route", std::string(route)}});
}
Histogram& stage_duration(MetricsRegistry& registry, std::string_view stage) {
  return registry.histogram("inference_stage_duration_seconds", "Time of one picture in one stage.", kSeconds,
                            {{"stage", std::string(stage)}});
}
Histogram& batch_size(MetricsRegistry& registry) {
  return registry.histogram("inference_batch_size", "Pictures per forward pass.", kBatchSizes);
}
Histogram& pixels(MetricsRegistry& registry) {
  return registry.histogram("inference_image_pixels", "Width times height of decoded pictures.", kPixels);
}
Gauge& depth(MetricsRegistry& registry) {
  return registry.gauge("inference_queue_depth", "Pictures that wait for the model.");
}
Counter& rejections(MetricsRegistry& registry, std::string_view reason) {
  return registry.counter("inference_rejected_total", "Pictures and requests refused, by reason.",
                          {{"reason", std::string(reason)}});
}

const char* rejection_reason(ProblemCode code) {
  switch (code) {
    case ProblemCode::kQueueFull:
      return "queue_full";
    case ProblemCode::kDeadline:
      return "deadline";
    case ProblemCode::kBodyTooLarge:
    case ProblemCode::kTooManyImages:
    case ProblemCode::kImageTooLarge:
    case ProblemCode::kImageNeedsMemory:
    case ProblemCode::kTooManyFrames:
      return "too_large";
    case ProblemCode::kEmptyBody:
    case ProblemCode::kUnsupportedMediaType:
    case ProblemCode::kTooManyScans:
    case ProblemCode::kTruncatedImage:
    case ProblemCode::kCorruptImage:
      return "bad_image";
    case ProblemCode::kDraining:
      return "draining";
    case ProblemCode::kLoading:
      return "loading";
    default:
      return nullptr;
  }
}

constexpr const char* kModelInfo = "inference_model_info";

MetricLabels labels_of(const model::ModelInfo& info) {
  return {{"name", info.name},
          {"version", info.version},
          {"precision", info.precision},
          {"engine", info.engine},
          {"weights_sha256", info.weights_sha256}};
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

bool answers_inference(std::string_view route) {
  return route == "/v1/classify" || route.starts_with("/predictions/") || route.ends_with("/infer");
}

void add(InferenceStatistics::Sum& sum, Duration took) {
  ++sum.count;
  sum.time += took;
}

void add_stage(InferenceStatistics& statistics, InferenceMetrics::Stage stage, Duration took) {
  switch (stage) {
    case InferenceMetrics::Stage::kRead:
      return;
    case InferenceMetrics::Stage::kDecode:
      statistics.input.time += took;
      return;
    case InferenceMetrics::Stage::kResize:
      return add(statistics.input, took);
    case InferenceMetrics::Stage::kQueue:
      return add(statistics.queue, took);
    case InferenceMetrics::Stage::kCompute:
      return add(statistics.compute, took);
    case InferenceMetrics::Stage::kEncode:
      return add(statistics.output, took);
  }
}

}  // namespace

InferenceMetrics::InferenceMetrics(MetricsRegistry& registry) : registry_(registry) {
  for (const char* route : kRoutes) {
    for (const int status : kStatuses) requests(registry_, route, status);
    duration(registry_, route);
  }
  for (const char* stage : kStages) stage_duration(registry_, stage);
  for (const char* reason : kReasons) rejections(registry_, reason);
  batch_size(registry_);
  pixels(registry_);
  depth(registry_);
  registry_.export_process_metrics();
}

void InferenceMetrics::request(std::string_view route, int status, Duration took) {
  if (std::find(kRoutes.begin(), kRoutes.end(), route) == kRoutes.end()) route = "other";
  if (answers_inference(route)) {
    auto statistics = statistics_.lock();
    add(status == 200 ? statistics->success : statistics->fail, took);
    if (status == 200) {
      const auto since_1970 = SystemClock().wall_now().time_since_epoch();
      statistics->last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
    }
  }
  requests(registry_, route, status).increment();
  duration(registry_, route).observe(seconds(took));
}

void InferenceMetrics::stage(Stage stage, Duration took) {
  add_stage(*statistics_.lock(), stage, took);
  stage_duration(registry_, kStages[static_cast<std::size_t>(stage)]).observe(seconds(took));
}

void InferenceMetrics::batch(std::size_t size, Duration took) {
  add(statistics_.lock()->batches[size], took);
  batch_size(registry_).observe(static_cast<double>(size));
}

void InferenceMetrics::image_pixels(double count) {
  pixels(registry_).observe(count);
}

void InferenceMetrics::queue_depth(std::size_t waiting) {
  depth(registry_).set(static_cast<double>(waiting));
}

void InferenceMetrics::rejected(const Problem& problem) {
  if (const char* reason = rejection_reason(problem.code)) rejections(registry_, reason).increment();
}

void InferenceMetrics::abandoned() {
  rejections(registry_, "client_gone").increment();
}

void InferenceMetrics::model(const model::ModelInfo& info) {
  registry_.gauge(kModelInfo, "1 for the model that is served.", labels_of(info)).set(1);
}

void InferenceMetrics::model_replaced(const model::ModelInfo& former, const model::ModelInfo& info) {
  if (labels_of(former) != labels_of(info)) registry_.remove_gauge(kModelInfo, labels_of(former));
  model(info);
}

}  // namespace imageclassifier::protocol
