#include "inference-server/model/manifest.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/sha256.hpp"
#include "inference-server/model/checksums.hpp"
#include "inference-server/model/labels.hpp"

namespace imageclassifier::model {
namespace {

using Json = nlohmann::json;
constexpr int kMaxSide = 4096;
constexpr char kCalibration[] = "calibration";

tl::unexpected<Error> refuse(const std::string& member, const std::string& rule) {
  return fail(ErrorCode::kInvalidArgument, "the model's manifest has a \"" + member + "\" that is not " + rule);
}

std::optional<std::string> find(const Metadata& metadata, const std::string& member) {
  const auto found = metadata.find(member);
  return found == metadata.end() ? std::nullopt : std::optional(found->second);
}

Result<void> read_side(const Metadata& metadata, const std::string& member, int& side) {
  const auto text = find(metadata, member);
  if (!text) return {};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), side);
  if (error != std::errc() || end != text->data() + text->size() || side < 1 || side > kMaxSide) {
    return refuse(member, "a whole number of pixels from 1 to " + std::to_string(kMaxSide));
  }
  return {};
}

Result<void> read_channels(const Metadata& metadata, const std::string& member, bool positive,
                           std::array<float, 3>& channels) {
  const auto text = find(metadata, member);
  if (!text) return {};
  const Json list = Json::parse(*text, nullptr, false);
  if (!list.is_array() || list.size() != 3) return refuse(member, "a list of three numbers");
  for (std::size_t i = 0; i < 3; ++i) {
    if (!list[i].is_number()) return refuse(member, "a list of three numbers");
    channels[i] = list[i].get<float>();
    if (!std::isfinite(channels[i]) || (positive && channels[i] <= 0)) return refuse(member, "in range");
  }
  return {};
}

Result<void> read_temperature(const Metadata& metadata, double& temperature) {
  const auto text = find(metadata, "temperature");
  if (!text) return {};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), temperature);
  if (error != std::errc() || end != text->data() + text->size() || !std::isfinite(temperature) || temperature <= 0) {
    return refuse("temperature", "a number above 0");
  }
  return {};
}

std::string labels_digest(const std::vector<std::string>& labels) {
  std::string joined;
  for (const std::string& label : labels) joined += label + "\n";
  return sha256_hex(joined);
}

Result<void> read_list(const Metadata& metadata, const std::string& member, std::vector<std::string>& values) {
  const auto text = find(metadata, member);
  if (!text) return {};
  const Json list = Json::parse(*text, nullptr, false);
  if (!list.is_array()) return refuse(member, "a list of strings");
  for (const Json& value : list) {
    if (!value.is_string()) return refuse(member, "a list of strings");
    values.push_back(value.get<std::string>());
  }
  return {};
}

Result<void> read_labels(const Metadata& metadata, Manifest& manifest) {
  for (const Result<void>& step :
       {read_list(metadata, "labels", manifest.labels), read_list(metadata, "wnids", manifest.wnids)}) {
    if (!step) return step;
  }
  const auto digest = find(metadata, "labels_sha256");
  if (digest && *digest != labels_digest(manifest.labels)) return refuse("labels_sha256", "the digest of its labels");
  return check_labels({manifest.labels, manifest.wnids});
}

/// False: not 1 to 8 lists of numbers of one length.
bool read_rows(const Json& json, std::vector<std::vector<float>>& rows) {
  if (!json.is_array() || json.empty() || json.size() > 8) return false;
  for (const Json& row : json) {
    if (!row.is_array() || row.empty() || row.size() != json.front().size()) return false;
    for (const Json& value : row) {
      if (!value.is_number()) return false;
    }
    rows.push_back(row.get<std::vector<float>>());
  }
  return true;
}

Result<void> read_reference(const Metadata& metadata, std::optional<ReferenceLogits>& reference) {
  const auto text = find(metadata, "reference_logits");
  if (!text) return {};
  const auto wrong = [] {
    return refuse("reference_logits", "{\"seed\": a whole number, \"rows\": 1 to 8 lists of numbers of one length}");
  };
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.contains("seed") || !json["seed"].is_number_unsigned() || !json.contains("rows")) {
    return wrong();
  }
  ReferenceLogits read{json["seed"].get<std::uint64_t>(), {}};
  if (!read_rows(json["rows"], read.rows)) return wrong();
  reference = std::move(read);
  return {};
}

