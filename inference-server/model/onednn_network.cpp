#include "inference-server/model/onednn_network.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "inference-server/model/convolution_avx2.hpp"
#include "inference-server/model/cpu_count.hpp"
#include "inference-server/model/folding.hpp"
#include "inference-server/model/onednn_plan.hpp"

namespace imageclassifier::model {
namespace {

using namespace onednn;

/// By measurement of each layer of ResNet-101 on a processor without AVX-512: oneDNN 2.6 leaves too much undone where
/// kernels are large, and where there are more weights than places to use them.
bool is_faster_directly(const ConvolutionShape& shape) {
  const dnnl::cpu_isa instructions = dnnl::get_effective_cpu_isa();
  if (instructions != dnnl::cpu_isa::avx2 && instructions != dnnl::cpu_isa::avx2_vnni) return false;
  constexpr int kFewPixels = 64;
  const bool fits = shape.kernel == 1 ? shape.out_height() * shape.out_width() <= kFewPixels : shape.in >= 128;
  return fits && DirectConvolution::supports(shape);
}

/// Every layer's weights in each layout that a plan has asked for; in practice one. The plain ones are read from the
/// file, folded and dropped when the layer is asked for first.
class WeightStore {
 public:
  struct Layer {
    memory weight;
    memory bias;
  };

  WeightStore(const dnnl::engine& engine, const TensorBytes& tensors) : engine_(engine), tensors_(&tensors) {}

  Layer of(const Unit& unit, const Desc& wanted) {
    return find(unit.convolution, wanted, [&] { fold(unit, *tensors_, plain_); });
  }

  Layer head(const Desc& wanted) {
    return find("fc", wanted, [&] {
      plain_ = {to_floats(tensors_->at("fc.weight")), to_floats(tensors_->at("fc.bias"))};
    });
  }

  /// In DirectConvolution's order, if that is how the layer was asked for first and is the faster way.
  std::optional<Layer> direct(const Unit& unit, const ConvolutionShape& shape) {
    if (!entries_.contains(unit.convolution) && !is_faster_directly(shape)) return std::nullopt;
    const auto read = [&] { fold(unit, *tensors_, plain_); };
    const auto pack = [&] {
      const memory packed(Desc({static_cast<memory::dim>(plain_.weight.size())}, Type::f32, Tag::x), engine_);
      DirectConvolution::pack(shape, plain_.weight, floats(packed));
      return packed;
    };
    const Entry& entry = known(unit.convolution, read, pack);
    const memory& layout = entry.layouts.front();
    if (layout.get_desc().dims().size() != 1) return std::nullopt;
    return Layer{layout, entry.bias};
  }

  /// From now on every layer is known: another layout is made from the one that is there.
  void forget_file() {
    tensors_ = nullptr;
    plain_ = {};
  }

 private:
  struct Entry {
    std::vector<memory> layouts;
    memory bias;
  };

  /// A layer that is asked for first is read into plain_ and gets the layout that `arrange` makes of that.
  template <typename Read, typename Arrange>
  Entry& known(const std::string& name, Read&& read, Arrange&& arrange) {
    Entry& entry = entries_[name];
    if (!entry.layouts.empty()) return entry;
    read();
    entry.bias = vector_of(plain_.bias, engine_);
    entry.layouts.push_back(arrange());
    return entry;
  }

  template <typename Read>
  Layer find(const std::string& name, const Desc& wanted, Read&& read) {
    Entry& entry = known(name, read, [&] {
      const Dims dims = wanted.dims();
      const Tag tag = dims.size() == 4 ? Tag::oihw : Tag::oi;
      return reordered(memory(Desc(dims, Type::f32, tag), engine_, plain_.weight.data()), wanted, engine_);
    });
    for (const memory& layout : entry.layouts) {
      if (layout.get_desc() == wanted) return {layout, entry.bias};
    }
    entry.layouts.push_back(reordered(entry.layouts.front(), wanted, engine_));
    return {entry.layouts.back(), entry.bias};
  }

