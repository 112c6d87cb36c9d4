#include "inference-server/model/onednn_int8_network.hpp"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "inference-server/model/onednn_plan.hpp"

namespace imageclassifier::model {
namespace {

using namespace onednn;

/// Without VNNI two products are added in 16 bits before they go on in 32 (VPMADDUBSW): 2 * 255 * 127 does not fit, so
/// that unsigned numbers take 7 bits, too (oneDNN, "Nuances of int8 Computations"). The same with VNNI, so that one
/// calibration holds for all.
constexpr float kLevels = 127;

/// A tensor of activations; each stands for its number times the scale.
struct Signal {
  memory tensor;
  float scale;
};

/// The weights of every layer in each layout that a plan has asked for, and what turns sums of products into values.
class Int8Weights {
 public:
  struct Layer {
    memory weight;
    memory bias;
  };

  Int8Weights(const dnnl::engine& engine, const QuantisedWeights& weights) : engine_(engine), weights_(&weights) {}

  /// value = (sum of products + the layer's bias) * scale, per channel.
  std::vector<float> scales(const std::string& name, const Signal& x) const {
    std::vector<float> scales = weights_->layers.at(name).scale;
    for (float& scale : scales) scale *= x.scale;
    return scales;
  }

  Layer of(const std::string& name, const Signal& x, const Desc& wanted) {
    Entry& entry = entries_[name];
    if (entry.layouts.empty()) entry.bias = vector_of(bias(name, x), engine_);
    for (const memory& layout : entry.layouts) {
      if (layout.get_desc() == wanted) return {layout, entry.bias};
    }
    std::span<const std::int8_t> numbers = weights_->layers.at(name).weight;
    const memory plain(Desc(wanted.dims(), Type::s8, Tag::oihw), engine_, const_cast<std::int8_t*>(numbers.data()));
    entry.layouts.push_back(reordered(plain, wanted, engine_));
    return {entry.layouts.back(), entry.bias};
  }

 private:
  struct Entry {
    std::vector<memory> layouts;
    memory bias;
  };

  std::vector<float> bias(const std::string& name, const Signal& x) const {
    std::vector<float> bias = weights_->layers.at(name).bias;
    const std::vector<float> divisors = scales(name, x);
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] /= divisors[i];
    return bias;
  }

  const dnnl::engine& engine_;
  const QuantisedWeights* weights_;
  std::unordered_map<std::string, Entry> entries_;
};

class Int8Lowering : Lowering {
 public:
  Int8Lowering(const dnnl::engine& engine, Int8Weights& weights, const ActivationRanges& ranges)
      : Lowering(engine), weights_(weights), ranges_(ranges) {}

  Plan run(const Topology& topology, int classes, const Dims& pictures) {
    // The stem is done before the blocks need these slots, and its tensors are the largest.
    plan_.pictures = place(Desc(pictures, Type::f32, Tag::nchw), kSecond);
    const Signal whole = convolve(topology.stem, rounded(plan_.pictures, "input", Type::s8), Type::u8, kOtherFlow);
    Signal x{max_pool(whole.tensor, kFlow), whole.scale};
    Slot flow = kFlow;
    for (const Block& block : topology.blocks) {
      Signal sum = x;
      if (block.shortcut) {
        flow = flow == kFlow ? kOtherFlow : kFlow;
        sum = convolve(*block.shortcut, x, Type::s8, flow);
      }
      Signal y = x;
      for (std::size_t i = 0; i + 1 < block.body.size(); ++i) {
        y = convolve(block.body[i], y, Type::u8, i == 0 ? kFirst : kSecond);
      }
      x = convolve_onto(block.body.back(), y, sum, flow);
    }
    mean_pool(converted(x.tensor, Desc(x.tensor.get_desc().dims(), Type::f32, Tag::nhwc), kConverted, x.scale));
    multiply(classes);
    return std::move(plan_);
  }

 private:
  float scale_of(const std::string& name) const { return ranges_.at(name) / kLevels; }

  Signal rounded(const memory& x, const std::string& name, Type type) {
    const float scale = scale_of(name);
    return {converted(x, Desc(x.get_desc().dims(), type, Tag::nhwc), kConverted, 1 / scale), scale};
  }

  static std::vector<float> divided(std::vector<float> scales, float divisor) {
    for (float& scale : scales) scale /= divisor;
    return scales;
  }

  /// Unsigned results have a ReLU behind them.
  Signal convolve(const Unit& unit, const Signal& x, Type type, Slot slot) {
    const float scale = scale_of(unit.convolution);
    const Desc out(output_dims(unit, x.tensor.get_desc().dims()), type, Tag::nhwc);
    const Signal result{place(out, slot), scale};
    add_unit(unit, x, result.tensor, attributes(limit(type, {}), divided(weights_.scales(unit.convolution, x), scale)));
    return result;
  }

