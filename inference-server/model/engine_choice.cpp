#include "inference-server/model/engine_choice.hpp"

#include <algorithm>
#include <cstdio>

#include "common/log.hpp"
#include "inference-server/model/onednn_int8_network.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/torch_module.hpp"

namespace imageclassifier::model {
namespace {

using Built = Result<std::unique_ptr<Engine>>;

/// Two right implementations in float32 differ by about 1e-6 of the largest logit; a wrong one by more than this.
constexpr double kFloatTolerance = 1e-3;
/// Eight bits of precision, rounded behind each of a hundred layers.
constexpr double kBfloat16Tolerance = 0.05;
/// Against int8 on the calibrating processor. Another instruction set gives 0.015 on a ResNet101 (SSE4.1 and AVX2).
constexpr double kInt8Tolerance = 0.05;

/// Int8 that names another class than float32 more often than this is not what `auto` promises; known from pictures
/// that were held out, if there were enough of them to tell.
constexpr double kLeastAgreement = 0.9;
constexpr int kLeastHeldOut = 16;

std::string in_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

class Chooser {
 public:
  explicit Chooser(const EngineRequest& request) : request_(request) {}

  Result<EngineChoice> run() {
    if (auto found = find_reference(); !found) return tl::unexpected(found.error());
    for (const auto attempt : {&Chooser::try_int8, &Chooser::try_bfloat16}) {
      if (auto engine = (this->*attempt)()) return EngineChoice{std::move(engine), {}, std::move(layer_seconds_)};
    }
    auto engine = in_float32();
    if (!engine) return tl::unexpected(engine.error());
    return EngineChoice{std::move(*engine), note_, std::move(layer_seconds_)};
  }

 private:
  /// Nothing when there is nobody to ask.
  Result<void> find_reference() {
    reference_ = request_.manifest.reference;
    if (reference_ || request_.engine == "libtorch" || request_.quantised != nullptr) return {};
    if (!torch_module()) {
      log::warning("the engine is not proven: the model has no reference logits and LibTorch is not there");
      return {};
    }
    auto made =
        make_reference_logits(request_.architecture, request_.classes, request_.tensors, request_.manifest.transform);
    if (!made) return tl::unexpected(made.error());
    reference_ = std::move(*made);
    return {};
  }

  Built proven(Built engine, double tolerance) const {
    return reference_ ? proven(std::move(engine), tolerance, reference_->rows) : std::move(engine);
  }

  Built proven(Built engine, double tolerance, const Rows& expected) const {
    if (!engine) return engine;
    const auto stage = StartStages::begin(request_.stages, "prove_" + (*engine)->precision());
    const auto rows =
        (*engine)->logits(reference_inputs(request_.manifest.transform, reference_->seed, reference_->rows.size()));
    if (!rows) return tl::unexpected(rows.error());
    const double difference = relative_difference(*rows, expected);
    if (difference <= tolerance) return engine;
    return fail(ErrorCode::kInvalidArgument,
                "the engine " + (*engine)->name() + " does not prove itself in " + (*engine)->precision() +
                    ": its logits of the reference pictures differ by " + in_digits(difference) + " of the largest; " +
                    in_digits(tolerance) + " is allowed");
  }

  void pass_over(const std::string& precision, const std::string& why) {
    log::warning("a precision is not used", {{"precision", precision}, {"reason", why}});
    note_ = precision + " is not used: " + why;
  }

  bool asks_for(const std::string& precision) const {
    return request_.precision == precision || request_.precision == "auto";
  }

  /// Why a precision that nobody asked for would be no gain on this processor; empty: it is one, or nobody knows.
  std::string no_gain(const std::string& precision) {
    if (request_.precision != "auto") return {};
    const auto stage = StartStages::begin(request_.stages, "measure_" + precision);
    const auto speed = request_.measure(precision);
    if (!speed) return {};
    layer_seconds_ = {{"float32", speed->float32}, {precision, speed->other}};
    log::info("a layer was timed",
              {{"precision", precision}, {"seconds", speed->other}, {"seconds_float32", speed->float32}});
    if (speed->other < speed->float32) return {};
    return "this processor is not faster with it: a layer takes " + in_digits(speed->other * 1e3) + " ms, " +
           in_digits(speed->float32 * 1e3) + " ms in float32";
  }

