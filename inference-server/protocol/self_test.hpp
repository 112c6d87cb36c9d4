#pragma once

#include <string>
#include <string_view>

#include "inference-server/protocol/classifier.hpp"

namespace imageclassifier::protocol {

/// What a reference picture must be taken for before a model may serve.
struct SelfTestExpectation {
  std::string label;           ///< exactly as the model spells it
  double minimum_score = 0.5;  ///< of `probability`, 0 to 1
};

struct SelfTestReport {
  std::string label;
  double score = 0;
  double minimum_score = 0;
};

/// Classifies the picture as any upload, alone. kInvalidArgument: it is no picture, or its best class is another one or
/// scores less; the message says what was seen and what was expected, always in the same words for the same model.
Result<SelfTestReport> run_self_test(Classifier& classifier, std::string_view picture,
                                     const SelfTestExpectation& expected);

}  // namespace imageclassifier::protocol
