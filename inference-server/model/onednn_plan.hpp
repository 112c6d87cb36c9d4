#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/guarded.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

/// What the networks on oneDNN share; for onednn_*.cpp alone.
namespace imageclassifier::model::onednn {

using dnnl::memory;
using Desc = memory::desc;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Type = memory::data_type;

/// Parts of the arena. What flows from block to block lies in one of two, the sum of a block replaces what it was
/// added to; kConverted holds a layout for the next step only.
enum Slot : std::size_t { kFlow, kOtherFlow, kFirst, kSecond, kConverted, kPooled, kLogits, kScratch, kSlots };

/// In the calling thread, for OpenMP counts by thread; 0: usable_cores().
void use_threads(int threads);

inline float* floats(const memory& tensor) {
  return static_cast<float*>(tensor.get_data_handle());
}

/// A copy in another layout or type.
memory reordered(const memory& from, const Desc& wanted, const dnnl::engine& engine);

memory vector_of(const std::vector<float>& values, const dnnl::engine& engine);

Dims output_dims(const Unit& unit, const Dims& in);

/// Shows a unit's result, with the activation behind it, in no particular order of its numbers.
using Observer = std::function<void(const std::string& unit, std::span<const float> values)>;

/// The primitives for one batch size in order. Its tensors are bound to the arena, which may move when it grows.
class Plan {
 public:
  memory place(const Desc& desc, Slot slot, const dnnl::engine& engine);
  using Step = std::function<void(dnnl::stream&)>;
  void add(Step step) { steps_.push_back(std::move(step)); }
  /// The step added last is the last of `unit` and gives `result`.
  void name_last(const std::string& unit, const memory& result);
  std::size_t size() const;
  void bind(std::byte* base);
  /// With an observer, float32 only: shows every named result while it is there.
  void run(dnnl::stream& stream, const Observer& observe = {}) const;

  memory pictures;  ///< batch x 3 x height x width, float32
  memory pooled;    ///< batch x features, float32
  memory logits;    ///< batch x classes, float32

 private:
  struct NamedResult {
    std::size_t step;
    std::string unit;
    memory tensor;
  };

  std::vector<std::pair<memory, Slot>> placed_;
  std::array<std::size_t, kSlots> sizes_{};
  std::vector<Step> steps_;
  std::vector<NamedResult> results_;
  std::byte* base_ = nullptr;
};

/// What every lowering of the topology to a plan does the same way.
class Lowering {
 protected:
  explicit Lowering(const dnnl::engine& engine) : engine_(engine) {}

  static dnnl::primitive_attr attributes(const dnnl::post_ops& after = {}, const std::vector<float>& scales = {});
  memory place(const Desc& desc, Slot slot) { return plan_.place(desc, slot, engine_); }
  void add(const dnnl::primitive& primitive, const Desc& scratch, std::unordered_map<int, memory> arguments);
  /// Each number times `factor`, rounded and saturated where the type asks for it.
  memory converted(const memory& from, const Desc& wanted, Slot slot, float factor = 1);
  memory pool(const memory& x, dnnl::algorithm algorithm, const Dims& stride, const Dims& kernel, const Dims& padding,
              Slot slot);
  /// relu behind the stem -> its 3x3 maximum.
  memory max_pool(const memory& x, Slot slot);
  /// The mean of each plane, float32, into plan_.pooled.
  void mean_pool(const memory& x);
  /// Weights in a layout of oneDNN's choice. Throws dnnl_unimplemented where it has reference code alone, which takes
  /// minutes.
  dnnl::convolution_forward::primitive_desc describe(const Unit& unit, const Desc& in, Type weights, const Desc& out,
                                                     const dnnl::primitive_attr& how) const;

  const dnnl::engine& engine_;
  Plan plan_;
};

/// Computes batches by the plan of their shape, in as many lanes at a time as it was made for; who comes beyond waits.
/// Each has plans of its own, made when a shape is first seen, which share one arena; the weights are everybody's.
class Computation {
 public:
  using Make = std::function<Plan(const Dims& pictures)>;

  /// Batches are computed in parts of 1, 2, 4 ... `max_batch`, so that few shapes are enough. `threads` as in Engine's
  /// builders; `make` runs once at a time.
  Computation(const dnnl::engine& engine, int threads, int lanes, std::size_t max_batch, Make make);
  /// In every lane.
  void prepare(memory::dim batch, int height, int width);
  /// No other shape will be asked for: what `make` refers to may go.
  void seal();
  Result<Rows> run(std::span<const preprocess::Input> inputs, memory Plan::*output);
  Result<void> observe(const preprocess::Input& input, const Observer& observer);

 private:
  using Shape = std::array<memory::dim, 3>;  // batch, height, width

  /// What one lane computes with.
  struct Workspace {
    dnnl::stream stream;
    std::map<Shape, Plan> plans{};
    memory arena{};
    std::size_t arena_size = 0;
  };
  class Lease;

  Plan& plan_of(Workspace& space, const Shape& shape);
  Plan& filled(Workspace& space, std::span<const preprocess::Input> inputs);

  dnnl::engine engine_;
  int threads_;
  std::size_t max_batch_;
  std::mutex making_;
  Make make_;
  std::vector<std::unique_ptr<Workspace>> spaces_;
  Guarded<std::deque<Workspace*>> free_;
  std::condition_variable_any freed_;
};

/// The edge where oneDNN's exceptions become errors: kUnsupported where it has no such primitive, else kInternal.
template <typename Function>
auto without_exceptions(Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const dnnl::error& error) {
    const bool missing = error.status == dnnl_unimplemented;
    return fail(missing ? ErrorCode::kUnsupported : ErrorCode::kInternal,
                std::string("oneDNN refused: ") + error.what());
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, std::string("the forward pass failed: ") + error.what());
  }
}

}  // namespace imageclassifier::model::onednn
