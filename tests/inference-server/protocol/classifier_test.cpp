#include <cmath>

#include "tests/inference-server/protocol/protocol_fixture.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using namespace std::chrono_literals;

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

/// A classifier whose model takes four seconds for a picture, by a clock that stands still, and is busy with one.
struct SlowLane {
  explicit SlowLane(std::size_t queue_depth) {
    auto made = std::make_unique<BrightnessModel>();
    BrightnessModel& model = *made;
    model.while_computing = [this] { clock.advance(4s); };
    classifier.emplace(protocol::ClassifierOptions{{}, {.queue_depth = queue_depth, .max_batch = 1}, 2},
                       std::move(made), clock, metrics);
    REQUIRE(classifier->warm_up().has_value());
    model.while_computing = {};
    model.gate = gate.get_future().share();
    REQUIRE_FALSE(ask(1));
    while (model.entered < 2) std::this_thread::yield();
  }
  ~SlowLane() { gate.set_value(); }
  SlowLane(const SlowLane&) = delete;
  SlowLane& operator=(const SlowLane&) = delete;

  std::optional<protocol::Problem> ask(std::size_t count, Duration limit = 1h) {
    const preprocess::Input input{.channels = 3, .height = 1, .width = 1, .values = {0, 0, 0}};
    return classifier->classify(std::vector(count, input), {.deadline = clock.steady_now() + limit},
                                [](const Results&) {});
  }

  imageclassifier::testing::FakeClock clock;
  MetricsRegistry registry;
  protocol::InferenceMetrics metrics{registry};
  std::promise<void> gate;
  std::optional<protocol::Classifier> classifier;
};

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
  SlowLane lane(2);
  REQUIRE_FALSE(lane.ask(2));
  // Three are there, each of four seconds, and the one that comes back takes as long.
  CHECK(lane.ask(1)->retry_after == 16);
  CHECK(lane.ask(2)->retry_after == 20);
  CHECK(lane.ask(1)->retry_after == 28);
  lane.clock.advance(10s);
  CHECK(lane.ask(1)->retry_after == 22);
}

TEST_CASE("who would be in time by a hair only is refused") {
  SlowLane lane(64);
  // One is there, so that the next is done after eight seconds.
  const auto refused = lane.ask(1, 9999ms);
  REQUIRE(refused);
  CHECK(refused->code == protocol::ProblemCode::kDeadline);
  CHECK(refused->retry_after == 8);
  CHECK_FALSE(lane.ask(1, 10s));
}

TEST_CASE("softmax divides logits by the temperature first") {
  const std::vector<float> logits = {1, 3};
  const auto warm = postprocess::softmax(logits, 2.0);
  CHECK(warm[1] == Approx(1 / (1 + std::exp(-1.0))));
  CHECK(warm[0] + warm[1] == Approx(1));
  CHECK(postprocess::softmax({}).empty());
}
