#include <cmath>

#include "tests/inference-server/protocol/protocol_fixture.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;

namespace {

using Results = std::vector<protocol::PictureResult>;

template <typename... What>
Results classify(protocol::Classifier& classifier, protocol::ClassifyOptions options, What... what) {
  options.deadline = SteadyTime::max();
  std::promise<Results> promise;
  const auto refused = classifier.classify(std::move(what)..., options,
                                           [&promise](Results results) { promise.set_value(std::move(results)); });
  REQUIRE_FALSE(refused);
  return promise.get_future().get();
}

preprocess::Input network_input(const std::string& picture, const preprocess::TransformSpec& spec) {
  auto made = preprocess::preprocess_file(std::as_bytes(std::span(picture)), spec);
  REQUIRE(made.has_value());
  return std::move(made->input);
}

}  // namespace

TEST_CASE_METHOD(ProtocolFixture, "a picture and what it is preprocessed to have the same logits and predictions") {
  const std::string picture = read_picture("exif-3.jpg");
  const std::vector<protocol::Picture> pictures{{std::nullopt, picture}};
  const auto from_picture = classify(*classifier, {.keep_logits = true}, pictures, nullptr);
  const auto from_input = classify(*classifier, {.keep_logits = true},
                                   std::vector{network_input(picture, classifier->manifest()->transform)});
  REQUIRE(from_picture.size() == 1);
  REQUIRE(from_input.size() == 1);
  REQUIRE(from_picture[0].logits.size() == 2);
  CHECK(from_picture[0].logits == from_input[0].logits);
  REQUIRE(from_input[0].predictions.size() == 2);
  CHECK(from_picture[0].predictions[0].probability == from_input[0].predictions[0].probability);
}

TEST_CASE_METHOD(ProtocolFixture, "logits come only when asked for, and predictions not when k is 0") {
  const std::string picture = read_picture("exif-3.jpg");
  const std::vector<protocol::Picture> pictures{{std::nullopt, picture}};
  const auto plain = classify(*classifier, {}, pictures, nullptr);
  CHECK(plain[0].logits.empty());
  CHECK(plain[0].predictions.size() == 2);
  CHECK(classify(*classifier, {.k = 0}, pictures, nullptr)[0].predictions.empty());
}

TEST_CASE_METHOD(ProtocolFixture, "network inputs wait in the same queue, under the same limits") {
  const preprocess::Input input{.channels = 3, .height = 1, .width = 1, .values = {0, 0, 0}};
  const auto refused = classifier->classify(std::vector<preprocess::Input>(65, input), {}, [](const Results&) {});
  REQUIRE(refused);
  CHECK(refused->code == protocol::ProblemCode::kTooManyImages);

  std::promise<Results> promise;
  const auto late = classifier->classify(std::vector{input}, {.deadline = clock.steady_now()},
                                         [&promise](Results results) { promise.set_value(std::move(results)); });
  REQUIRE_FALSE(late);
  const auto results = promise.get_future().get();
  REQUIRE(results[0].problem);
  CHECK(results[0].problem->code == protocol::ProblemCode::kDeadline);
}

TEST_CASE("clients that are refused together are told to come back one after the other") {
  using namespace std::chrono_literals;
  imageclassifier::testing::FakeClock clock;
  MetricsRegistry registry;
  protocol::InferenceMetrics metrics{registry};
  std::promise<void> gate;
  auto made = std::make_unique<BrightnessModel>();
  BrightnessModel& model = *made;
  model.while_computing = [&clock] { clock.advance(4s); };
  protocol::Classifier classifier({{}, {.queue_depth = 2, .max_batch = 1}, 2}, std::move(made), clock, metrics);
  REQUIRE(classifier.warm_up().has_value());
  model.while_computing = {};
  model.gate = gate.get_future().share();

  const preprocess::Input input{.channels = 3, .height = 1, .width = 1, .values = {0, 0, 0}};
  const auto ask = [&](std::size_t count) {
    return classifier.classify(std::vector(count, input), {.deadline = SteadyTime::max()}, [](const Results&) {});
  };
  REQUIRE_FALSE(ask(1));
  while (model.entered < 2) std::this_thread::yield();
  REQUIRE_FALSE(ask(2));
  // Three are there, each of four seconds, and the one that comes back takes as long.
  CHECK(ask(1)->retry_after == 16);
  CHECK(ask(2)->retry_after == 20);
  CHECK(ask(1)->retry_after == 28);
  clock.advance(10s);
  CHECK(ask(1)->retry_after == 22);
  gate.set_value();
}

TEST_CASE("softmax divides logits by the temperature first") {
  const std::vector<float> logits = {1, 3};
  const auto warm = postprocess::softmax(logits, 2.0);
  CHECK(warm[1] == Approx(1 / (1 + std::exp(-1.0))));
  CHECK(warm[0] + warm[1] == Approx(1));
  CHECK(postprocess::softmax({}).empty());
}
