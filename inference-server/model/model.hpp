#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/start_stages.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::model {

/// One row per input, one value per class, before softmax.
struct Logits {
  std::vector<std::vector<float>> rows;
};

/// What a model says of itself: /readyz, every answer and the page show it.
struct ModelInfo {
  std::string name;              ///< for people and for URLs; the architecture unless configured
  std::string version;           ///< "1" unless the manifest says otherwise
  std::string architecture;      ///< "resnet101"
  std::string precision;         ///< that computes: "float32", "bfloat16" or "int8"
  std::string engine;            ///< "onednn" or "libtorch"
  std::string weights_sha256;    ///< 64 hex digits of the weights file
  bool demo = false;             ///< a demo model: the page says so plainly
  std::string precision_note{};  ///< why the precision is not the one asked for, or not the file's; empty: it is
  /// What a layer takes in float32 and in the precision that `auto` weighed against it, by name; empty: none was.
  std::map<std::string, double> layer_seconds{};
};

/// Logits of the pictures that reference_inputs makes from the seed: what an engine must give to prove itself.
struct ReferenceLogits {
  std::uint64_t seed = 0;
  std::vector<std::vector<float>> rows;  ///< one per picture
};

/// What `calibrate` found out about an int8 model. Shares are from 0 to 1, errors as in relative_difference.
struct Calibration {
  /// The largest magnitude that the 8-bit numbers of an activation stand for, by the name of the convolution whose
  /// result it is; "input" is the picture and "fc" what the head is given.
  std::map<std::string, float> ranges;
  std::vector<std::vector<float>> logits;  ///< in int8, of the pictures of the manifest's reference logits
  int pictures = 0;                        ///< measured
  int held_out = 0;                        ///< compared with float32 afterwards, never measured
  double top1_agreement = 0;               ///< share of those with the same first class
  double top5_agreement = 0;               ///< share of those whose first class in float32 is among the first five
  double mean_logit_error = 0;
  double worst_logit_error = 0;
};

/// What the weights file's manifest (safetensors `__metadata__`) and tensors fix.
struct Manifest {
  std::string architecture = "resnet101";
  std::string weights;  ///< free text, for example "IMAGENET1K_V2" or "demo"
  preprocess::TransformSpec transform;
  std::vector<std::string> labels;   ///< one per class, the index is the key
  double temperature = 1.0;          ///< softmax(logits / temperature)
  std::vector<std::string> wnids{};  ///< WordNet ids, one per label; empty: not known
  std::optional<ReferenceLogits> reference{};
  std::string precision = "float32";         ///< of the weights in the file: "float32" or "int8"
  std::optional<Calibration> calibration{};  ///< of int8 weights
  bool calibration_damaged = false;          ///< there was one
};

/// A loaded network. `forward` may be called by as many threads at a time as LoadOptions::lanes says.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  virtual const Manifest& manifest() const = 0;
  /// Inputs of shape 3 x crop x crop as the manifest's transform makes them; any batch size from 1.
  virtual Result<Logits> forward(std::span<const preprocess::Input> inputs) = 0;
};

struct LoadOptions {
  std::string path;             ///< a .safetensors file, or a .pth file of a state_dict
  std::string expected_sha256;  ///< 64 lower-case hex digits; empty: not checked, only reported
  std::string name;             ///< overrides ModelInfo::name when not empty
  std::vector<std::string>
      labels;  ///< overrides the manifest's labels when not empty; the count must match the classes
  std::vector<std::string> wnids{};                    ///< of those labels; empty: not known
  std::optional<preprocess::TransformSpec> transform;  ///< overrides the manifest's
  std::string engine = "auto";                         ///< "auto", "onednn" or "libtorch"; see choose_engine
  std::string precision = "auto";                      ///< "auto", "float32", "bfloat16" or "int8"; see choose_engine
  int threads = 0;                 ///< of each lane, for the forward pass; 0: the cores this process may use
  int lanes = 1;                   ///< threads that may call the forward pass at a time; they share the weights
  bool allow_torchscript = false;  ///< run the code of a file of torch.jit.save
  StartStages* stages = nullptr;   ///< told of map_file, verify_digest and choose_engine's
};

/// Maps and validates the file (safetensors or PyTorch's, see read_weights_file), checks every tensor's name, type and
/// shape and builds the engine (choose_engine). A TorchScript program, whose code is run, must be allowed; it has as
/// many classes as it gives numbers, and its architecture is called "torchscript". kInvalidArgument: not a usable model
/// file; kDataLoss: the digest differs (ModelDigestMismatch); kNotFound: no such file.
Result<std::unique_ptr<Model>> load_model(const LoadOptions& options);

}  // namespace imageclassifier::model
