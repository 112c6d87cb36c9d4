#pragma once

#include <map>
#include <string>

#include "common/result.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::model {

/// The manifest as safetensors metadata, all strings, lists as JSON: architecture, weights, resize, crop, mean, std,
/// labels, labels_sha256 (of the labels joined by newlines), wnids, temperature, precision, reference_logits ({"seed",
/// "rows"}), calibration ({"ranges", ...}, as in Calibration). Each is optional; Manifest's defaults stand in.
/// kInvalidArgument names the member that is malformed, out of range or, by the checksums (checksums.hpp), damaged; a
/// damaged calibration is left out, for the weights can be computed without.
Result<Manifest> parse_manifest(const std::map<std::string, std::string>& metadata);

std::map<std::string, std::string> to_metadata(const Manifest& manifest);

}  // namespace imageclassifier::model
