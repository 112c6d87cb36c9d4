#pragma once

#include <optional>
#include <string_view>

namespace imageclassifier::api {

/// The value of a Kubernetes quantity ("250m", "2Gi", "1e3"), or nothing if it is malformed. Exact up to 2^53, which is
/// enough for comparing and for bytes of memory.
std::optional<double> parse_quantity(std::string_view text);

}  // namespace imageclassifier::api
