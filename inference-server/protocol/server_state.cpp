#include "inference-server/protocol/server_state.hpp"

namespace imageclassifier::protocol {

const char* to_string(Stage stage) {
  switch (stage) {
    case Stage::kLoading:
      return "loading";
    case Stage::kWarmingUp:
      return "warming_up";
    case Stage::kReady:
      return "ready";
    case Stage::kDraining:
      return "draining";
  }
  return "loading";
}

void ServerState::warming_up(const model::ModelInfo& model) {
  auto snapshot = snapshot_.lock();
  if (snapshot->stage == Stage::kLoading) snapshot->stage = Stage::kWarmingUp;
  snapshot->model = model;
}

void ServerState::ready(std::shared_ptr<Classifier> classifier, std::optional<SelfTestReport> self_test) {
  answering(std::move(classifier), std::move(self_test));
  auto snapshot = snapshot_.lock();
  if (snapshot->stage != Stage::kDraining) snapshot->stage = Stage::kReady;
}

void ServerState::answering(std::shared_ptr<Classifier> classifier, std::optional<SelfTestReport> self_test) {
  auto snapshot = snapshot_.lock();
  snapshot->model = classifier->info();
  snapshot->classifier = std::move(classifier);
  snapshot->self_test = std::move(self_test);
}

void ServerState::draining() {
  snapshot_.lock()->stage = Stage::kDraining;
}

std::optional<Problem> problem_of_model(const ServerState::Snapshot& now, const std::vector<std::string>& address) {
  if (!now.classifier) {
    return Problem{ProblemCode::kLoading, "The model is still being loaded. Try again in a moment.", 1};
  }
  const model::ModelInfo& info = now.classifier->info();
  if (!address.empty() && address[0] != info.name) {
    return Problem{ProblemCode::kNotFound,
                   "There is no such model here; the one that is served is \"" + info.name + "\"."};
  }
  if (address.size() > 1 && address[1] != info.version) {
    return Problem{ProblemCode::kNotFound, "The model has no such version, only \"" + info.version + "\"."};
  }
  return std::nullopt;
}

}  // namespace imageclassifier::protocol
