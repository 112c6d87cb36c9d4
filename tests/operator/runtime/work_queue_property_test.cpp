#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "operator/runtime/work_queue.hpp"
#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using Priority = WorkQueue::Priority;

namespace {

/// The queue's contract in the plainest words: a list that is searched from the front.
struct Model {
  Duration spacing{};
  std::map<std::string, Duration> recent;  // until when an add waits
  struct Entry {
    std::string name;
    Priority priority;
  };
  std::vector<Entry> ready;
  std::map<std::string, Priority> again;  // added while being worked on
  std::set<std::string> working;
  struct Delay {
    Duration at;
    Priority priority;
  };
  std::map<std::string, Delay> delayed;
  std::map<std::string, int> failures;
  Duration now{};
  int fresh_in_a_row = 0;

  void add(const std::string& name, Priority priority) {
    const auto cooling = recent.find(name);
    if (working.count(name) == 0 && cooling != recent.end() && cooling->second > now) {
      return delay_until(name, cooling->second, priority);
    }
    add_now(name, priority);
  }
  void add_now(const std::string& name, Priority priority) {
    if (const auto found = delayed.find(name); found != delayed.end()) {
      priority = std::min(priority, found->second.priority);
      delayed.erase(found);
    }
    if (working.count(name) != 0) {
      const auto [found, fresh] = again.emplace(name, priority);
      found->second = std::min(found->second, priority);
      return;
    }
    const auto found = std::find_if(ready.begin(), ready.end(), [&](const Entry& entry) { return entry.name == name; });
    if (found != ready.end()) {
      if (found->priority <= priority) return;
      ready.erase(found);
    }
    ready.push_back({name, priority});
  }
  bool waits(const std::string& name) const {
    return again.count(name) != 0 ||
           std::any_of(ready.begin(), ready.end(), [&](const Entry& entry) { return entry.name == name; });
  }
  void add_after(const std::string& name, Duration delay, Priority priority) {
    if (delay <= 0ms || waits(name)) return add(name, priority);
    delay_until(name, now + delay, priority);
  }
  void delay_until(const std::string& name, Duration at, Priority priority) {
    const auto [found, fresh] = delayed.emplace(name, Delay{at, priority});
    found->second.at = std::min(found->second.at, at);
    found->second.priority = std::min(found->second.priority, priority);
  }
  void add_rate_limited(const std::string& name, Priority priority) {
    Duration delay = 5ms;
    for (int i = 0; i < failures[name] && delay < 1000s; ++i) delay *= 2;
    ++failures[name];
    add_after(name, std::min<Duration>(delay, 1000s), priority);
  }
  void promote() {
    for (;;) {
      const auto due = std::min_element(delayed.begin(), delayed.end(), [](const auto& left, const auto& right) {
        return left.second.at < right.second.at;
      });
      if (due == delayed.end() || due->second.at > now) return;
      const std::string name = due->first;
      add_now(name, due->second.priority);
    }
  }
  Entry take() {
    const auto first = [&](Priority priority) {
      return std::find_if(ready.begin(), ready.end(), [&](const Entry& entry) { return entry.priority == priority; });
    };
    auto chosen = first(Priority::kFresh);
    const auto background = first(Priority::kBackground);
    if (chosen == ready.end() || (fresh_in_a_row >= 16 && background != ready.end())) chosen = background;
    Entry entry = *chosen;
    ready.erase(chosen);
    fresh_in_a_row = entry.priority == Priority::kFresh ? fresh_in_a_row + 1 : 0;
    working.insert(entry.name);
    if (spacing > 0ms) recent[entry.name] = now + spacing;
    return entry;
  }
  void done(const std::string& name) {
    working.erase(name);
    const auto found = again.find(name);
    if (found == again.end()) return;
    const Priority priority = found->second;
    again.erase(found);
    const auto cooling = recent.find(name);
    if (cooling != recent.end() && cooling->second > now) return delay_until(name, cooling->second, priority);
    ready.push_back({name, priority});
  }
};

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed), spacing_(seed % 2 == 0 ? 15ms : 0ms) { model_.spacing = spacing_; }

  void step() {
    const std::string name = std::string(1, static_cast<char>('a' + pick(8)));
    const ObjectKey key{"ns", name};
    const Priority priority = pick(2) == 0 ? Priority::kFresh : Priority::kBackground;
    switch (pick(9)) {
      case 0:
      case 1:
        queue_.add(key, priority);
        model_.add(name, priority);
        break;
      case 2: {
        const Duration delay = std::chrono::milliseconds(pick(50) - 5);
        queue_.add_after(key, delay, priority);
        model_.add_after(name, delay, priority);
        break;
      }
      case 3:
        queue_.add_rate_limited(key, priority);
        model_.add_rate_limited(name, priority);
        break;
      case 4:
        queue_.forget(key);
        model_.failures.erase(name);
        break;
      case 5: {
        const Duration by = std::chrono::milliseconds(pick(20));
        clock_.advance(by);
        model_.now += by;
        break;
      }
      case 6:
        queue_.done(key);
        if (model_.working.count(name) != 0) model_.done(name);
        break;
      default:
        take();
    }
    REQUIRE(queue_.size() == model_.ready.size());
    REQUIRE(queue_.failures(key) == model_.failures[name]);
  }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  void take() {
    // With a stop requested get() takes nothing, and without a ready key it blocks: the model knows.
    Model ahead = model_;
    ahead.promote();
    if (ahead.ready.empty()) return;
    model_.promote();
    const auto item = queue_.get({});
    const Model::Entry expected = model_.take();
    REQUIRE(item);
    REQUIRE(item->key.name == expected.name);
    REQUIRE(item->priority == expected.priority);
  }

  std::mt19937 random_;
  Duration spacing_;
  testing::FakeClock clock_;
  MetricsRegistry metrics_;
  WorkQueue queue_{{.name = "walk", .spacing = spacing_}, clock_, metrics_};
  Model model_;
};

}  // namespace

TEST_CASE("the queue does what a plain model does, whatever is asked of it") {
  const unsigned seed = GENERATE(range(1U, 41U));
  INFO("seed " << seed);
  Walk walk(seed);
  for (int i = 0; i < 1000; ++i) walk.step();
}
