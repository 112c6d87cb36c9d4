#include "inference-server/protocol/classifier.hpp"

#include <atomic>

namespace imageclassifier::protocol {
namespace {

using Stage = InferenceMetrics::Stage;

/// One part in so many of a request's time is kept for what takes longer than measured.
constexpr int kReserve = 5;

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
  Pending(std::size_t count, const ClassifyOptions& how, Done then)
      : results(count), options(how), done(std::move(then)) {}
  std::vector<PictureResult> results;
  ClassifyOptions options;
  std::atomic<std::size_t> open{0};
  Done done;
};

/// One picture on its way to the lane. A std::function, which must be copyable, holds it by pointer.
struct Classifier::Decoding {
  std::shared_ptr<Pending> pending;
  std::size_t index;
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  Lane::Reservation place;
  SteadyTime since;
};

Classifier::Classifier(ClassifierOptions options, std::unique_ptr<model::Model> model, Clock& clock,
                       InferenceMetrics& metrics)
    : options_(std::move(options)),
      model_(std::move(model)),
      info_(model_->info()),
      manifest_(std::make_shared<const model::Manifest>(model_->manifest())),
      clock_(clock),
      metrics_(metrics),
      decode_memory_(2 * options_.limits.max_memory, clock),
      open_(0),
      lane_(options_.lane, clock, [this](std::vector<preprocess::Input> inputs) { return compute(std::move(inputs)); }),
      decoders_({.threads = options_.decoders + 1}, clock) {}

Classifier::~Classifier() {
  auto open = open_.lock();
  settled_.wait(open.mutex_lock(), [&open] { return *open == 0; });
}

Result<void> Classifier::warm_up(StartStages* stages) {
  return warm_up_batch(1, stages);
}

Result<void> Classifier::warm_up_batches(StartStages* stages) {
  for (const std::size_t size : batching::batch_sizes(options_.lane)) {
    if (size == 1) continue;
    if (auto done = warm_up_batch(size, stages); !done) return done;
  }
  warm_ = true;
  return {};
}

Result<void> Classifier::warm_up_batch(std::size_t size, StartStages* stages) {
  const auto stage = StartStages::begin(stages, "warm_up_" + std::to_string(size));
  // The model gives as many runs in turn the memory of every lane.
  for (int lane = 0; lane < options_.lane.lanes; ++lane) {
    if (auto done = run_batch(size); !done) return done;
  }
  return {};
}

Result<void> Classifier::run_batch(std::size_t size) {
  const std::vector inputs(size, preprocess::preprocess(warm_up_picture(), manifest_->transform));
  Result<model::Logits> logits = fail(ErrorCode::kUnavailable, "the server is stopping");
  // There, because threads of the model's pool belong to the thread that computes.
  lane_.run_on_lane(size, [&] { logits = model_->forward(inputs); });
  if (!logits) return fail(logits.error());
  for (const std::vector<float>& row : logits->rows) {
    if (row.size() == class_count()) continue;
    return fail(ErrorCode::kInvalidArgument, "the model has " + std::to_string(row.size()) + " outputs but " +
                                                 std::to_string(class_count()) + " labels");
  }
  return {};
}

Result<std::vector<std::vector<float>>> Classifier::compute(std::vector<preprocess::Input> inputs) {
  const SteadyTime begin = clock_.steady_now();
  auto logits = model_->forward(inputs);
  if (warm_) metrics_.batch(inputs.size(), clock_.steady_now() - begin);
  if (!logits) return fail(logits.error());
  return std::move(logits->rows);
}

std::optional<std::uint64_t> Classifier::pixels_of(std::string_view bytes, PictureResult& result) const {
  const auto header = image::probe(std::as_bytes(std::span(bytes)), options_.limits);
  if (header) return static_cast<std::uint64_t>(header->width) * static_cast<std::uint64_t>(header->height);
  result.problem = problem_of(header.error());
  metrics_.rejected(*result.problem);
  return std::nullopt;
}

std::optional<preprocess::Input> Classifier::prepare(std::string_view bytes, const ClassifyOptions& options,
                                                     PictureResult& result) {
  const SteadyTime begin = clock_.steady_now();
  preprocess::FileOptions how{
      .limits = options_.limits,
      .decode = {.apply_orientation = options.apply_orientation,
                 .composite_alpha = options.composite_alpha,
                 .least_shorter_side = options.exact_decode ? 0 : 2 * manifest_->transform.resize},
      .clock = &clock_};
  how.limits.out_of_time = [&] { return clock_.steady_now() >= options.deadline; };
  std::uint64_t taken_bytes = 0;
  how.limits.admit = [&](std::uint64_t wanted) {
    const bool admitted = decode_memory_.take(wanted, options.deadline);
    if (admitted) taken_bytes = wanted;
    return admitted;
  };
  auto prepared = preprocess::preprocess_file(std::as_bytes(std::span(bytes)), manifest_->transform, how);
  decode_memory_.give_back(taken_bytes);
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

int Classifier::return_time(std::size_t count) {
  const Duration queue = std::max(lane_.expected_wait(), decoders_.expected(0));
  // They are told whole seconds: no more come back in the same one than the queue has places.
  const Duration second = std::chrono::seconds(1);
  const Duration apart = std::max(lane_.time_per_task(), second / static_cast<std::int64_t>(options_.lane.queue_depth));
  const Duration wait = return_times_.lock()->next(count, queue, apart, clock_.steady_now());
  return std::max(1, static_cast<int>(std::chrono::ceil<std::chrono::seconds>(wait).count()));
}

Problem Classifier::refuse(const Error& error, std::size_t count) {
  Problem problem = problem_of(error);
  if (error.code == ErrorCode::kInvalidArgument) {
    problem = {ProblemCode::kTooManyImages,
               "At most " + std::to_string(options_.lane.queue_depth) + " pictures can be sent at once."};
  }
  if (problem.retry_after > 0) problem.retry_after = return_time(count);
  metrics_.rejected(problem);
  return problem;
}

tl::expected<Classifier::Lane::Reservation, Problem> Classifier::admit(std::size_t count, std::uint64_t pixels,
                                                                       const ClassifyOptions& options) {
  // The measured time is an average: who is let in up to the last moment is late every other time.
  const SteadyTime early = options.deadline - (options.deadline - clock_.steady_now()) / kReserve;
  auto places = lane_.reserve(count, early);
  if (!places) return tl::unexpected<Problem>(refuse(places.error(), count));
  // Alone it is always taken, however slow the last ones were: so the measure mends itself.
  const bool alone = lane_.depth() == count;
  if (!alone && pixels > 0 && options.deadline - clock_.steady_now() < decoders_.expected(pixels)) {
    const Error error(ErrorCode::kDeadlineExceeded, "too much is to be decoded before it");
    return tl::unexpected<Problem>(refuse(error, count));
  }
  *open_.lock() += count;
  return std::move(*places);
}

void Classifier::settle(const std::shared_ptr<Pending>& pending) {
  if (pending->open.fetch_sub(1) == 1) pending->done(std::move(pending->results));
  auto open = open_.lock();
  if (--*open == 0) settled_.notify_all();
}

void Classifier::fail_picture(PictureResult& result, const Error& error) {
  result.problem = problem_of(error);
  if (error.code == ErrorCode::kDeadlineExceeded) result.problem->retry_after = return_time(1);
  if (error.code == ErrorCode::kCancelled) {
    metrics_.abandoned();
  } else {
    metrics_.rejected(*result.problem);
  }
}

void Classifier::finish(PictureResult& result, const ClassifyOptions& options, Result<std::vector<float>> logits,
                        const batching::LaneTiming& timing) {
  result.timing.queue += timing.queue;
  result.timing.compute = timing.compute;
  metrics_.stage(Stage::kQueue, result.timing.queue);
  if (!logits) return fail_picture(result, logits.error());
  metrics_.stage(Stage::kCompute, timing.compute);
  result.predictions = postprocess::top_k(*logits, manifest_->labels, options.k, manifest_->temperature);
  result.certainty = postprocess::certainty_of(*logits, manifest_->temperature);
  for (postprocess::Prediction& prediction : result.predictions) {
    const auto index = static_cast<std::size_t>(prediction.index);
    if (index < manifest_->wnids.size()) prediction.wnid = manifest_->wnids[index];
  }
  if (options.keep_logits) result.logits = std::move(*logits);
}

Classifier::Lane::Task Classifier::task(const std::shared_ptr<Pending>& pending, std::size_t index,
                                        preprocess::Input input) {
  const ClassifyOptions& options = pending->options;
  return {std::move(input), options.deadline, options.abandoned,
          [this, pending, index](Result<std::vector<float>> logits, const batching::LaneTiming& timing) {
            finish(pending->results[index], pending->options, std::move(logits), timing);
            settle(pending);
          },
          options.priority};
}

void Classifier::decode(Decoding& decoding) {
  const auto& pending = decoding.pending;
  const ClassifyOptions& options = pending->options;
  PictureResult& result = pending->results[decoding.index];
  const SteadyTime now = clock_.steady_now();
  result.timing.queue = now - decoding.since;
  std::optional<preprocess::Input> input;
  if (options.abandoned && options.abandoned()) {
    fail_picture(result, Error(ErrorCode::kCancelled, "nobody waits for the answer any more"));
  } else if (options.deadline <= now) {
    fail_picture(result, Error(ErrorCode::kDeadlineExceeded, "the time limit passed before the picture was decoded"));
  } else {
    input = prepare(decoding.bytes, options, result);
  }
  decoding.owner.reset();
  if (!input) {
    // Its place goes to others before somebody hears of it.
    { const Lane::Reservation unused = std::move(decoding.place); }
    return settle(pending);
  }
  std::vector<Lane::Task> tasks;
  tasks.push_back(task(pending, decoding.index, std::move(*input)));
  lane_.submit(std::move(decoding.place), std::move(tasks));
}

std::optional<Problem> Classifier::classify(const std::vector<Picture>& pictures, std::shared_ptr<const void> owner,
                                            const ClassifyOptions& options, Done done) {
  auto pending = std::make_shared<Pending>(pictures.size(), options, std::move(done));
  std::vector<std::pair<std::size_t, std::uint64_t>> good;  // index and pixels
  std::uint64_t pixels = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    pending->results[i].file = pictures[i].file;
    if (const auto count = pixels_of(pictures[i].bytes, pending->results[i])) {
      good.emplace_back(i, *count);
      pixels += *count;
    }
  }
  if (good.empty()) {
    pending->done(std::move(pending->results));
    return std::nullopt;
  }
  auto places = admit(good.size(), pixels, options);
  if (!places) return std::move(places.error());
  pending->open = good.size();
  const SteadyTime now = clock_.steady_now();
  for (const auto& [index, count] : good) {
    auto decoding =
        std::make_shared<Decoding>(Decoding{pending, index, pictures[index].bytes, owner, places->split(), now});
    decoders_.submit({count, options.priority, [this, decoding] { decode(*decoding); }});
  }
  return std::nullopt;
}

std::optional<Problem> Classifier::classify(std::vector<preprocess::Input> inputs, const ClassifyOptions& options,
                                            Done done) {
  auto places = admit(inputs.size(), 0, options);
  if (!places) return std::move(places.error());
  auto pending = std::make_shared<Pending>(inputs.size(), options, std::move(done));
  pending->open = inputs.size();
  std::vector<Lane::Task> tasks;
  for (std::size_t i = 0; i < inputs.size(); ++i) tasks.push_back(task(pending, i, std::move(inputs[i])));
  lane_.submit(std::move(*places), std::move(tasks));
  return std::nullopt;
}

}  // namespace imageclassifier::protocol
