#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/plan.hpp"

namespace imageclassifier::reconciler::testing {

/// 2026-01-31T08:00:10Z, a Saturday.
inline constexpr WallTime kNow{std::chrono::seconds(1769846410)};

/// A world around one ImageClassifier zoo/pets, built step by step: `World().basic_secret("p").up_to_date(2)`.
class World {
 public:
  /// `spec` is JSON, merged into the smallest specification.
  explicit World(const std::string& spec = "{}");

  /// The Secret acr-credentials with this password.
  World& basic_secret(const std::string& password);
  /// Carries out everything that the plan asks for, as an API server would (POST entries converted), until nothing is
  /// left; at most `rounds` plans.
  World& settle(int rounds = 3);
  World& carry_out(const Action& action);
  /// The Deployment's status: `available` of the wanted replicas are up and rolled out.
  World& deployment_status(int replicas, int updated, int available);
  World& address(const std::string& ip);
  World& probe(EndpointState::Kind kind, const std::string& detail = "", bool inside = false);
  /// Shows `status` on the resource, as the next pass will see it.
  World& show(const api::Status& status);
  World& pod_waits(const std::string& reason, const std::string& message);

  Observed observed;

 private:
  void store_deployment(nlohmann::json object);
};

/// The basic credential's part of a specification.
inline constexpr const char* kBasic = R"({"registry": {"auth": {"basic": {"secretName": "acr-credentials"}}}})";

/// "create Secret pets-acr-pull, create Deployment pets": for comparing.
std::string summary(const Plan& plan);

}  // namespace imageclassifier::reconciler::testing
