#include "operator/api/image_classifier.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/api/object_text.hpp"
#include "operator/api/quantity.hpp"

namespace imageclassifier::api {
namespace {

ServingSpec parse_serving(const nlohmann::json& source) {
  ServingSpec serving;
  serving.top_k = integer_of(source, "topK", serving.top_k);
  if (const auto bytes = parse_quantity(scalar_text(member(source, "maxUploadBytes"))); bytes && *bytes >= 1.0) {
    serving.max_upload_bytes = static_cast<std::int64_t>(std::min(std::ceil(*bytes), 9.0e15));
  }
  serving.max_image_pixels = integer_of(source, "maxImagePixels", serving.max_image_pixels);
  serving.request_timeout_seconds = integer_of(source, "requestTimeoutSeconds", serving.request_timeout_seconds);
  serving.queue_depth = integer_of(source, "queueDepth", serving.queue_depth);
  serving.upload_page = boolean_of(source, "uploadPage", serving.upload_page);
  return serving;
}

std::string text_or(const nlohmann::json& source, std::string_view key, std::string otherwise) {
  std::string text = text_of(source, key);
  return text.empty() ? otherwise : text;
}

RegistryAuth parse_auth(const nlohmann::json& source) {
  if (const nlohmann::json& existing = member(source, "existingSecret"); existing.is_object()) {
    return ExistingSecret{text_of(existing, "name")};
  }
  if (const nlohmann::json& basic = member(source, "basic"); basic.is_object()) {
    return BasicCredential{text_of(basic, "secretName"), text_or(basic, "usernameKey", "username"),
                           text_or(basic, "passwordKey", "password")};
  }
  return NodeIdentity{};
}

ServiceSpec parse_service(const nlohmann::json& source) {
  ServiceSpec service;
  service.type = text_or(source, "type", service.type);
  service.port = integer_of(source, "port", service.port);
  service.scope = text_or(source, "scope", service.scope);
  service.source_ranges = text_list_of(source, "sourceRanges");
  service.load_balancer_class = text_of(source, "loadBalancerClass");
  service.annotations = text_map_of(source, "annotations");
  service.external_traffic_policy = text_or(source, "externalTrafficPolicy", service.external_traffic_policy);
  return service;
}

std::map<std::string, std::string> parse_quantities(const nlohmann::json& source) {
  std::map<std::string, std::string> result;
  if (!source.is_object()) return result;
  for (const auto& [name, value] : source.items()) result.emplace(name, scalar_text(value));
  return result;
}

PodSpec parse_pod(const nlohmann::json& source) {
  PodSpec pod;
  pod.node_selector = text_map_of(source, "nodeSelector");
  for (const auto& entry : member(source, "tolerations")) {
    pod.tolerations.push_back({text_of(entry, "key"), text_of(entry, "operator"), text_of(entry, "value"),
                               text_of(entry, "effect"), optional_integer_of(entry, "tolerationSeconds")});
  }
  pod.priority_class_name = text_of(source, "priorityClassName");
  pod.termination_grace_period_seconds =
      integer_of(source, "terminationGracePeriodSeconds", pod.termination_grace_period_seconds);
  return pod;
}

Failure parse_failure(const nlohmann::json& source) {
  return {text_of(source, "reason"),
          text_of(source, "message"),
          text_of(source, "remedy"),
          text_of(source, "object"),
          text_of(source, "podName"),
          text_of(source, "containerName"),
          optional_integer_of(source, "exitCode"),
          text_of(source, "time")};
}

void put_text(nlohmann::json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

nlohmann::json to_json(const Failure& failure) {
  nlohmann::json object = {{"reason", failure.reason}, {"message", failure.message}, {"remedy", failure.remedy}};
  put_text(object, "object", failure.object);
  put_text(object, "podName", failure.pod_name);
  put_text(object, "containerName", failure.container_name);
  put_text(object, "time", failure.time);
  if (failure.exit_code) object["exitCode"] = *failure.exit_code;
  return object;
}

Result<ImageClassifier> parse_parts(const ObjectText& text) {
  const nlohmann::json spec = parse_or_null(text.spec);
  ImageClassifier result;
  result.metadata = decode_object_meta(text.metadata);
  if (result.metadata.name.empty()) return fail(ErrorCode::kInvalidArgument, "The object has no metadata.name.");
  result.spec.image = text_of(spec, "image");
  if (result.spec.image.empty()) {
    return fail(ErrorCode::kInvalidArgument, "ImageClassifier " + result.metadata.name + " has no spec.image.");
  }
  result.spec.replicas = integer_of(spec, "replicas", 1);
  result.spec.model_path = text_of(member_at(spec, {"model", "source", "image"}), "path");
  result.spec.model_sha256 = text_of(member(spec, "model"), "sha256");
  result.spec.serving = parse_serving(member(spec, "serving"));
  result.spec.auth = parse_auth(member_at(spec, {"registry", "auth"}));
  result.spec.service = parse_service(member(spec, "service"));
  if (const nlohmann::json& resources = member(spec, "resources"); resources.is_object()) {
    result.spec.resources = {parse_quantities(member(resources, "requests")),
                             parse_quantities(member(resources, "limits"))};
  }
  result.spec.pod = parse_pod(member(spec, "pod"));
  result.status = parse_status(parse_or_null(text.status));
  return result;
}

}  // namespace

Result<ImageClassifier> decode_image_classifier(std::string_view json) {
  const auto text = split_object(json, kKind);
  if (!text) return fail(text.error());
  return parse_parts(*text);
}

Result<PackedClassifier> decode_packed_classifier(std::string_view json) {
  const auto text = split_object(json, kKind);
  if (!text) return fail(text.error());
  Result<ImageClassifier> whole = parse_parts(*text);
  if (!whole) return fail(whole.error());
  std::string content = R"({"metadata":{"name":)" + nlohmann::json(whole->metadata.name).dump() + "}";
  if (!text->spec.empty()) content.append(R"(,"spec":)").append(text->spec);
  if (!text->status.empty()) content.append(R"(,"status":)").append(text->status);
  content += '}';
  return PackedClassifier{std::move(whole->metadata), PackedText(content)};
}

Result<ImageClassifier> unpack(const PackedClassifier& packed) {
  Result<ImageClassifier> whole = decode_image_classifier(packed.content.text());
  if (whole) whole->metadata = packed.metadata;
  return whole;
}

Status parse_status(const nlohmann::json& source) {
  Status status;
  status.observed_generation = integer_of(source, "observedGeneration", -1);
  status.replicas = integer_of(source, "replicas");
  status.ready_replicas = integer_of(source, "readyReplicas");
  status.selector = text_of(source, "selector");
  if (const nlohmann::json& endpoint = member(source, "endpoint"); endpoint.is_object()) {
    status.endpoint = Endpoint{text_of(endpoint, "url"), text_of(endpoint, "address"), text_of(endpoint, "scope")};
  }
  if (const nlohmann::json& model = member(source, "model"); model.is_object()) {
    status.model =
        ModelStatus{text_of(model, "architecture"), text_of(model, "weightsSHA256"), text_of(model, "precision")};
  }
  status.pull_secret_name = text_of(member(source, "pullSecret"), "name");
  if (const nlohmann::json& failure = member(source, "lastFailure"); failure.is_object()) {
    status.last_failure = parse_failure(failure);
  }
  status.conditions = parse_conditions(member(source, "conditions"));
  return status;
}

nlohmann::json to_json(const Status& status) {
  nlohmann::json object = {{"observedGeneration", status.observed_generation},
                           {"replicas", status.replicas},
                           {"readyReplicas", status.ready_replicas}};
  put_text(object, "selector", status.selector);
  if (status.endpoint) {
    nlohmann::json& endpoint = object["endpoint"] = nlohmann::json::object();
    put_text(endpoint, "url", status.endpoint->url);
    put_text(endpoint, "address", status.endpoint->address);
    put_text(endpoint, "scope", status.endpoint->scope);
  }
  if (status.model) {
    nlohmann::json& model = object["model"] = nlohmann::json::object();
    put_text(model, "architecture", status.model->architecture);
    put_text(model, "weightsSHA256", status.model->weights_sha256);
    put_text(model, "precision", status.model->precision);
  }
  if (!status.pull_secret_name.empty()) object["pullSecret"] = {{"name", status.pull_secret_name}};
  if (status.last_failure) object["lastFailure"] = to_json(*status.last_failure);
  object["conditions"] = nlohmann::json::array();
  for (const Condition& condition : status.conditions) object["conditions"].push_back(to_json(condition));
  return object;
}

}  // namespace imageclassifier::api
