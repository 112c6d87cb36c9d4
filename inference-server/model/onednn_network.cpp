#include "inference-server/model/onednn_network.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>

#include "inference-server/model/cpu_count.hpp"
#include "inference-server/model/folding.hpp"

/// Of libgomp, which oneDNN computes with; declared here because clang has no omp.h without a runtime of its own.
extern "C" void omp_set_num_threads(int threads);

namespace imageclassifier::model {
namespace {

using dnnl::memory;
using Desc = memory::desc;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Type = memory::data_type;

/// Parts of the arena. What flows from block to block lies in one of two, the sum of a block replaces what it was
/// added to; kConverted holds a layout for the next step only.
enum Slot : std::size_t {
  kPictures,
  kFlow,
  kOtherFlow,
  kFirst,
  kSecond,
  kConverted,
  kPooled,
  kLogits,
  kScratch,
  kSlots
};

float* floats(const memory& tensor) {
  return static_cast<float*>(tensor.get_data_handle());
}

/// The primitives for one batch size in order. Its tensors are bound to the arena, which may move when it grows.
class Plan {
 public:
  memory place(const Desc& desc, Slot slot, const dnnl::engine& engine) {
    memory tensor(desc, engine, DNNL_MEMORY_NONE);
    placed_.emplace_back(tensor, slot);
    sizes_[slot] = std::max(sizes_[slot], (desc.get_size() + kAlignment - 1) / kAlignment * kAlignment);
    return tensor;
  }

  void add(dnnl::primitive primitive, std::unordered_map<int, memory> arguments) {
    steps_.emplace_back(std::move(primitive), std::move(arguments));
  }

  std::size_t size() const {
    std::size_t sum = 0;
    for (const std::size_t size : sizes_) sum += size;
    return sum;
  }

  void bind(std::byte* base) {
    if (base == base_) return;
    std::array<std::byte*, kSlots> begin{};
    std::byte* next = base;
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      begin[slot] = next;
      next += sizes_[slot];
    }
    for (auto& [tensor, slot] : placed_) tensor.set_data_handle(begin[slot]);
    base_ = base;
  }

  void run(dnnl::stream& stream) const {
    for (const auto& [primitive, arguments] : steps_) primitive.execute(stream, arguments);
    stream.wait();
  }

  memory pictures;  ///< batch x 3 x height x width
  memory pooled;    ///< batch x features
  memory logits;    ///< batch x classes

