#include "common/start_stages.hpp"

#include <chrono>

#include "common/log.hpp"

namespace imageclassifier {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

StartStages::StartStages(const Clock& clock, Duration age) : clock_(clock), start_(clock.steady_now() - age) {}

StartStages::Running StartStages::begin(const std::string& name) {
  const Duration now = since_start();
  auto stages = stages_.lock();
  stages->push_back({name, now, std::nullopt});
  return {this, stages->size() - 1};
}

StartStages::Running StartStages::begin(StartStages* stages, const std::string& name) {
  return stages != nullptr ? stages->begin(name) : Running(nullptr, 0);
}

std::vector<StartStages::Stage> StartStages::get() {
  return *stages_.lock();
}

void StartStages::end(std::size_t index) {
  const Duration now = since_start();
  Stage ended;
  {
    auto stages = stages_.lock();
    Stage& stage = (*stages)[index];
    stage.took = now - stage.begin;
    ended = stage;
  }
  log::info("start stage",
            {{"stage", ended.name}, {"seconds", seconds(*ended.took)}, {"since_start_seconds", seconds(now)}});
}

}  // namespace imageclassifier
