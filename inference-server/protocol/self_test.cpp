#include "inference-server/protocol/self_test.hpp"

#include <array>
#include <cstdio>
#include <future>

namespace imageclassifier::protocol {
namespace {

/// A pod's termination message holds 4 KiB.
std::string quoted(const std::string& label) {
  return "\"" + label.substr(0, 200) + "\"";
}

std::string in_digits(double score) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", score);
  return text.data();
}

}  // namespace

Result<SelfTestReport> run_self_test(Classifier& classifier, std::string_view picture,
                                     const SelfTestExpectation& expected) {
  std::promise<std::vector<PictureResult>> promise;
  const auto refused = classifier.classify({{std::nullopt, picture}}, nullptr, {.k = 1, .deadline = SteadyTime::max()},
                                           [&promise](auto results) { promise.set_value(std::move(results)); });
  if (refused) return fail(ErrorCode::kInternal, "the self-test could not run: " + refused->detail);
  const PictureResult result = promise.get_future().get().front();
  if (result.problem) {
    const bool ours = result.problem->code == ProblemCode::kInternal;
    return fail(ours ? ErrorCode::kInternal : ErrorCode::kInvalidArgument,
                "the self-test's picture could not be classified: " + result.problem->detail);
  }
  const postprocess::Prediction& best = result.predictions.front();
  // Written so that a score that is not a number fails.
  if (best.label == expected.label && best.probability >= expected.minimum_score) {
    return SelfTestReport{best.label, best.probability, expected.minimum_score};
  }
  return fail(ErrorCode::kInvalidArgument, "the self-test's picture was taken for " + quoted(best.label) +
                                               " with the score " + in_digits(best.probability) + ", expected was " +
                                               quoted(expected.label) + " with at least " +
                                               in_digits(expected.minimum_score));
}

}  // namespace imageclassifier::protocol
