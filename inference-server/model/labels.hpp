#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

/// What the classes are called; the index is the key, for names repeat ("crane" is a bird and a machine).
struct Labels {
  std::vector<std::string> names;
  std::vector<std::string> wnids{};  ///< WordNet ids ("n01440764"), one per name; empty: not known
};

/// Reads a labels file of any of these forms, by its first character:
/// - one name per line (empty lines at the end do not count);
/// - a JSON list of names, or of pairs ["n01440764", "tench"];
/// - a JSON object from "0", "1", ... without a gap to a name or such a pair: TorchServe's index_to_name.json and
///   Keras' imagenet_class_index.json.
/// kInvalidArgument names the label that is wrong; the rules are those of check_labels.
Result<Labels> parse_labels(std::string_view text);

/// At most 100,000 labels of 1 to 1,000 bytes of UTF-8 without control characters; as many wnids of at most 32 letters
/// and digits, or none. kInvalidArgument.
Result<void> check_labels(const Labels& labels);

}  // namespace imageclassifier::model
