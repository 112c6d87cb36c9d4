#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/start_stages.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/model/onednn_layer_speed.hpp"
#include "inference-server/model/quantising.hpp"

namespace imageclassifier::model {

struct EngineRequest {
  const Architecture& architecture;
  int classes;
  const TensorBytes& tensors;         ///< of float32 weights
  const QuantisedWeights* quantised;  ///< null: the weights are float32
  const Manifest& manifest;           ///< as in the file: its transform makes the reference inputs
  int side;                           ///< of the inputs to come, pixels
  std::string engine;                 ///< "auto", "onednn" or "libtorch"
  std::string precision;              ///< "auto", "float32", "bfloat16" or "int8"
  int threads;                        ///< of each lane
  int lanes = 1;                      ///< callers of the engine at a time
  StartStages* stages = nullptr;  ///< told of measure_PRECISION, build_PRECISION, build_libtorch and prove_PRECISION
  /// How fast "int8" or "bfloat16" is beside float32; see measure_layer.
  std::function<Result<LayerSpeed>(const std::string& precision)> measure = measure_layer;
};

struct EngineChoice {
  std::unique_ptr<Engine> engine;
  std::string note;  ///< why the precision is not the one that was asked for or would be faster; empty: it is
  std::map<std::string, double> layer_seconds{};  ///< as in ModelInfo
};

/// Builds the engine and precision that are asked for, or the fastest that prove themselves: int8 where the weights
/// are, else bfloat16 where the processor has instructions for it, else float32; by oneDNN, else by LibTorch. One that
/// nobody asked for must also compute a layer faster than float32 here. The
/// logits of reference pictures must be those in the manifest or, when it has none, those of LibTorch (which is then
/// loaded for that alone; without it oneDNN is served unproven in float32). Whatever is passed over is logged with the
/// reason; a precision that cannot be had leads to float32, of int8 weights as well. kInvalidArgument: no engine gives
/// the manifest's reference logits, so they are not those of these weights.
Result<EngineChoice> choose_engine(const EngineRequest& request);

}  // namespace imageclassifier::model
