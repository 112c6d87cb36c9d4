#include "inference-server/model/engine_choice.hpp"

#include <cstdio>

#include "common/log.hpp"
#include "inference-server/model/onednn_network.hpp"
#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/torch_module.hpp"

namespace imageclassifier::model {
namespace {

/// Two right implementations in float32 differ by about 1e-6 of the largest logit; a wrong one by more than this.
constexpr double kTolerance = 1e-3;

Result<std::unique_ptr<Engine>> build_torch(const EngineRequest& request) {
  const auto torch = torch_module();
  if (!torch) return tl::unexpected(torch.error());
  return (*torch)->build(request.architecture, request.classes, request.tensors, request.threads);
}

Result<std::unique_ptr<Engine>> build_onednn(const EngineRequest& request) {
  return OnednnNetwork::build(request.architecture, request.classes, request.tensors,
                              {.side = request.side, .threads = request.threads});
}

/// What the engine must give; nothing when there is nobody to ask.
Result<std::optional<ReferenceLogits>> reference_for(const EngineRequest& request) {
  if (request.manifest.reference) return request.manifest.reference;
  if (!torch_module()) return std::nullopt;
  auto reference =
      make_reference_logits(request.architecture, request.classes, request.tensors, request.manifest.transform);
  if (!reference) return tl::unexpected(reference.error());
  return std::optional(std::move(*reference));
}

Result<void> prove(Engine& engine, const Manifest& manifest, const ReferenceLogits& reference) {
  const auto rows = engine.logits(reference_inputs(manifest.transform, reference.seed, reference.rows.size()));
  if (!rows) return tl::unexpected(rows.error());
  const double difference = relative_difference(*rows, reference.rows);
  if (difference <= kTolerance) return {};
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", difference);
  return fail(ErrorCode::kInvalidArgument,
              "its logits of the reference pictures differ by " + std::string(text) + " of the largest");
}

Result<std::unique_ptr<Engine>> proven(Result<std::unique_ptr<Engine>> engine, const Manifest& manifest,
                                       const std::optional<ReferenceLogits>& reference) {
  if (!engine || !reference) return engine;
  if (auto proof = prove(**engine, manifest, *reference); !proof) {
    return fail(Error(proof.error().code, "the engine " + (*engine)->name() + " does not prove itself", proof.error()));
  }
  return engine;
}

}  // namespace

Result<std::unique_ptr<Engine>> choose_engine(const EngineRequest& request) {
  if (request.engine == "libtorch") return proven(build_torch(request), request.manifest, request.manifest.reference);
  const auto reference = reference_for(request);
  if (!reference) return tl::unexpected(reference.error());
  if (!*reference)
    log::warning("the engine is not proven: the model has no reference logits and LibTorch is not there");
  auto engine = proven(build_onednn(request), request.manifest, *reference);
  if (engine || request.engine == "onednn") return engine;
  log::warning("the engine onednn is not used", {{"reason", engine.error().describe()}});
  auto fallback = proven(build_torch(request), request.manifest, request.manifest.reference);
  if (!fallback && fallback.error().code == ErrorCode::kUnsupported) return engine;
  return fallback;
}

}  // namespace imageclassifier::model
