#pragma once

#include <memory>
#include <optional>
#include <string>

#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::model {

struct EngineRequest {
  const Architecture& architecture;
  int classes;
  const TensorBytes& tensors;
  const Manifest& manifest;  ///< as in the file: its transform makes the reference inputs
  int side;                  ///< of the inputs to come, pixels
  std::string engine;        ///< "auto", "onednn" or "libtorch"
  int threads;
};

/// Builds the engine that is asked for, or the fastest that proves itself: its logits of reference pictures must be
/// those in the manifest or, when it has none, those of LibTorch (which is then loaded for that alone; without it
/// oneDNN is served unproven). Whatever is passed over is logged with the reason. kInvalidArgument: no engine gives
/// the manifest's reference logits, so they are not those of these weights.
Result<std::unique_ptr<Engine>> choose_engine(const EngineRequest& request);

}  // namespace imageclassifier::model
