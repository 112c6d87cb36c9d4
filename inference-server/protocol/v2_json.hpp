#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

/// The `data` of one input, nested or flat, in the order of the text.
struct V2Data {
  std::vector<float> numbers;
  std::vector<std::string> strings;
};

constexpr std::size_t kMaxV2Strings = 1'000;  ///< in all data
constexpr std::size_t kMaxV2Nodes = 4'096;    ///< JSON values beside the data

/// Reads the JSON of an inference request. The `data` of each element of `inputs` goes to `data`, whose index stands in
/// its place: numbers by the hundred thousand never become JSON values, and the memory is bounded by the text. Numbers
/// beyond float become infinite. kBadRequest: not JSON, too much of it, or data that is neither numbers nor strings.
std::optional<Problem> read_v2_json(std::string_view text, nlohmann::json& root, std::vector<V2Data>& data);

}  // namespace imageclassifier::protocol