Result<void> read_precision(const Metadata& metadata, std::string& precision) {
  precision = find(metadata, "precision").value_or("float32");
  if (precision != "float32" && precision != "int8") return refuse("precision", "float32 or int8");
  return {};
}

/// Whether the numbers are any good is for the engine's proof to say; here only whether they are numbers.
Result<void> read_calibration(const Metadata& metadata, std::optional<Calibration>& calibration, bool& damaged) {
  const auto text = find(metadata, kCalibration);
  const auto intact = is_intact(metadata, kCalibration);
  if (!intact) return tl::unexpected(intact.error());
  damaged = !*intact;
  if (!text || damaged) return {};
  const auto wrong = [] {
    return refuse("calibration", "an object of numbers with \"ranges\", an object of numbers, and \"logits\"");
  };
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.contains("ranges") || !json["ranges"].is_object() || !json.contains("logits")) {
    return wrong();
  }
  Calibration read;
  for (const auto& [name, value] : json.items()) {
    if (name != "ranges" && name != "logits" && !value.is_number()) return wrong();
  }
  for (const auto& [unit, range] : json["ranges"].items()) {
    if (!range.is_number()) return wrong();
    read.ranges.emplace(unit, range.get<float>());
  }
  if (!read_rows(json["logits"], read.logits)) return wrong();
  read.pictures = json.value("pictures", 0);
  read.held_out = json.value("held_out", 0);
  read.top1_agreement = json.value("top1_agreement", 0.0);
  read.top5_agreement = json.value("top5_agreement", 0.0);
  read.mean_logit_error = json.value("mean_logit_error", 0.0);
  read.worst_logit_error = json.value("worst_logit_error", 0.0);
  calibration = std::move(read);
  return {};
}

std::string to_text(const Calibration& calibration) {
  return Json({{"ranges", calibration.ranges},
               {"logits", calibration.logits},
               {"pictures", calibration.pictures},
               {"held_out", calibration.held_out},
               {"top1_agreement", calibration.top1_agreement},
               {"top5_agreement", calibration.top5_agreement},
               {"mean_logit_error", calibration.mean_logit_error},
               {"worst_logit_error", calibration.worst_logit_error}})
      .dump();
}

}  // namespace

Result<Manifest> parse_manifest(const Metadata& metadata) {
  Manifest manifest;
  manifest.architecture = find(metadata, "architecture").value_or(manifest.architecture);
  manifest.weights = find(metadata, "weights").value_or("");
  preprocess::TransformSpec& transform = manifest.transform;
  for (const Result<void>& step :
       {check_members(metadata, kCalibration), read_side(metadata, "resize", transform.resize),
        read_side(metadata, "crop", transform.crop), read_channels(metadata, "mean", false, transform.mean),
        read_channels(metadata, "std", true, transform.std), read_temperature(metadata, manifest.temperature),
        read_labels(metadata, manifest), read_reference(metadata, manifest.reference),
        read_precision(metadata, manifest.precision),
        read_calibration(metadata, manifest.calibration, manifest.calibration_damaged)}) {
    if (!step) return tl::unexpected(step.error());
  }
  return manifest;
}

Metadata to_metadata(const Manifest& manifest) {
  const preprocess::TransformSpec& transform = manifest.transform;
  Metadata metadata{{"architecture", manifest.architecture},
                    {"weights", manifest.weights},
                    {"resize", std::to_string(transform.resize)},
                    {"crop", std::to_string(transform.crop)},
                    {"mean", Json(transform.mean).dump()},
                    {"std", Json(transform.std).dump()},
                    {"labels", Json(manifest.labels).dump()},
                    {"labels_sha256", labels_digest(manifest.labels)},
                    {"temperature", Json(manifest.temperature).dump()},
                    {"precision", manifest.precision}};
  if (!manifest.wnids.empty()) metadata.emplace("wnids", Json(manifest.wnids).dump());
  if (manifest.reference) {
    metadata["reference_logits"] =
        Json({{"seed", manifest.reference->seed}, {"rows", manifest.reference->rows}}).dump();
  }
  if (manifest.calibration) metadata["calibration"] = to_text(*manifest.calibration);
  return metadata;
}

}  // namespace imageclassifier::model
