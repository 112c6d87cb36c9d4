#include "inference-server/protocol/self_test.hpp"

#include <nlohmann/json.hpp>

#include "tests/inference-server/protocol/protocol_fixture.hpp"

using namespace imageclassifier;
using namespace imageclassifier::test;
using Catch::Matchers::Contains;

namespace {

/// The fixture's model takes this picture for this class, the other one is "bright" or "dark <b>".
struct Reference {
  std::string picture = read_picture("exif-3.jpg");
  std::string label;
  double score = 0;
};

Reference reference(const ProtocolFixture& server) {
  Reference found;
  const auto best = nlohmann::json::parse(body_of(server.post(found.picture)))["results"][0]["predictions"][0];
  found.label = best["label"];
  found.score = best["probability"];
  return found;
}

}  // namespace

TEST_CASE_METHOD(ProtocolFixture, "a picture that is taken for what was expected passes with its score") {
  const Reference good = reference(*this);
  const auto report = protocol::run_self_test(*classifier, good.picture, {good.label, good.score});
  REQUIRE(report);
  CHECK(report->label == good.label);
  CHECK(report->score == Approx(good.score));
  CHECK(report->minimum_score == Approx(good.score));
}

TEST_CASE_METHOD(ProtocolFixture, "the reference picture may be of any kind that is read") {
  for (const char* name :
       {"420-40x40.jpg", "key-40x40.png", "lossless-40x40.webp", "clear-40x40.gif", "24-down-40x40.bmp"}) {
    INFO(name);
    const std::string picture = read_picture("../corpus/" + std::string(name));
    const bool bright = protocol::run_self_test(*classifier, picture, {"bright"}).has_value();
    const bool dark = protocol::run_self_test(*classifier, picture, {"dark <b>"}).has_value();
    CHECK(bright != dark);
  }
}

TEST_CASE_METHOD(ProtocolFixture, "another class or a lower score fails and names what was seen and what expected") {
  const Reference good = reference(*this);
  const auto other = protocol::run_self_test(*classifier, good.picture, {"tabby", 0.25});
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(other.error().message, Contains("taken for \"" + good.label + "\" with the score 0.") &&
                                        Contains("expected was \"tabby\" with at least 0.2500"));
  const auto lower = protocol::run_self_test(*classifier, good.picture, {good.label, good.score + 0.001});
  REQUIRE_FALSE(lower);
  CHECK_THAT(lower.error().message, Contains("expected was \"" + good.label + "\""));
}

TEST_CASE_METHOD(ProtocolFixture, "a picture that cannot be read, or a model that fails, fails the self-test") {
  CHECK_THAT(protocol::run_self_test(*classifier, "%PDF", {"bright"}).error().message, Contains("JPEG"));
  CHECK(protocol::run_self_test(*classifier, "", {"bright"}).error().code == ErrorCode::kInvalidArgument);
  model->broken = true;
  const auto broken = protocol::run_self_test(*classifier, read_picture("exif-3.jpg"), {"bright"});
  CHECK(broken.error().code == ErrorCode::kInternal);
  CHECK_THAT(broken.error().message, !Contains("secret"));
}

TEST_CASE("readiness tells of a self-test that passed, and of none otherwise") {
  ProtocolFixture server(false);
  server.state.ready(server.classifier, protocol::SelfTestReport{"bright", 0.75, 0.5});
  const auto json = nlohmann::json::parse(body_of(server.get("/readyz")));
  CHECK(json["self_test"] ==
        nlohmann::json({{"passed", true}, {"label", "bright"}, {"score", 0.75}, {"minimum_score", 0.5}}));
  CHECK_FALSE(nlohmann::json::parse(body_of(ProtocolFixture().get("/readyz"))).contains("self_test"));
}
