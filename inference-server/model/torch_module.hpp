#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "inference-server/model/architecture.hpp"
#include "inference-server/model/engine.hpp"

namespace imageclassifier::model {

/// What the shared module with LibTorch can do. Nothing else of this program is linked to LibTorch, whose libraries
/// take longer to load than most models.
struct TorchModule {
  /// A ResNet in LibTorch, batch norms folded: the reference for other engines. `threads` serve every network of the
  /// process (LibTorch has one pool); 0: usable_cores().
  Result<std::unique_ptr<Engine>> (*build)(const Architecture& architecture, int classes, const TensorBytes& tensors,
                                           int threads);

  /// Runs the inputs as one batch through the unfolded network, taking each batch norm's mean and variance from the
  /// batch itself before the next layer is computed. Returns the `running_mean` and `running_var` tensors by name; the
  /// ones given are not looked at. `on_layer`, which may be empty, is called after each batch norm with its name.
  Result<std::map<std::string, std::vector<float>>> (*measure_batch_norms)(
      const Architecture& architecture, int classes, const TensorBytes& tensors,
      std::span<const preprocess::Input> inputs, const std::function<void(const std::string&)>& on_layer);

  /// A TorchScript program (torch.jit.save) as an engine without features: from batch x 3 x height x width, float32,
  /// to batch x classes. LibTorch runs whatever it says: for files that are trusted as much as this program.
  /// kInvalidArgument: it is damaged.
  Result<std::unique_ptr<Engine>> (*load_script)(std::span<const std::byte> file, int threads);
};

/// Loads the module from ../lib beside the program's folder, once; it stays loaded. kUnsupported: it is not there or
/// does not load, with the loader's reason. Thread safe.
Result<const TorchModule*> torch_module();

}  // namespace imageclassifier::model