  /// A ReLU that keeps to 7 bits; signed numbers saturate by themselves.
  static dnnl::post_ops limit(Type type, dnnl::post_ops after) {
    if (type == Type::u8) after.append_eltwise(1, dnnl::algorithm::eltwise_clip, 0, kLevels);
    return after;
  }

  /// relu(convolution(x) + sum), in the place of `sum`, which is in the slot.
  Signal convolve_onto(const Unit& unit, const Signal& x, const Signal& sum, Slot slot) {
    const float scale = scale_of(unit.convolution);
    dnnl::post_ops after;
    after.append_sum(sum.scale / scale, sum.tensor.get_desc().data_type());
    const Signal result{place(Desc(sum.tensor.get_desc().dims(), Type::u8, Tag::nhwc), slot), scale};
    add_unit(unit, x, result.tensor,
             attributes(limit(Type::u8, after), divided(weights_.scales(unit.convolution, x), scale)));
    return result;
  }

  void add_unit(const Unit& unit, const Signal& x, const memory& out, const dnnl::primitive_attr& attributes) {
    const auto how = describe(unit, x.tensor.get_desc(), Type::s8, out.get_desc(), attributes);
    const Int8Weights::Layer layer = weights_.of(unit.convolution, x, how.weights_desc());
    add(dnnl::convolution_forward(how), how.scratchpad_desc(),
        {{DNNL_ARG_SRC, x.tensor}, {DNNL_ARG_WEIGHTS, layer.weight}, {DNNL_ARG_BIAS, layer.bias}, {DNNL_ARG_DST, out}});
  }

  /// The head as a convolution of one pixel.
  void multiply(int classes) {
    const Dims in = plan_.pooled.get_desc().dims();
    const memory pixel = place(Desc({in[0], in[1], 1, 1}, Type::f32, Tag::nhwc), kPooled);
    const Signal x = rounded(pixel, "fc", Type::u8);
    const memory logits = place(Desc({in[0], classes, 1, 1}, Type::f32, Tag::nhwc), kLogits);
    const Unit head{"fc", "", classes, static_cast<int>(in[1]), 1, 1, 0};
    add_unit(head, x, logits, attributes({}, weights_.scales("fc", x)));
    plan_.logits = place(Desc({in[0], classes}, Type::f32, Tag::nc), kLogits);
  }

  Int8Weights& weights_;
  const ActivationRanges& ranges_;
};

Result<void> check_ranges(const ActivationRanges& ranges, const QuantisedWeights& weights) {
  const auto check = [&](const std::string& name) -> Result<void> {
    const auto found = ranges.find(name);
    if (found != ranges.end() && std::isfinite(found->second) && found->second > 0) return {};
    return fail(ErrorCode::kInvalidArgument, "the calibration has no range above 0 for " + name);
  };
  for (const auto& [name, layer] : weights.layers) {
    if (auto good = check(name); !good) return good;
  }
  return check("input");
}

}  // namespace

struct OnednnInt8Network::Impl {
  Impl(const Architecture& architecture, const QuantisedWeights& quantised, ActivationRanges activation_ranges,
       const Int8Options& options)
      : topology(topology_of(architecture)),
        ranges(std::move(activation_ranges)),
        weights(engine, quantised),
        computation(engine, options.threads, options.lanes, kMaxBatch,
                    [this, classes = quantised.classes](const Dims& pictures) {
                      return Int8Lowering(engine, weights, ranges).run(topology, classes, pictures);
                    }) {}

  Topology topology;
  ActivationRanges ranges;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  Int8Weights weights;
  Computation computation;
};

OnednnInt8Network::OnednnInt8Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnednnInt8Network::~OnednnInt8Network() = default;

Result<std::unique_ptr<OnednnInt8Network>> OnednnInt8Network::build(const Architecture& architecture,
                                                                    const QuantisedWeights& weights,
                                                                    const ActivationRanges& ranges,
                                                                    const Int8Options& options) {
  if (auto complete = check_ranges(ranges, weights); !complete) return tl::unexpected(complete.error());
  return without_exceptions([&]() -> Result<std::unique_ptr<OnednnInt8Network>> {
    auto impl = std::make_unique<Impl>(architecture, weights, ranges, options);
    for (std::size_t batch = 1; batch <= kMaxBatch; batch *= 2) {
      impl->computation.prepare(static_cast<memory::dim>(batch), options.side, options.side);
    }
    impl->computation.seal();
    return std::unique_ptr<OnednnInt8Network>(new OnednnInt8Network(std::move(impl)));
  });
}

Result<Rows> OnednnInt8Network::logits(std::span<const preprocess::Input> inputs) {
  return impl_->computation.run(inputs, &Plan::logits);
}

Result<Rows> OnednnInt8Network::features(std::span<const preprocess::Input> inputs) {
  return impl_->computation.run(inputs, &Plan::pooled);
}

}  // namespace imageclassifier::model