  std::unique_ptr<Engine> try_int8() {
    const bool quantised = request_.quantised != nullptr;
    if (!asks_for("int8") || (!quantised && request_.precision == "auto")) return nullptr;
    const auto refused = [&](const std::string& why) {
      pass_over("int8", why);
      return nullptr;
    };
    if (!quantised) return refused("the model has float32 weights; inference-server calibrate makes int8 ones");
    if (request_.engine == "libtorch") return refused("LibTorch computes float32 here");
    const auto& calibration = request_.manifest.calibration;
    if (request_.manifest.calibration_damaged) {
      return refused("the calibration in the model file is damaged; copy, download or make the file again");
    }
    if (!calibration || !reference_) return refused("the model file has no calibration or no reference logits");
    if (request_.precision == "auto" && calibration->held_out >= kLeastHeldOut &&
        calibration->top1_agreement < kLeastAgreement) {
      return refused("its calibration saw it name float32's class in " + in_digits(calibration->top1_agreement * 100) +
                     " % of the pictures alone; calibrate with pictures like those that it will see");
    }
    if (const std::string why = no_gain("int8"); !why.empty()) return refused(why);
    auto engine = proven(build_int8(), kInt8Tolerance, calibration->logits);
    if (!engine) return refused(engine.error().describe());
    return std::move(*engine);
  }

  std::unique_ptr<Engine> try_bfloat16() {
    if (!asks_for("bfloat16")) return nullptr;
    const auto refused = [&](const std::string& why) {
      pass_over("bfloat16", why);
      return nullptr;
    };
    if (request_.engine == "libtorch") {
      return request_.precision == "auto" ? nullptr : refused("LibTorch computes float32 here");
    }
    auto engine = build_onednn(true);
    // That a processor has no bfloat16 is nothing to tell those who did not ask for it.
    if (!engine && engine.error().code == ErrorCode::kUnsupported && request_.precision == "auto") return nullptr;
    engine = proven(std::move(engine), kBfloat16Tolerance);
    if (engine) {
      if (const std::string why = no_gain("bfloat16"); !why.empty()) return refused(why);
    }
    if (engine && !reference_) return refused("there are no reference logits to prove it by");
    if (!engine) return refused(engine.error().describe());
    return std::move(*engine);
  }

  Built in_float32() {
    if (request_.engine == "libtorch") return proven(build_torch(), kFloatTolerance);
    auto engine = proven(build_onednn(false), kFloatTolerance);
    if (engine || request_.engine == "onednn") return engine;
    log::warning("the engine onednn is not used", {{"reason", engine.error().describe()}});
    auto fallback = proven(build_torch(), kFloatTolerance);
    if (!fallback && fallback.error().code == ErrorCode::kUnsupported) return engine;
    return fallback;
  }

  const TensorBytes& tensors() {
    if (request_.quantised != nullptr && dequantised_.empty()) {
      dequantised_ = dequantise(request_.architecture, *request_.quantised);
      dequantised_bytes_ = as_bytes(dequantised_);
    }
    return request_.quantised == nullptr ? request_.tensors : dequantised_bytes_;
  }

  Built build_int8() {
    const auto stage = StartStages::begin(request_.stages, "build_int8");
    return OnednnInt8Network::build(request_.architecture, *request_.quantised, request_.manifest.calibration->ranges,
                                    {.side = request_.side, .threads = request_.threads, .lanes = request_.lanes});
  }

  Built build_onednn(bool bfloat16) {
    const auto stage = StartStages::begin(request_.stages, bfloat16 ? "build_bfloat16" : "build_float32");
    return OnednnNetwork::build(
        request_.architecture, request_.classes, tensors(),
        {.side = request_.side, .threads = request_.threads, .lanes = request_.lanes, .bfloat16 = bfloat16});
  }

  Built build_torch() {
    const auto stage = StartStages::begin(request_.stages, "build_libtorch");
    const auto torch = torch_module();
    if (!torch) return tl::unexpected(torch.error());
    return (*torch)->build(request_.architecture, request_.classes, tensors(), request_.threads);
  }

  const EngineRequest& request_;
  std::optional<ReferenceLogits> reference_;
  WeightMap dequantised_;
  TensorBytes dequantised_bytes_;
  std::string note_;
  std::map<std::string, double> layer_seconds_;
};

}  // namespace

Result<EngineChoice> choose_engine(const EngineRequest& request) {
  return Chooser(request).run();
}

}  // namespace imageclassifier::model
