#include "operator/api/image_classifier.hpp"

#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/api/object_text.hpp"

namespace imageclassifier::api {
namespace {

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
  ImageClassifier result;
  result.metadata = decode_object_meta(text.metadata);
  if (result.metadata.name.empty()) return fail(ErrorCode::kInvalidArgument, "The object has no metadata.name.");
  Result<Spec> spec = parse_specification(parse_or_null(text.spec));
  if (!spec) return fail(spec.error().code, "ImageClassifier " + result.metadata.name + ": " + spec.error().message);
  result.spec = std::move(*spec);
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
    status.endpoint = Endpoint{text_of(endpoint, "url"), text_of(endpoint, "address"), text_of(endpoint, "scope"),
                               text_of(endpoint, "probedFrom"), text_of(endpoint, "lastTransitionTime")};
  }
  if (const nlohmann::json& image = member(source, "image"); image.is_object()) {
    status.image = ImageStatus{text_of(image, "requested"), text_of(image, "resolved"), text_of(image, "digest"),
                               text_list_of(image, "platforms"), text_of(image, "tagDigest")};
  }
  if (const nlohmann::json& model = member(source, "model"); model.is_object()) {
    status.model =
        ModelStatus{text_of(model, "architecture"), text_of(model, "weightsSHA256"), text_of(model, "precision")};
  }
  const nlohmann::json& pull_secret = member(source, "pullSecret");
  status.pull_secret = {text_of(pull_secret, "name"), text_of(pull_secret, "expiresAt"),
                        text_of(pull_secret, "rotateAt")};
  status.access_secret_name = text_of(member(source, "accessSecret"), "name");
  status.current_revision = text_of(source, "currentRevision");
  status.update_revision = text_of(source, "updateRevision");
  status.last_good_revision = text_of(source, "lastGoodRevision");
  status.next_scheduled_change = text_of(source, "nextScheduledChange");
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
    put_text(endpoint, "probedFrom", status.endpoint->probed_from);
    put_text(endpoint, "lastTransitionTime", status.endpoint->last_transition_time);
  }
  if (status.image) {
    nlohmann::json& image = object["image"] = nlohmann::json::object();
    put_text(image, "requested", status.image->requested);
    put_text(image, "resolved", status.image->resolved);
    put_text(image, "digest", status.image->digest);
    if (!status.image->platforms.empty()) image["platforms"] = status.image->platforms;
    put_text(image, "tagDigest", status.image->tag_digest);
  }
  if (status.model) {
    nlohmann::json& model = object["model"] = nlohmann::json::object();
    put_text(model, "architecture", status.model->architecture);
    put_text(model, "weightsSHA256", status.model->weights_sha256);
    put_text(model, "precision", status.model->precision);
  }
  if (const PullSecretStatus& secret = status.pull_secret; !secret.name.empty()) {
    nlohmann::json& pull_secret = object["pullSecret"] = {{"name", secret.name}};
    put_text(pull_secret, "expiresAt", secret.expires_at);
    put_text(pull_secret, "rotateAt", secret.rotate_at);
  }
  if (!status.access_secret_name.empty()) object["accessSecret"] = {{"name", status.access_secret_name}};
  put_text(object, "currentRevision", status.current_revision);
  put_text(object, "updateRevision", status.update_revision);
  put_text(object, "lastGoodRevision", status.last_good_revision);
  put_text(object, "nextScheduledChange", status.next_scheduled_change);
  if (status.last_failure) object["lastFailure"] = to_json(*status.last_failure);
  object["conditions"] = nlohmann::json::array();
  for (const Condition& condition : status.conditions) object["conditions"].push_back(to_json(condition));
  return object;
}

}  // namespace imageclassifier::api
