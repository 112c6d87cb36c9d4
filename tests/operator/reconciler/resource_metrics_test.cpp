#include "operator/reconciler/resource_metrics.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using Catch::Matchers::Contains;

namespace {

const runtime::ObjectKey kPets{"zoo", "pets"}, kDogs{"zoo", "dogs"};
constexpr WallTime kEnd{std::chrono::seconds(1769846410)};
constexpr const char* kExpiry =
    "imageclassifier_registry_token_expiry_timestamp_seconds{name=\"pets\",namespace=\"zoo\",server=\"a.azurecr.io\"} ";

api::Status showing(const std::string& status, const std::string& reason, const std::string& ready = "Ready") {
  api::Status shown;
  shown.conditions = {{"CredentialReady", status, 1, {}, reason, {}}, {"Ready", "True", 1, {}, ready, {}}};
  return shown;
}

struct Rig {
  MetricsRegistry metrics;
  ResourceMetrics resources{metrics};

  double in_state(const std::string& state) {
    return metrics.gauge("imageclassifier_credential_state", "", {{"state", state}}).value();
  }
  double with(const std::string& type, const std::string& reason) {
    return metrics.gauge("imageclassifier_conditions", "", {{"type", type}, {"reason", reason}}).value();
  }
};

}  // namespace

TEST_CASE("each resource is counted once, in the state that it was in last") {
  Rig rig;
  rig.resources.tell(kPets, showing("Unknown", "MintPending"), "a.azurecr.io", {});
  rig.resources.tell(kDogs, showing("True", "NodeIdentity"), "a.azurecr.io", {});
  CHECK(rig.in_state("pending") == 1);
  CHECK(rig.in_state("node_identity") == 1);
  for (const auto& [status, reason, state] :
       {std::tuple("True", "Minted", "valid"), std::tuple("True", "RotationFailing", "stale"),
        std::tuple("False", "Expired", "expired"), std::tuple("False", "ClientSecretInvalid", "failed")}) {
    rig.resources.tell(kPets, showing(status, reason), "a.azurecr.io", kEnd);
    CHECK(rig.in_state(state) == 1);
    CHECK(rig.with("CredentialReady", reason) == 1);
    CHECK(rig.with("Ready", "Ready") == 2);
  }
  CHECK(rig.in_state("valid") + rig.in_state("stale") + rig.in_state("expired") + rig.in_state("pending") == 0);
  rig.resources.forget(kPets);
  CHECK(rig.in_state("failed") == 0);
  CHECK(rig.with("Ready", "Ready") == 1);
}

TEST_CASE("nobody who reads meanwhile sees none where there is one") {
  Rig rig;
  rig.resources.tell(kPets, showing("True", "RotationFailing"), "a.azurecr.io", kEnd);
  double least = 1;
  std::jthread reader([&](std::stop_token stop) {
    while (!stop.stop_requested()) least = std::min(least, rig.in_state("stale"));
  });
  for (int pass = 0; pass < 2000; ++pass)
    rig.resources.tell(kPets, showing("True", pass % 2 == 0 ? "RotationUrgent" : "RotationCritical"), "a.azurecr.io",
                       kEnd);
  reader.request_stop();
  reader.join();
  CHECK(least == 1);
}

TEST_CASE("a reason that is not on the list makes no series") {
  Rig rig;
  rig.resources.tell(kPets, showing("True", "Minted", "OfAnotherVersion"), "a.azurecr.io", {});
  CHECK_THAT(rig.metrics.text(), !Contains("OfAnotherVersion"));
}

TEST_CASE("the end of a credential is told as long as there is one, this process works and the resource exists") {
  Rig rig;
  const auto mint = [&] { rig.resources.tell(kPets, showing("True", "Minted"), "a.azurecr.io", kEnd); };
  mint();
  CHECK_THAT(rig.metrics.text(), Contains(kExpiry));
  rig.resources.tell(kPets, showing("True", "UserProvided"), "a.azurecr.io", {});
  CHECK_THAT(rig.metrics.text(), !Contains("name=\"pets\""));
  mint();
  rig.resources.tell(kPets, showing("True", "Minted"), "b.azurecr.io", kEnd);
  CHECK_THAT(rig.metrics.text(), !Contains(kExpiry) && Contains("b.azurecr.io"));
  rig.resources.forget(kPets);
  CHECK_THAT(rig.metrics.text(), !Contains("name=\"pets\""));
  mint();
  rig.resources.forget_all();
  CHECK_THAT(rig.metrics.text(), !Contains("name=\"pets\""));
  CHECK(rig.in_state("valid") == 0);
}
