#include <cstdio>
#include <future>

#include "common/file.hpp"
#include "inference-server/app/application.hpp"
#include "inference-server/model/cpu_count.hpp"
#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/multipart.hpp"
#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::app {
namespace {

void print_table(const std::string& path, const protocol::PictureResult& result) {
  std::printf("%s\n", protocol::harmless_text(path).c_str());
  for (const postprocess::Prediction& prediction : result.predictions) {
    std::printf("  %6.2f %%  %s\n", prediction.probability * 100, prediction.label.c_str());
  }
}

bool classify_file(protocol::Classifier& classifier, const std::string& path, int k, bool json) {
  // No upload limit holds here, but a file of this size is not a picture.
  constexpr std::uint64_t kMaximumFile = 1 << 30;
  const auto bytes = read_regular_file(path, kMaximumFile);
  if (!bytes) {
    std::fprintf(stderr, "%s\n", protocol::harmless_text(bytes.error().describe()).c_str());
    return false;
  }
  std::promise<std::vector<protocol::PictureResult>> promise;
  const auto refused = classifier.classify({{path, *bytes}}, nullptr, {.k = k, .deadline = SteadyTime::max()},
                                           [&promise](auto results) { promise.set_value(std::move(results)); });
  if (refused) {
    std::fprintf(stderr, "%s: %s\n", protocol::harmless_text(path).c_str(), refused->detail.c_str());
    return false;
  }
  const auto results = promise.get_future().get();
  const auto& problem = results.front().problem;
  if (json) {
    std::fputs(protocol::answer_json(results, classifier.info(), protocol::new_request_id()).c_str(), stdout);
  } else if (!problem) {
    print_table(path, results.front());
  }
  if (problem) std::fprintf(stderr, "%s: %s\n", protocol::harmless_text(path).c_str(), problem->detail.c_str());
  return !problem;
}

}  // namespace

int classify_files(const ClassifyFilesOptions& options) {
  auto model = load(options.model);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().describe().c_str());
    return 1;
  }
  SystemClock clock;
  MetricsRegistry registry;
  protocol::InferenceMetrics metrics(registry);
  protocol::Classifier classifier({.limits = limits_of(options.model), .lane = {}}, std::move(*model), clock, metrics);
  bool good = true;
  for (const std::string& path : options.files) {
    good = classify_file(classifier, path, options.model.top_k, options.json) && good;
  }
  return good ? 0 : 1;
}

}  // namespace imageclassifier::app