 private:
  static constexpr std::size_t kAlignment = 4096;
  std::vector<std::pair<memory, Slot>> placed_;
  std::array<std::size_t, kSlots> sizes_{};
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps_;
  std::byte* base_ = nullptr;
};

memory reordered(const memory& from, const Desc& wanted, const dnnl::engine& engine) {
  memory to(wanted, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  stream.wait();
  return to;
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
    return find(unit.convolution, wanted, [&] { return fold(unit, *tensors_); });
  }

  Layer head(const Desc& wanted) {
    return find("fc", wanted, [&] {
      return FoldedUnit{to_floats(tensors_->at("fc.weight")), to_floats(tensors_->at("fc.bias"))};
    });
  }

  /// From now on every layer is known: another layout is made from the one that is there.
  void forget_file() { tensors_ = nullptr; }

 private:
  struct Entry {
    std::vector<memory> layouts;
    memory bias;
  };

  template <typename Read>
  Layer find(const std::string& name, const Desc& wanted, Read&& read) {
    Entry& entry = entries_[name];
    if (entry.layouts.empty()) {
      FoldedUnit plain = read();
      const Dims dims = wanted.dims();
      const Tag tag = dims.size() == 4 ? Tag::oihw : Tag::oi;
      entry.bias = memory(Desc({dims[0]}, Type::f32, Tag::x), engine_);
      std::copy(plain.bias.begin(), plain.bias.end(), floats(entry.bias));
      entry.layouts.push_back(
          reordered(memory(Desc(dims, Type::f32, tag), engine_, plain.weight.data()), wanted, engine_));
    }
    for (const memory& layout : entry.layouts) {
      if (layout.get_desc() == wanted) return {layout, entry.bias};
    }
    entry.layouts.push_back(reordered(entry.layouts.front(), wanted, engine_));
    return {entry.layouts.back(), entry.bias};
  }

  const dnnl::engine& engine_;
  const TensorBytes* tensors_;
  std::unordered_map<std::string, Entry> entries_;
};

/// Turns the topology into the plan of one shape.
class Lowering {
 public:
  Lowering(const dnnl::engine& engine, WeightStore& weights) : engine_(engine), weights_(weights) {
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  Plan run(const Topology& topology, int classes, const Dims& pictures) {
    plan_.pictures = place(Desc(pictures, Type::f32, Tag::nchw), kPictures);
    memory x = convolve(topology.stem, plan_.pictures, true, kFirst);
    x = pool(x, dnnl::algorithm::pooling_max, {2, 2}, {3, 3}, {1, 1}, kFlow);
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
    const Dims dims = x.get_desc().dims();
    const Dims plane{dims[2], dims[3]};
    x = pool(x, dnnl::algorithm::pooling_avg_exclude_padding, plane, plane, {0, 0}, kFirst);
    converted(x, Desc({dims[0], dims[1], 1, 1}, Type::f32, Tag::nchw), kPooled, true);
    plan_.pooled = place(Desc({dims[0], dims[1]}, Type::f32, Tag::nc), kPooled);
    multiply(classes);
    return std::move(plan_);
  }

 private:
  memory place(const Desc& desc, Slot slot) { return plan_.place(desc, slot, engine_); }

  void add(const dnnl::primitive& primitive, const Desc& scratch, std::unordered_map<int, memory> arguments) {
    if (scratch.get_size() > 0) arguments.emplace(DNNL_ARG_SCRATCHPAD, place(scratch, kScratch));
    plan_.add(primitive, std::move(arguments));
  }

  memory converted(const memory& from, const Desc& wanted, Slot slot, bool always = false) {
    if (!always && from.get_desc() == wanted) return from;
    memory to = place(wanted, slot);
    const dnnl::reorder::primitive_desc how(engine_, from.get_desc(), engine_, wanted, attributes_);
    add(dnnl::reorder(how), how.scratchpad_desc(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return to;
  }

  memory convolve(const Unit& unit, const memory& x, bool relu, Slot slot) {
    dnnl::post_ops after;
    if (relu) after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    const Dims in = x.get_desc().dims();
    const auto extent = [&](memory::dim side) { return (side + 2 * unit.padding - unit.kernel) / unit.stride + 1; };
    const auto how =
        describe(unit, in, Desc({in[0], unit.out, extent(in[2]), extent(in[3])}, Type::f32, Tag::any), after);
    return add(unit, how, x, place(how.dst_desc(), slot));
  }

  /// relu(convolution(x) + sum), in the place of `sum`.
  memory convolve_onto(const Unit& unit, const memory& x, const memory& sum) {
    dnnl::post_ops after;
    after.append_sum(1);
    after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    return add(unit, describe(unit, x.get_desc().dims(), sum.get_desc(), after), x, sum);
  }

  dnnl::convolution_forward::primitive_desc describe(const Unit& unit, const Dims& in, const Desc& out,
                                                     const dnnl::post_ops& after) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attributes.set_post_ops(after);
    const Dims padding{unit.padding, unit.padding};
    return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, Desc(in, Type::f32, Tag::any),
             Desc({unit.out, unit.in, unit.kernel, unit.kernel}, Type::f32, Tag::any),
             Desc({unit.out}, Type::f32, Tag::x), out, Dims{unit.stride, unit.stride}, padding, padding},
            attributes,
            engine_};
  }

  memory add(const Unit& unit, const dnnl::convolution_forward::primitive_desc& how, const memory& x,
             const memory& out) {
    const WeightStore::Layer layer = weights_.of(unit, how.weights_desc());
    add(dnnl::convolution_forward(how), how.scratchpad_desc(),
        {{DNNL_ARG_SRC, converted(x, how.src_desc(), kConverted)},
         {DNNL_ARG_WEIGHTS, layer.weight},
         {DNNL_ARG_BIAS, layer.bias},
         {DNNL_ARG_DST, out}});
    return out;
  }

  memory pool(const memory& x, dnnl::algorithm algorithm, const Dims& stride, const Dims& kernel, const Dims& padding,
              Slot slot) {
    const Dims in = x.get_desc().dims();
    const auto extent = [&](std::size_t i) { return (in[i + 2] + 2 * padding[i] - kernel[i]) / stride[i] + 1; };
    const dnnl::pooling_forward::primitive_desc how(
        {dnnl::prop_kind::forward_inference, algorithm, x.get_desc(),
         Desc({in[0], in[1], extent(0), extent(1)}, Type::f32, Tag::any), stride, kernel, padding, padding},
        attributes_, engine_);
    memory to = place(how.dst_desc(), slot);
    add(dnnl::pooling_forward(how), how.scratchpad_desc(), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, to}});
    return to;
  }

  void multiply(int classes) {
    const Dims in = plan_.pooled.get_desc().dims();
    plan_.logits = place(Desc({in[0], classes}, Type::f32, Tag::nc), kLogits);
    const dnnl::inner_product_forward::primitive_desc how(
        {dnnl::prop_kind::forward_inference, plan_.pooled.get_desc(), Desc({classes, in[1]}, Type::f32, Tag::any),
         Desc({classes}, Type::f32, Tag::x), plan_.logits.get_desc()},
        attributes_, engine_);
    const WeightStore::Layer layer = weights_.head(how.weights_desc());
    add(dnnl::inner_product_forward(how), how.scratchpad_desc(),
        {{DNNL_ARG_SRC, plan_.pooled},
         {DNNL_ARG_WEIGHTS, layer.weight},
         {DNNL_ARG_BIAS, layer.bias},
         {DNNL_ARG_DST, plan_.logits}});
  }

  const dnnl::engine& engine_;
  WeightStore& weights_;
  dnnl::primitive_attr attributes_;
  Plan plan_;
};

