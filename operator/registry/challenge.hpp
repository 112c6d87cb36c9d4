#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).
struct Challenge {
  std::string scheme;                             ///< lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  ///< names in lower case, values without quotes and escapes
  std::string token68;                            ///< in place of parameters; mostly empty

  /// Value of a parameter; empty if it is missing.
  std::string_view get(const std::string& name) const;
};

/// All challenges of the header, in their order: several may stand in one, and commas both separate and belong to
/// values (scope="repository:a:pull,push"). Empty list elements are passed over. kInvalidArgument: the header does not
/// follow the grammar, or names a parameter twice; at most 8 KiB are read. Pure.
Result<std::vector<Challenge>> parse_challenges(std::string_view header);

}  // namespace imageclassifier::registry
