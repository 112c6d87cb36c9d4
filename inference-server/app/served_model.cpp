#include "inference-server/app/served_model.hpp"

#include <malloc.h>

#include "common/file.hpp"
#include "common/log.hpp"
#include "inference-server/app/application.hpp"

namespace imageclassifier::app {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// The reason of a failure that no restart heals; empty when one might.
std::string fatal_reason(const Error& error) {
  switch (error.code) {
    case ErrorCode::kDataLoss:
      return "ModelDigestMismatch";
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnsupported:
    case ErrorCode::kTooLarge:
      return "ModelInvalid";
    default:
      return {};
  }
}

tl::unexpected<Failure> model_failure(const Error& error) {
  return tl::unexpected<Failure>(Failure{fatal_reason(error), error});
}

void log_ready(std::string_view message, protocol::Classifier& classifier, Duration took) {
  const model::ModelInfo& info = classifier.info();
  log::info(message, {{"model", info.name},
                      {"architecture", info.architecture},
                      {"precision", info.precision},
                      {"engine", info.engine},
                      {"weights_sha256", info.weights_sha256},
                      {"classes", classifier.class_count()},
                      {"demo", info.demo},
                      {"since_start_seconds", seconds(took)}});
}

}  // namespace

ServedModel::ServedModel(const ServeOptions& options, Clock& clock, protocol::InferenceMetrics& metrics,
                         protocol::ServerState& state)
    : options_(options), clock_(clock), metrics_(metrics), state_(state), requested_(false) {}

tl::expected<std::optional<protocol::SelfTestReport>, Failure> ServedModel::test(protocol::Classifier& classifier,
                                                                                 StartStages& stages) {
  if (options_.self_test_image.empty()) return std::nullopt;
  const auto stage = stages.begin("self_test");
  const auto picture = read_regular_file(options_.self_test_image, kMaximumSelfTestPicture);
  if (!picture) {
    return tl::unexpected<Failure>(Failure{
        "SelfTestFailed", Error(ErrorCode::kInvalidArgument, "--self-test-image cannot be used", picture.error())});
  }
  auto passed =
      protocol::run_self_test(classifier, *picture, {options_.self_test_label, options_.self_test_minimum_score});
  if (!passed) return tl::unexpected<Failure>(Failure{"SelfTestFailed", passed.error()});
  log::info("self-test passed", {{"label", passed->label}, {"score", passed->score}});
  return std::move(*passed);
}

tl::expected<ServedModel::Made, Failure> ServedModel::make(StartStages& stages, bool first) {
  ++loading_;
  auto made = [&]() -> tl::expected<Made, Failure> {
    try {
      return make_or_throw(stages, first);
    } catch (const std::exception& error) {  // no thread or no memory is to be had
      return tl::unexpected<Failure>(Failure{"", Error(ErrorCode::kExhausted, error.what())});
    }
  }();
  --loading_;
  return made;
}

tl::expected<ServedModel::Made, Failure> ServedModel::make_or_throw(StartStages& stages, bool first) {
  auto model = load(options_.model, &stages);
  if (!model) return model_failure(model.error());
  if (first) state_.warming_up((*model)->info());
  const protocol::ClassifierOptions how{.limits = limits_of(options_.model),
                                        .lane = {.queue_depth = options_.queue_depth, .lanes = options_.model.lanes},
                                        .decoders = options_.model.threads};
  auto classifier = std::make_shared<protocol::Classifier>(how, std::move(*model), clock_, metrics_);
  if (auto warm = classifier->warm_up(&stages); !warm) return model_failure(warm.error());
  auto report = test(*classifier, stages);
  if (!report) return tl::unexpected<Failure>(std::move(report.error()));
  if (first) {
    metrics_.model(classifier->info());
    state_.answering(classifier, *report);
  }
  if (auto warm = classifier->warm_up_batches(&stages); !warm) return model_failure(warm.error());
  return Made{std::move(classifier), std::move(*report)};
}

std::optional<Failure> ServedModel::start(StartStages& stages) {
  auto made = make(stages, true);
  if (!made) return std::move(made.error());
  // What loading and warming up have left behind.
  malloc_trim(0);
  log_ready("ready", *made->classifier, stages.since_start());
  state_.ready(std::move(made->classifier), std::move(made->self_test));
  started_ = true;
  return std::nullopt;
}

Result<model::ModelInfo> ServedModel::reload() {
  const std::lock_guard one_at_a_time(reloading_);
  return exchange();
}

Result<model::ModelInfo> ServedModel::reload_alone() {
  const std::unique_lock alone(reloading_, std::try_to_lock);
  if (!alone) return fail(ErrorCode::kConflict, "another reload is under way");
  return exchange();
}

Result<model::ModelInfo> ServedModel::exchange() {
  // Answers are given before the start is over, which then would put its own model over the new one.
  if (!started_) return fail(ErrorCode::kUnavailable, "the first model is not ready yet");
  auto former = state_.get().classifier;
  log::info("reloading the model", {{"model", options_.model.model}});
  StartStages stages(clock_);
  auto made = make(stages, false);
  if (!made) {
    log::error("the reload failed, the former model stays",
               {{"reason", made.error().reason}, {"error", made.error().error.describe()}});
    return fail(made.error().error);
  }
  const model::ModelInfo info = made->classifier->info();
  metrics_.model_replaced(former->info(), info);
  state_.ready(made->classifier, std::move(made->self_test));
  log_ready("reloaded", *made->classifier, stages.since_start());
  retire(std::move(former));
  return info;
}

void ServedModel::retire(std::shared_ptr<protocol::Classifier> former) {
  // Handlers hold it for a moment only. Its destructor waits for the rest, and should do so here, not in one of them.
  while (former.use_count() > 1) clock_.sleep_for(std::chrono::milliseconds(2), {});
  former.reset();
  // What it held lies in the arenas of threads that are gone, and would stay there.
  malloc_trim(0);
}

void ServedModel::request_reload() {
  *requested_.lock() = true;
  wake_.notify_all();
}

void ServedModel::serve_requests(const std::stop_token& stop) {
  while (true) {
    {
      auto requested = requested_.lock();
      if (!wake_.wait(requested.mutex_lock(), stop, [&requested] { return *requested; })) return;
      *requested = false;
    }
    if (auto done = reload(); !done && done.error().code == ErrorCode::kUnavailable) {
      log::warning("no reload", {{"error", done.error().describe()}});
    }
  }
}

}  // namespace imageclassifier::app