  const dnnl::engine& engine_;
  const TensorBytes* tensors_;
  FoldedUnit plain_;  ///< of the layer that was asked for last
  std::unordered_map<std::string, Entry> entries_;
};

/// Turns the topology into the plan of one shape, in float32 or bfloat16 with sums in float32.
class FloatLowering : Lowering {
 public:
  FloatLowering(const dnnl::engine& engine, WeightStore& weights, Type type)
      : Lowering(engine), weights_(weights), type_(type) {}

  Plan run(const Topology& topology, int classes, const Dims& pictures) {
    // The stem is done before the blocks need these slots, and its tensors are the largest.
    plan_.pictures = place(Desc(pictures, Type::f32, Tag::nchw), kSecond);
    memory x = max_pool(convolve(topology.stem, plan_.pictures, true, kOtherFlow), kFlow);
    Slot flow = kFlow;
    for (const Block& block : topology.blocks) {
      memory sum = x;
      if (block.shortcut) {
        flow = flow == kFlow ? kOtherFlow : kFlow;
        sum = convolve(*block.shortcut, x, false, flow);
      }
      memory y = x;
      for (std::size_t i = 0; i + 1 < block.body.size(); ++i) {
        y = convolve(block.body[i], y, true, i == 0 ? kFirst : kSecond);
      }
      x = convolve_onto(block.body.back(), y, sum);
    }
    mean_pool(x);
    plan_.name_last("fc", plan_.pooled);
    multiply(classes);
    return std::move(plan_);
  }

 private:
  memory as(const memory& x, const Desc& wanted) {
    return x.get_desc() == wanted ? x : converted(x, wanted, kConverted);
  }

  memory convolve(const Unit& unit, const memory& x, bool relu, Slot slot) {
    if (auto direct = convolve_directly(unit, x, relu, slot)) return *direct;
    dnnl::post_ops after;
    if (relu) after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    const Dims in = x.get_desc().dims();
    const auto how = describe(unit, Desc(in, type_, Tag::any), type_, Desc(output_dims(unit, in), type_, Tag::any),
                              attributes(after));
    return add_unit(unit, how, x, place(how.dst_desc(), slot));
  }

  /// relu(convolution(x) + sum), in the place of `sum`.
  memory convolve_onto(const Unit& unit, const memory& x, const memory& sum) {
    if (auto direct = convolve_directly(unit, x, true, sum)) return *direct;
    dnnl::post_ops after;
    after.append_sum(1);
    after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    const Desc in(x.get_desc().dims(), type_, Tag::any);
    return add_unit(unit, describe(unit, in, type_, sum.get_desc(), attributes(after)), x, sum);
  }

  /// Into a slot, or onto what lies there.
  std::optional<memory> convolve_directly(const Unit& unit, const memory& x, bool relu,
                                          const std::variant<Slot, memory>& target) {
    if (type_ != Type::f32) return std::nullopt;
    const Dims dims = x.get_desc().dims();
    const Dims out_dims = output_dims(unit, dims);
    const Desc blocked(out_dims, type_, Tag::nChw8c);
    const memory* sum = std::get_if<memory>(&target);
    if (sum != nullptr && sum->get_desc() != blocked) return std::nullopt;
    const ConvolutionShape shape{static_cast<int>(dims[0]), unit.in,     unit.out,    static_cast<int>(dims[2]),
                                 static_cast<int>(dims[3]), unit.kernel, unit.stride, unit.padding};
    const auto layer = weights_.direct(unit, shape);
    if (!layer) return std::nullopt;
    const memory in = as(x, Desc(dims, type_, Tag::nChw8c));
    const memory out = sum != nullptr ? *sum : place(blocked, std::get<Slot>(target));
    DirectConvolution convolution(shape);
    const memory scratch =
        place(Desc({static_cast<memory::dim>(convolution.scratch_floats())}, type_, Tag::x), kScratch);
    plan_.add([=, convolution = std::move(convolution), onto_output = sum != nullptr](dnnl::stream&) {
      convolution.run(
          {floats(in), floats(layer->weight), floats(layer->bias), floats(out), floats(scratch), relu, onto_output});
    });
    plan_.name_last(unit.convolution, out);
    return out;
  }