Rows to_rows(const memory& tensor) {
  const Dims dims = tensor.get_desc().dims();
  Rows rows;
  const float* next = floats(tensor);
  for (memory::dim i = 0; i < dims[0]; ++i, next += dims[1]) rows.emplace_back(next, next + dims[1]);
  return rows;
}

template <typename Function>
auto without_exceptions(Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const dnnl::error& error) {
    return fail(ErrorCode::kInternal, std::string("oneDNN refused: ") + error.what());
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, std::string("the forward pass failed: ") + error.what());
  }
}

}  // namespace

struct OnednnNetwork::Impl {
  using Shape = std::array<memory::dim, 3>;  // batch, height, width

  Impl(const Architecture& architecture, int class_count, const TensorBytes& tensors, int thread_count)
      : topology(topology_of(architecture)),
        classes(class_count),
        threads(thread_count > 0 ? thread_count : usable_cores()),
        weights(engine, tensors) {}

  Plan& plan_of(const Shape& shape) {
    if (const auto known = plans.find(shape); known != plans.end()) return known->second;
    Plan plan = Lowering(engine, weights).run(topology, classes, {shape[0], 3, shape[1], shape[2]});
    if (plan.size() > arena_size) {
      arena_size = plan.size();
      arena = memory(Desc({static_cast<memory::dim>(arena_size)}, Type::u8, Tag::x), engine);
    }
    return plans.emplace(shape, std::move(plan)).first->second;
  }

  Rows run(std::span<const preprocess::Input> inputs, memory Plan::*output) {
    const preprocess::Input& first = inputs.front();
    omp_set_num_threads(threads);
    Plan& plan = plan_of({static_cast<memory::dim>(inputs.size()), first.height, first.width});
    plan.bind(static_cast<std::byte*>(arena.get_data_handle()));
    float* next = floats(plan.pictures);
    for (const preprocess::Input& input : inputs) next = std::copy(input.values.begin(), input.values.end(), next);
    plan.run(stream);
    return to_rows(plan.*output);
  }

  Result<Rows> run_in_parts(std::span<const preprocess::Input> inputs, memory Plan::*output) {
    for (const preprocess::Input& input : inputs) {
      const auto values = 3 * static_cast<std::size_t>(input.height) * static_cast<std::size_t>(input.width);
      if (input.height < 1 || input.height != inputs.front().height || input.width != inputs.front().width ||
          input.values.size() != values) {
        return fail(ErrorCode::kInvalidArgument, "the inputs of a batch differ in size");
      }
    }
    return without_exceptions([&]() -> Result<Rows> {
      Rows rows;
      for (auto rest = inputs; !rest.empty();) {
        const auto part = rest.first(std::min(rest.size(), kMaxBatch));
        rest = rest.subspan(part.size());
        for (auto& row : run(part, output)) rows.push_back(std::move(row));
      }
      return rows;
    });
  }

  Topology topology;
  int classes;
  int threads;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  WeightStore weights;
  std::map<Shape, Plan> plans;
  memory arena;
  std::size_t arena_size = 0;
};

OnednnNetwork::OnednnNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnednnNetwork::~OnednnNetwork() = default;

Result<std::unique_ptr<Engine>> OnednnNetwork::build(const Architecture& architecture, int classes,
                                                     const TensorBytes& tensors, int side, int threads) {
  return without_exceptions([&]() -> Result<std::unique_ptr<Engine>> {
    auto impl = std::make_unique<Impl>(architecture, classes, tensors, threads);
    omp_set_num_threads(impl->threads);
    impl->plan_of({1, side, side});
    impl->weights.forget_file();
    return std::unique_ptr<Engine>(new OnednnNetwork(std::move(impl)));
  });
}

Result<Rows> OnednnNetwork::logits(std::span<const preprocess::Input> inputs) {
  return impl_->run_in_parts(inputs, &Plan::logits);
}

Result<Rows> OnednnNetwork::features(std::span<const preprocess::Input> inputs) {
  return impl_->run_in_parts(inputs, &Plan::pooled);
}

}  // namespace imageclassifier::model
