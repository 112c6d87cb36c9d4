#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/clock.hpp"
#include "common/start_stages.hpp"
#include "inference-server/batching/compute_lane.hpp"
#include "inference-server/batching/decode_pool.hpp"
#include "inference-server/batching/return_times.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/postprocess/top_k.hpp"
#include "inference-server/protocol/inference_metrics.hpp"
#include "inference-server/protocol/memory_budget.hpp"
#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

/// One uploaded file.
struct Picture {
  std::optional<std::string> file;  ///< for the answer; see display_name
  std::string_view bytes;
};

struct Timing {
  Duration decode{};
  Duration resize{};
  Duration queue{};  ///< for a thread that decodes, and for the lane
  Duration compute{};
};

/// What became of one picture: either a problem, or the rest.
struct PictureResult {
  std::optional<std::string> file;
  std::optional<Problem> problem;
  image::ImageInfo image;
  std::vector<postprocess::Prediction> predictions;
  postprocess::Certainty certainty;
  std::vector<float> logits;  ///< one per class, when ClassifyOptions::keep_logits
  Timing timing;
};

struct ClassifierOptions {
  image::DecodeLimits limits;  ///< all decodes together hold twice max_memory at most; beyond, they wait for each other
  batching::LaneOptions lane;
  int decoders = 2;  ///< large pictures decoded at the same time: the cores
};

struct ClassifyOptions {
  int k = 5;  ///< 0: no predictions
  SteadyTime deadline{};
  std::function<bool()> abandoned{};  ///< nobody waits for the answer any more
  bool exact_decode = false;          ///< else large JPEGs are decoded at a scale that still has twice the model's size
  bool apply_orientation = true;      ///< of EXIF
  bool composite_alpha = true;        ///< on white; else transparency is dropped
  batching::Priority priority = batching::Priority::kNormal;
  bool keep_logits = false;  ///< results carry them
};

/// From bytes to predictions: decode, preprocess, one place in the lane, top-k. Knows no HTTP. Thread safe; the
/// destructor waits until everything that was taken is answered.
class Classifier {
 public:
  using Done = std::function<void(std::vector<PictureResult>)>;

  Classifier(ClassifierOptions options, std::unique_ptr<model::Model> model, Clock& clock, InferenceMetrics& metrics);
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  /// Runs a picture of ours through preprocessing and the lane; call once, first. From then on it can classify.
  /// `stages` is told of warm_up_1. kInvalidArgument: the model's outputs do not fit its labels.
  Result<void> warm_up(StartStages* stages = nullptr);
  /// The same in a batch of every other size that the lane makes (warm_up_SIZE): then no request is the first one to
  /// touch a batch's memory. Requests may come in meanwhile.
  Result<void> warm_up_batches(StartStages* stages = nullptr);

  const model::ModelInfo& info() const { return info_; }
  std::size_t class_count() const { return manifest_->labels.size(); }
  /// For answers that are made when this classifier may be gone.
  std::shared_ptr<const model::Manifest> manifest() const { return manifest_; }
  /// Pictures that wait for the model.
  std::size_t queued() { return lane_.depth(); }

  /// Calls `done` once, with one result per picture in order: in the caller's thread when no picture's header is good,
  /// else in a thread of this object. A problem that concerns the whole request (the queue is full, or so long that the
  /// deadline would pass: decided from the pictures' headers, before decoding) is returned instead, and `done` is not
  /// called. `owner` keeps the pictures' bytes alive until the last one is decoded.
  std::optional<Problem> classify(const std::vector<Picture>& pictures, std::shared_ptr<const void> owner,
                                  const ClassifyOptions& options, Done done);
  /// The same for what the client has preprocessed itself: 3 x crop x crop as the manifest's transform makes them.
  std::optional<Problem> classify(std::vector<preprocess::Input> inputs, const ClassifyOptions& options, Done done);

 private:
  using Lane = batching::ComputeLane<preprocess::Input, std::vector<float>>;
  struct Pending;
  struct Decoding;
  Problem refuse(const Error& error, std::size_t count);
  /// Whole seconds after which the client of `count` pictures should come back, see ReturnTimes.
  int return_time(std::size_t count);
  /// Places for `count` pictures of `pixels` together.
  tl::expected<Lane::Reservation, Problem> admit(std::size_t count, std::uint64_t pixels,
                                                 const ClassifyOptions& options);
  std::optional<std::uint64_t> pixels_of(std::string_view bytes, PictureResult& result) const;
  void decode(Decoding& decoding);
  std::optional<preprocess::Input> prepare(std::string_view bytes, const ClassifyOptions& options,
                                           PictureResult& result);
  Lane::Task task(const std::shared_ptr<Pending>& pending, std::size_t index, preprocess::Input input);
  void finish(PictureResult& result, const ClassifyOptions& options, Result<std::vector<float>> logits,
              const batching::LaneTiming& timing);
  void fail_picture(PictureResult& result, const Error& error);
  void settle(const std::shared_ptr<Pending>& pending);
  Result<void> warm_up_batch(std::size_t size, StartStages* stages);
  Result<void> run_batch(std::size_t size);
  Result<std::vector<std::vector<float>>> compute(std::vector<preprocess::Input> inputs);

  ClassifierOptions options_;
  std::unique_ptr<model::Model> model_;
  model::ModelInfo info_;
  std::shared_ptr<const model::Manifest> manifest_;
  Clock& clock_;
  InferenceMetrics& metrics_;
  MemoryBudget decode_memory_;
  std::atomic<bool> warm_{false};  // before that, batches are not counted
  Guarded<std::size_t> open_;      // pictures that were taken and are not settled
  std::condition_variable_any settled_;
  Guarded<batching::ReturnTimes> return_times_;
  Lane lane_;  // last, and the pool after it: their threads use the rest
  batching::DecodePool decoders_;
};

}  // namespace imageclassifier::protocol
