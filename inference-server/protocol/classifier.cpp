#include "inference-server/protocol/classifier.hpp"

#include <atomic>
#include <future>

namespace imageclassifier::protocol {
namespace {

using Stage = InferenceMetrics::Stage;

/// Colours and edges over the whole frame, larger than the crop: warms the resampler too.
image::Image warm_up_picture() {
  image::Image picture{.width = 320, .height = 256, .pixels = {}};
  picture.pixels.reserve(static_cast<std::size_t>(picture.width * picture.height * 3));
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      for (const int value : {x, y, x ^ y}) picture.pixels.push_back(static_cast<std::uint8_t>(value & 255));
    }
  }
  return picture;
}

}  // namespace

/// The results of one request; the last picture that arrives delivers them.
struct Classifier::Pending {
  std::vector<PictureResult> results;
  std::atomic<std::size_t> open{0};
  Done done;
};

Classifier::Classifier(ClassifierOptions options, std::unique_ptr<model::Model> model, Clock& clock,
                       InferenceMetrics& metrics)
    : options_(options),
      model_(std::move(model)),
      info_(model_->info()),
      manifest_(std::make_shared<const model::Manifest>(model_->manifest())),
      clock_(clock),
      metrics_(metrics),
      decoders_(std::clamp(options.decoders, 1, 64)),
      lane_(options.lane, clock, [this](std::vector<preprocess::Input> inputs) { return compute(std::move(inputs)); }) {
}

Result<void> Classifier::warm_up(StartStages* stages) {
  const preprocess::Input input = preprocess::preprocess(warm_up_picture(), manifest_->transform);
  for (const std::size_t size : batching::batch_sizes(options_.lane)) {
    const auto stage = StartStages::begin(stages, "warm_up_" + std::to_string(size));
    if (auto done = warm_up_batch(input, size); !done) return done;
  }
  warm_ = true;
  return {};
}

Result<void> Classifier::warm_up_batch(const preprocess::Input& input, std::size_t size) {
  auto places = lane_.reserve(size);
  if (!places) return fail(places.error());
  // Through the lane, because threads of the model's pool belong to the thread that computes.
  std::vector<std::promise<Result<std::vector<float>>>> rows(size);
  std::vector<Lane::Task> tasks;
  for (auto& row : rows) {
    tasks.push_back({input, SteadyTime::max(), {}, [&row](Result<std::vector<float>> logits, const auto&) {
                       row.set_value(std::move(logits));
                     }});
  }
  lane_.submit(std::move(*places), std::move(tasks));
  std::optional<Error> failure;
  for (auto& row : rows) {
    const auto logits = row.get_future().get();
    if (!logits) {
      failure = logits.error();
    } else if (logits->size() != class_count()) {
      failure = Error(ErrorCode::kInvalidArgument, "the model has " + std::to_string(logits->size()) + " outputs but " +
                                                       std::to_string(class_count()) + " labels");
    }
  }
  if (failure) return fail(*failure);
  return {};
}

Result<std::vector<std::vector<float>>> Classifier::compute(std::vector<preprocess::Input> inputs) {
  if (warm_) metrics_.batch(inputs.size());
  auto logits = model_->forward(inputs);
  if (!logits) return fail(logits.error());
  metrics_.queue_depth(lane_.depth());
  return std::move(logits->rows);
}

std::optional<preprocess::Input> Classifier::prepare(const Picture& picture, const ClassifyOptions& options,
                                                     PictureResult& result) {
  const SteadyTime begin = clock_.steady_now();
  const auto bytes = std::as_bytes(std::span(picture.bytes));
  preprocess::FileOptions how{
      .limits = options_.limits,
      .decode = {.apply_orientation = options.apply_orientation,
                 .composite_alpha = options.composite_alpha,
                 .least_shorter_side = options.exact_decode ? 0 : 2 * manifest_->transform.resize},
      .clock = &clock_};
  how.limits.out_of_time = [&] { return clock_.steady_now() >= options.deadline; };
  auto prepared = preprocess::preprocess_file(bytes, manifest_->transform, how);
  const Duration taken = clock_.steady_now() - begin;
  result.timing.resize = prepared ? prepared->resize : Duration{};
  result.timing.decode = taken - result.timing.resize;
  metrics_.stage(Stage::kDecode, result.timing.decode);
  if (!prepared) {
    result.problem = problem_of(prepared.error());
    metrics_.rejected(*result.problem);
    return std::nullopt;
  }
  metrics_.stage(Stage::kResize, result.timing.resize);
  result.image = std::move(prepared->info);
  metrics_.image_pixels(static_cast<double>(result.image.width) * result.image.height);
  return std::move(prepared->input);
}

