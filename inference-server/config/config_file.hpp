#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::config {

/// One option that a configuration file sets.
struct Setting {
  std::string key;    ///< the option's name without dashes in front
  std::string value;  ///< as text; of a list its elements, separated by commas
  bool list = false;
  int line = 0;  ///< of the key, counted from 1
};

/// Reads a configuration file: one YAML mapping from options' names to scalars, or to lists of scalars. An empty file
/// sets nothing. kInvalidArgument, with the line: not YAML, not such a mapping, a key without a value or given twice.
/// What a key means is the caller's business.
Result<std::vector<Setting>> parse_config(const std::string& text);

/// One option as it holds.
struct Effective {
  std::string key;
  std::string value;   ///< empty: not set
  std::string source;  ///< for people: "default", "environment INFERENCE_TOP_K"
};

/// A configuration file that sets these, each with its source as a comment; what is not set is a comment as a whole.
std::string config_text(const std::vector<Effective>& options);

}  // namespace imageclassifier::config
