#include "inference-server/model/onednn_plan.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "inference-server/model/cpu_count.hpp"

/// Of libgomp, which oneDNN computes with; declared here because clang has no omp.h without a runtime of its own.
extern "C" void omp_set_num_threads(int threads);

namespace imageclassifier::model::onednn {
namespace {

constexpr std::size_t kAlignment = 4096;

Rows to_rows(const memory& tensor) {
  const Dims dims = tensor.get_desc().dims();
  Rows rows;
  const float* next = floats(tensor);
  for (memory::dim i = 0; i < dims[0]; ++i, next += dims[1]) rows.emplace_back(next, next + dims[1]);
  return rows;
}

Result<void> check_sizes(std::span<const preprocess::Input> inputs) {
  for (const preprocess::Input& input : inputs) {
    const auto values = 3 * static_cast<std::size_t>(input.height) * static_cast<std::size_t>(input.width);
    if (input.height < 1 || input.height != inputs.front().height || input.width != inputs.front().width ||
        input.values.size() != values) {
      return fail(ErrorCode::kInvalidArgument, "the inputs of a batch differ in size");
    }
  }
  return {};
}

}  // namespace

void use_threads(int threads) {
  omp_set_num_threads(threads > 0 ? threads : usable_cores());
}

memory reordered(const memory& from, const Desc& wanted, const dnnl::engine& engine) {
  memory to(wanted, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  stream.wait();
  return to;
}

memory vector_of(const std::vector<float>& values, const dnnl::engine& engine) {
  memory tensor(Desc({static_cast<memory::dim>(values.size())}, Type::f32, Tag::x), engine);
  std::copy(values.begin(), values.end(), floats(tensor));
  return tensor;
}

Dims output_dims(const Unit& unit, const Dims& in) {
  const auto extent = [&](memory::dim side) { return (side + 2 * unit.padding - unit.kernel) / unit.stride + 1; };
  return {in[0], unit.out, extent(in[2]), extent(in[3])};
}

memory Plan::place(const Desc& desc, Slot slot, const dnnl::engine& engine) {
  memory tensor(desc, engine, DNNL_MEMORY_NONE);
  placed_.emplace_back(tensor, slot);
  sizes_[slot] = std::max(sizes_[slot], (desc.get_size() + kAlignment - 1) / kAlignment * kAlignment);
  return tensor;
}

void Plan::name_last(const std::string& unit, const memory& result) {
  results_.push_back({steps_.size() - 1, unit, result});
}

std::size_t Plan::size() const {
  std::size_t sum = 0;
  for (const std::size_t size : sizes_) sum += size;
  return sum;
}

void Plan::bind(std::byte* base) {
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

void Plan::run(dnnl::stream& stream, const Observer& observe) const {
  auto next = results_.begin();
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i](stream);
    if (!observe || next == results_.end() || next->step != i) continue;
    stream.wait();
    observe(next->unit, {floats(next->tensor), next->tensor.get_desc().get_size() / sizeof(float)});
    ++next;
  }
  stream.wait();
}

dnnl::primitive_attr Lowering::attributes(const dnnl::post_ops& after, const std::vector<float>& scales) {
  constexpr int kPerChannel = 1 << 1;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_post_ops(after);
  if (!scales.empty()) attributes.set_output_scales(scales.size() == 1 ? 0 : kPerChannel, scales);
  return attributes;
}

void Lowering::add(const dnnl::primitive& primitive, const Desc& scratch, std::unordered_map<int, memory> arguments) {
  if (scratch.get_size() > 0) arguments.emplace(DNNL_ARG_SCRATCHPAD, place(scratch, kScratch));
  plan_.add(
      [primitive, arguments = std::move(arguments)](dnnl::stream& stream) { primitive.execute(stream, arguments); });
}

memory Lowering::converted(const memory& from, const Desc& wanted, Slot slot, float factor) {
  memory to = place(wanted, slot);
  const std::vector<float> scales = factor == 1 ? std::vector<float>{} : std::vector<float>{factor};
  const dnnl::reorder::primitive_desc how(engine_, from.get_desc(), engine_, wanted, attributes({}, scales));
  add(dnnl::reorder(how), how.scratchpad_desc(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  return to;
}

memory Lowering::pool(const memory& x, dnnl::algorithm algorithm, const Dims& stride, const Dims& kernel,
                      const Dims& padding, Slot slot) {
  const Desc in = x.get_desc();
  const auto extent = [&](std::size_t i) { return (in.dims()[i + 2] + 2 * padding[i] - kernel[i]) / stride[i] + 1; };
  const dnnl::pooling_forward::primitive_desc how(
      {dnnl::prop_kind::forward_inference, algorithm, in,
       Desc({in.dims()[0], in.dims()[1], extent(0), extent(1)}, in.data_type(), Tag::any), stride, kernel, padding,
       padding},
      attributes(), engine_);
  memory to = place(how.dst_desc(), slot);
  add(dnnl::pooling_forward(how), how.scratchpad_desc(), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, to}});
  return to;
}

memory Lowering::max_pool(const memory& x, Slot slot) {
  return pool(x, dnnl::algorithm::pooling_max, {2, 2}, {3, 3}, {1, 1}, slot);
}

void Lowering::mean_pool(const memory& x) {
  const Dims dims = x.get_desc().dims();
  const Dims plane{dims[2], dims[3]};
  const memory mean = pool(x, dnnl::algorithm::pooling_avg_exclude_padding, plane, plane, {0, 0}, kFirst);
  converted(mean, Desc({dims[0], dims[1], 1, 1}, Type::f32, Tag::nchw), kPooled);
  plan_.pooled = place(Desc({dims[0], dims[1]}, Type::f32, Tag::nc), kPooled);
}

dnnl::convolution_forward::primitive_desc Lowering::describe(const Unit& unit, const Desc& in, Type weights,
                                                             const Desc& out, const dnnl::primitive_attr& how) const {
  const Dims padding{unit.padding, unit.padding};
  const dnnl::convolution_forward::primitive_desc found{
      {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, in,
       Desc({unit.out, unit.in, unit.kernel, unit.kernel}, weights, Tag::any), Desc({unit.out}, Type::f32, Tag::x), out,
       Dims{unit.stride, unit.stride}, padding, padding},
      how,
      engine_};
  if (std::string_view(found.impl_info_str()).starts_with("ref")) {
    throw dnnl::error(dnnl_unimplemented, "it has only reference code for this convolution");
  }
  return found;
}

/// A workspace for the time of one part. The one that has rested longest comes first, so that as many runs one after
/// the other touch every lane's memory.
class Computation::Lease {
 public:
  explicit Lease(Computation& owner) : owner_(owner) {
    auto spaces = owner_.free_.lock();
    owner_.freed_.wait(spaces.mutex_lock(), [&spaces] { return !spaces->empty(); });
    space_ = spaces->front();
    spaces->pop_front();
  }
  ~Lease() {
    owner_.free_.lock()->push_back(space_);
    owner_.freed_.notify_one();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Workspace& operator*() const { return *space_; }

 private:
  Computation& owner_;
  Workspace* space_;
};

Computation::Computation(const dnnl::engine& engine, int threads, int lanes, std::size_t max_batch, Make make)
    : engine_(engine), threads_(threads), max_batch_(max_batch), make_(std::move(make)) {
  for (int lane = 0; lane < std::max(1, lanes); ++lane) {
    spaces_.push_back(std::make_unique<Workspace>(Workspace{dnnl::stream(engine_)}));
    free_.lock()->push_back(spaces_.back().get());
  }
}

void Computation::prepare(memory::dim batch, int height, int width) {
  use_threads(threads_);
  for (const auto& space : spaces_) plan_of(*space, {batch, height, width});
}

void Computation::seal() {
  make_ = nullptr;
}

Plan& Computation::plan_of(Workspace& space, const Shape& shape) {
  if (const auto known = space.plans.find(shape); known != space.plans.end()) return known->second;
  const std::lock_guard one_at_a_time(making_);
  if (!make_) throw dnnl::error(dnnl_invalid_arguments, "it was not prepared for inputs of this size");
  Plan plan = make_({shape[0], 3, shape[1], shape[2]});
  if (plan.size() > space.arena_size) {
    space.arena_size = plan.size();
    space.arena = memory(Desc({static_cast<memory::dim>(space.arena_size)}, Type::u8, Tag::x), engine_);
  }
  return space.plans.emplace(shape, std::move(plan)).first->second;
}

Plan& Computation::filled(Workspace& space, std::span<const preprocess::Input> inputs) {
  use_threads(threads_);
  const preprocess::Input& first = inputs.front();
  Plan& plan = plan_of(space, {static_cast<memory::dim>(inputs.size()), first.height, first.width});
  plan.bind(static_cast<std::byte*>(space.arena.get_data_handle()));
  float* next = floats(plan.pictures);
  for (const preprocess::Input& input : inputs) next = std::copy(input.values.begin(), input.values.end(), next);
  return plan;
}

Result<Rows> Computation::run(std::span<const preprocess::Input> inputs, memory Plan::*output) {
  if (auto fit = check_sizes(inputs); !fit) return tl::unexpected(fit.error());
  return without_exceptions([&]() -> Result<Rows> {
    Rows rows;
    for (auto rest = inputs; !rest.empty();) {
      const auto part = rest.first(std::bit_floor(std::min(rest.size(), max_batch_)));
      rest = rest.subspan(part.size());
      const Lease space(*this);
      const Plan& plan = filled(*space, part);
      plan.run((*space).stream);
      for (auto& row : to_rows(plan.*output)) rows.push_back(std::move(row));
    }
    return rows;
  });
}

Result<void> Computation::observe(const preprocess::Input& input, const Observer& observer) {
  if (auto fit = check_sizes({&input, 1}); !fit) return fit;
  return without_exceptions([&]() -> Result<void> {
    const Lease space(*this);
    filled(*space, {&input, 1}).run((*space).stream, observer);
    return {};
  });
}

}  // namespace imageclassifier::model::onednn