tl::expected<Classifier::Lane::Reservation, Problem> Classifier::admit(std::size_t count) {
  auto places = lane_.reserve(count);
  if (places) return std::move(*places);
  Problem problem = problem_of(places.error());
  if (places.error().code == ErrorCode::kInvalidArgument) {
    problem = {ProblemCode::kTooManyImages,
               "At most " + std::to_string(options_.lane.queue_depth) + " pictures can be sent at once."};
  }
  const auto wait = std::chrono::ceil<std::chrono::seconds>(lane_.expected_wait()).count();
  if (problem.retry_after > 0) problem.retry_after = static_cast<int>(std::clamp<std::int64_t>(wait, 1, 60));
  metrics_.rejected(problem);
  return tl::unexpected<Problem>(std::move(problem));
}

void Classifier::finish(PictureResult& result, const ClassifyOptions& options, Result<std::vector<float>> logits,
                        const batching::LaneTiming& timing) {
  result.timing.queue = timing.queue;
  result.timing.compute = timing.compute;
  metrics_.stage(Stage::kQueue, timing.queue);
  if (!logits) {
    result.problem = problem_of(logits.error());
    metrics_.rejected(*result.problem);
    return;
  }
  metrics_.stage(Stage::kCompute, timing.compute);
  result.predictions = postprocess::top_k(*logits, manifest_->labels, options.k, manifest_->temperature);
  for (postprocess::Prediction& prediction : result.predictions) {
    const auto index = static_cast<std::size_t>(prediction.index);
    if (index < manifest_->wnids.size()) prediction.wnid = manifest_->wnids[index];
  }
  if (options.keep_logits) result.logits = std::move(*logits);
}

Classifier::Lane::Task Classifier::task(const std::shared_ptr<Pending>& pending, std::size_t index,
                                        preprocess::Input input, const ClassifyOptions& options) {
  return {std::move(input), options.deadline, options.abandoned,
          [this, pending, index, options](Result<std::vector<float>> logits, const batching::LaneTiming& timing) {
            finish(pending->results[index], options, std::move(logits), timing);
            if (pending->open.fetch_sub(1) == 1) pending->done(std::move(pending->results));
          }};
}

void Classifier::submit(Lane::Reservation places, const std::shared_ptr<Pending>& pending,
                        std::vector<Lane::Task> tasks) {
  if (tasks.empty()) return pending->done(std::move(pending->results));
  pending->open = tasks.size();
  lane_.submit(std::move(places), std::move(tasks));
  metrics_.queue_depth(lane_.depth());
}

std::optional<Problem> Classifier::classify(const std::vector<Picture>& pictures, const ClassifyOptions& options,
                                            Done done) {
  auto places = admit(pictures.size());
  if (!places) return std::move(places.error());
  auto pending = std::make_shared<Pending>();
  pending->done = std::move(done);
  pending->results.resize(pictures.size());
  std::vector<Lane::Task> tasks;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    PictureResult& result = pending->results[i];
    result.file = pictures[i].file;
    decoders_.acquire();
    auto input = prepare(pictures[i], options, result);
    decoders_.release();
    if (input) tasks.push_back(task(pending, i, std::move(*input), options));
  }
  submit(std::move(*places), pending, std::move(tasks));
  return std::nullopt;
}

std::optional<Problem> Classifier::classify(std::vector<preprocess::Input> inputs, const ClassifyOptions& options,
                                            Done done) {
  auto places = admit(inputs.size());
  if (!places) return std::move(places.error());
  auto pending = std::make_shared<Pending>();
  pending->done = std::move(done);
  pending->results.resize(inputs.size());
  std::vector<Lane::Task> tasks;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    tasks.push_back(task(pending, i, std::move(inputs[i]), options));
  }
  submit(std::move(*places), pending, std::move(tasks));
  return std::nullopt;
}

}  // namespace imageclassifier::protocol