  memory add_unit(const Unit& unit, const dnnl::convolution_forward::primitive_desc& how, const memory& x,
                  const memory& out) {
    const WeightStore::Layer layer = weights_.of(unit, how.weights_desc());
    add(dnnl::convolution_forward(how), how.scratchpad_desc(),
        {{DNNL_ARG_SRC, as(x, how.src_desc())},
         {DNNL_ARG_WEIGHTS, layer.weight},
         {DNNL_ARG_BIAS, layer.bias},
         {DNNL_ARG_DST, out}});
    plan_.name_last(unit.convolution, out);
    return out;
  }

  void multiply(int classes) {
    const Dims in = plan_.pooled.get_desc().dims();
    plan_.logits = place(Desc({in[0], classes}, Type::f32, Tag::nc), kLogits);
    const dnnl::inner_product_forward::primitive_desc how(
        {dnnl::prop_kind::forward_inference, Desc(in, type_, Tag::nc), Desc({classes, in[1]}, type_, Tag::any),
         Desc({classes}, Type::f32, Tag::x), plan_.logits.get_desc()},
        attributes(), engine_);
    const WeightStore::Layer layer = weights_.head(how.weights_desc());
    add(dnnl::inner_product_forward(how), how.scratchpad_desc(),
        {{DNNL_ARG_SRC, as(plan_.pooled, how.src_desc())},
         {DNNL_ARG_WEIGHTS, layer.weight},
         {DNNL_ARG_BIAS, layer.bias},
         {DNNL_ARG_DST, plan_.logits}});
  }

  WeightStore& weights_;
  Type type_;
};

bool has_bfloat16() {
  constexpr auto kNeeded = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kNeeded) == kNeeded;
}

}  // namespace

struct OnednnNetwork::Impl {
  Impl(const Architecture& architecture, int classes, const TensorBytes& tensors, const OnednnOptions& options)
      : topology(topology_of(architecture)),
        bfloat16(options.bfloat16),
        weights(engine, tensors),
        computation(
            engine, options.threads, options.lanes, largest_part(options.threads),
            [this, classes](const Dims& pictures) {
              return FloatLowering(engine, weights, bfloat16 ? Type::bf16 : Type::f32).run(topology, classes, pictures);
            }) {}

  Topology topology;
  bool bfloat16;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  WeightStore weights;
  Computation computation;
};

OnednnNetwork::OnednnNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnednnNetwork::~OnednnNetwork() = default;

Result<std::unique_ptr<OnednnNetwork>> OnednnNetwork::build(const Architecture& architecture, int classes,
                                                            const TensorBytes& tensors, const OnednnOptions& options) {
  if (options.bfloat16 && !has_bfloat16()) {
    return fail(ErrorCode::kUnsupported, "this processor has no bfloat16 instructions (AVX512_BF16 or AMX)");
  }
  return without_exceptions([&]() -> Result<std::unique_ptr<OnednnNetwork>> {
    auto impl = std::make_unique<Impl>(architecture, classes, tensors, options);
    for (std::size_t batch = 1; batch <= largest_part(options.threads); batch *= 2) {
      impl->computation.prepare(static_cast<memory::dim>(batch), options.side, options.side);
    }
    impl->weights.forget_file();
    return std::unique_ptr<OnednnNetwork>(new OnednnNetwork(std::move(impl)));
  });
}

std::size_t OnednnNetwork::largest_part(int threads) {
  const int cores = threads > 0 ? threads : usable_cores();
  return std::bit_ceil(static_cast<std::size_t>(std::clamp(cores, 2, 8)));
}

std::string OnednnNetwork::precision() const {
  return impl_->bfloat16 ? "bfloat16" : "float32";
}

Result<Rows> OnednnNetwork::logits(std::span<const preprocess::Input> inputs) {
  return impl_->computation.run(inputs, &Plan::logits);
}

Result<Rows> OnednnNetwork::features(std::span<const preprocess::Input> inputs) {
  return impl_->computation.run(inputs, &Plan::pooled);
}

Result<void> OnednnNetwork::observe(const preprocess::Input& input, const ActivationObserver& observer) {
  if (impl_->bfloat16) return fail(ErrorCode::kInvalidArgument, "activations are observed in float32 only");
  return impl_->computation.observe(input, observer);
}

}  // namespace imageclassifier::model
