#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::resources {
namespace {

bool has_cpu(const std::map<std::string, std::string>& quantities) {
  return quantities.contains("cpu");
}

}  // namespace

std::vector<EnvironmentVariable> server_environment(const api::Spec& spec) {
  const api::ServingSpec& serving = spec.serving;
  std::vector<EnvironmentVariable> variables = {
      {"INFERENCE_TOP_K", std::to_string(serving.top_k), {}},
      {"INFERENCE_MAX_UPLOAD_BYTES", std::to_string(serving.max_upload_bytes), {}},
      {"INFERENCE_MAX_IMAGE_PIXELS", std::to_string(serving.max_image_pixels), {}},
      {"INFERENCE_REQUEST_TIMEOUT", std::to_string(serving.request_timeout_seconds), {}},
      {"INFERENCE_QUEUE_DEPTH", std::to_string(serving.queue_depth), {}},
      {"INFERENCE_UPLOAD_PAGE", serving.upload_page ? "true" : "false", {}},
  };
  const api::ModelSpec& model = spec.model;
  if (const auto* file = std::get_if<api::ImageFile>(&model.source)) {
    variables.push_back({"INFERENCE_MODEL", file->path, {}});
  }
  if (!model.sha256.empty()) variables.push_back({"INFERENCE_MODEL_SHA256", model.sha256, {}});
  if (!model.architecture.empty()) variables.push_back({"INFERENCE_ARCHITECTURE", model.architecture, {}});
  if (model.precision != "auto") variables.push_back({"INFERENCE_PRECISION", model.precision, {}});
  if (model.preprocessing != "auto") variables.push_back({"INFERENCE_PREPROCESSING", model.preprocessing, {}});
  for (EnvironmentVariable& variable : mount_environment(spec)) variables.push_back(std::move(variable));
  // The downward API rounds up to whole cores. Without either the server would see the node's cores, so it is told
  // nothing and decides from its cgroup.
  if (has_cpu(spec.resources.limits)) {
    variables.push_back({"INFERENCE_THREADS", {}, "limits.cpu"});
  } else if (has_cpu(spec.resources.requests)) {
    variables.push_back({"INFERENCE_THREADS", {}, "requests.cpu"});
  }
  // Threads that spin while they wait would take the cores of the neighbours when no limit holds them back.
  if (!has_cpu(spec.resources.limits)) variables.push_back({"OMP_WAIT_POLICY", "PASSIVE", {}});
  return variables;
}

}  // namespace imageclassifier::resources
