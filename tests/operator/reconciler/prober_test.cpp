#include "operator/reconciler/prober.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using runtime::ObjectKey;

namespace {

/// Answers probes as told, counts them and waits for states. Intervals are a millisecond, so that nothing has to sleep.
class Rig {
 public:
  explicit Rig(EndpointProber::Options options = quick())
      : prober(
            options, [this](const ProbeTarget& target, std::stop_token) { return answer(target); },
            [this](const ObjectKey&) { wake(); }, clock_) {
    prober.start();
  }
  ~Rig() { prober.stop(); }

  static EndpointProber::Options quick() {
    return {.threads = 2,
            .healthy_interval = std::chrono::milliseconds(1),
            .first_retry = std::chrono::milliseconds(1),
            .last_retry = std::chrono::milliseconds(1),
            .failures_to_unhealthy = 3};
  }

  void answers(bool ok) {
    const std::lock_guard hold(mutex_);
    ok_ = ok;
  }
  /// The reasons that failures give, in turn.
  void fails_with(std::vector<std::string> details) {
    const std::lock_guard hold(mutex_);
    ok_ = false;
    details_ = std::move(details);
  }
  bool wait_for(const ObjectKey& key, EndpointState::Kind kind) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return prober.state(key).kind == kind; });
  }
  bool wait_for_probes(const std::string& url, int count) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return probes_[url] >= count; });
  }
  bool wait_for_changes(int count) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return changes_ >= count; });
  }
  int probes(const std::string& url) {
    const std::lock_guard hold(mutex_);
    return probes_[url];
  }
  void shows_another_certificate() {
    const std::lock_guard hold(mutex_);
    ok_ = false;
    untrusted_ = true;
  }
  bool wait_for_trust(const std::string& certificates) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return trusted_ == certificates; });
  }
  int changes() {
    const std::lock_guard hold(mutex_);
    return changes_;
  }

 private:
  ProbeResult answer(const ProbeTarget& target) {
    const std::lock_guard hold(mutex_);
    const std::string& url = target.url;
    trusted_ = target.certificates;
    ++probes_[url];
    changed_.notify_all();
    if (ok_) return {true, {}, api::ModelStatus{"resnet101", "ab", "float32"}};
    const auto turn = static_cast<std::size_t>(probes_[url]);
    return {false, details_[turn % details_.size()], std::nullopt, untrusted_, !target.inside_url.empty()};
  }
  void wake() {
    const std::lock_guard hold(mutex_);
    ++changes_;
    changed_.notify_all();
  }

  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> probes_;
  int changes_ = 0;
  bool ok_ = true;
  bool untrusted_ = false;
  std::string trusted_;
  std::vector<std::string> details_{"HTTP status 503"};

 public:
  EndpointProber prober;
};

const ObjectKey kPets{"zoo", "pets"};

}  // namespace

TEST_CASE("one answer makes an endpoint healthy, three failures in a row unhealthy, and changes are told once") {
  Rig rig;
  rig.prober.watch(kPets, {"http://a"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  CHECK(rig.prober.state(kPets).model->architecture == "resnet101");
  REQUIRE(rig.wait_for_probes("http://a", 10));
  CHECK(rig.changes() == 1);
  rig.answers(false);
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kUnhealthy));
  CHECK(rig.prober.state(kPets).detail == "HTTP status 503");
  rig.answers(true);
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  CHECK(rig.prober.state(kPets).detail.empty());
}

TEST_CASE("a healthy endpoint is asked again at once when its trigger changes, and not before its interval otherwise") {
  auto options = Rig::quick();
  options.healthy_interval = std::chrono::hours(1);
  Rig rig(options);
  rig.prober.watch(kPets, {"http://a"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  rig.prober.watch(kPets, {"http://a"}, "1");
  rig.prober.watch({"zoo", "dogs"}, {"http://b"}, "1");
  REQUIRE(rig.wait_for_probes("http://b", 1));
  CHECK(rig.probes("http://a") == 1);
  rig.prober.watch(kPets, {"http://a"}, "2");
  CHECK(rig.wait_for_probes("http://a", 2));
}

TEST_CASE("another address starts from unknown, a forgotten one is asked no more") {
  auto options = Rig::quick();
  options.healthy_interval = std::chrono::hours(1);
  Rig rig(options);
  rig.prober.watch(kPets, {"http://a"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  rig.answers(false);
  rig.prober.watch(kPets, {"http://b"}, "1");
  CHECK(rig.prober.state(kPets).kind != EndpointState::Kind::kHealthy);
  CHECK(rig.prober.state(kPets).url == "http://b");
  rig.prober.forget(kPets);
  CHECK(rig.prober.state(kPets) == EndpointState{});
}

TEST_CASE("an endpoint that fails now in one way, now in another, is told of once; a new way that lasts, once more") {
  Rig rig;
  rig.fails_with({"no answer within 5 seconds", "the connection failed"});
  rig.prober.watch(kPets, {"http://a"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kUnhealthy));
  REQUIRE(rig.wait_for_probes("http://a", 40));
  CHECK(rig.changes() == 1);
  rig.fails_with({"HTTP status 503"});
  REQUIRE(rig.wait_for_changes(2));
  CHECK(rig.prober.state(kPets).detail == "HTTP status 503");
}

TEST_CASE("an address that only answers inside is told of as such, and another way to it starts from unknown") {
  Rig rig;
  rig.answers(false);
  rig.prober.watch(kPets, {"http://a", {}, "http://inside", "open"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kUnhealthy));
  CHECK(rig.prober.state(kPets).inside);
  CHECK_FALSE(rig.prober.state(kPets).reached);
  rig.prober.watch(kPets, {"http://a", {}, {}, "open"}, "1");
  REQUIRE(rig.wait_for_changes(2));
  CHECK_FALSE(rig.prober.state(kPets).inside);
  rig.answers(true);
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  CHECK(rig.prober.state(kPets).reached);
  rig.answers(false);
  rig.prober.watch(kPets, {"http://a", {}, "http://inside", "narrow"}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kUnhealthy));
  CHECK_FALSE(rig.prober.state(kPets).reached);
}

TEST_CASE("endpoints that hold a thread until their time-out leave threads for those that answer") {
  std::mutex mutex;
  std::condition_variable_any changed;
  int answered = 0, failed = 0;
  bool held = false;
  SystemClock clock;
  EndpointProber prober(
      {.threads = 4, .healthy_interval = std::chrono::milliseconds(1), .first_retry = {}, .last_retry = {}},
      [&](const ProbeTarget& target, std::stop_token stop) -> ProbeResult {
        std::unique_lock hold(mutex);
        if (target.url == "http://good") {
          ++answered;
          changed.notify_all();
          return {true, {}, std::nullopt};
        }
        ++failed;
        if (held) changed.wait(hold, stop, [] { return false; });
        return {false, "no answer", std::nullopt};
      },
      [](const ObjectKey&) {}, clock);
  const auto reaches = [&](const int& count, int wanted) {
    std::unique_lock hold(mutex);
    return changed.wait_for(hold, std::chrono::seconds(10), [&] { return count >= wanted; });
  };
  for (int i = 0; i < 20; ++i) prober.watch({"zoo", "bad" + std::to_string(i)}, {"http://bad"}, "1");
  prober.start();
  const auto all_unhealthy = [&] {
    for (int i = 0; i < 20; ++i) {
      if (prober.state({"zoo", "bad" + std::to_string(i)}).kind != EndpointState::Kind::kUnhealthy) return false;
    }
    return true;
  };
  while (!all_unhealthy()) std::this_thread::yield();
  {
    const std::lock_guard hold(mutex);
    held = true;
  }
  prober.watch({"zoo", "good"}, {"http://good"}, "1");
  REQUIRE(reaches(answered, 100));
}

TEST_CASE("endpoints that do not answer are asked on while the thread that watches the clock waits for another one") {
  std::atomic<int> failed{0};
  SystemClock clock;
  EndpointProber prober(
      {.threads = 2,
       .healthy_interval = std::chrono::hours(1),
       .first_retry = std::chrono::milliseconds(5),
       .last_retry = std::chrono::milliseconds(5)},
      [&](const ProbeTarget& target, std::stop_token) -> ProbeResult {
        if (target.url == "http://good") return {true, {}, std::nullopt};
        ++failed;
        return {false, "no answer", std::nullopt};
      },
      [](const ObjectKey&) {}, clock);
  prober.watch({"zoo", "good"}, {"http://good"}, "1");
  prober.watch({"zoo", "bad"}, {"http://bad"}, "1");
  prober.watch({"zoo", "worse"}, {"http://bad"}, "1");
  prober.start();
  const SteadyTime deadline = clock.steady_now() + std::chrono::seconds(10);
  while (failed < 200 && clock.steady_now() < deadline) clock.sleep_for(std::chrono::milliseconds(1), {});
  CHECK(failed >= 200);
}

TEST_CASE("a certificate's successor is trusted beside the former one, without starting from unknown") {
  Rig rig;
  rig.prober.watch(kPets, {"https://a", "first "}, "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  rig.prober.watch(kPets, {"https://a", "second "}, "1");
  CHECK(rig.prober.state(kPets).kind == EndpointState::Kind::kHealthy);
  CHECK(rig.wait_for_trust("second first "));
  rig.prober.watch(kPets, {"https://b", "third "}, "1");
  CHECK(rig.wait_for_trust("third "));
}

TEST_CASE("an unknown certificate is looked up anew before its endpoint counts as unhealthy") {
  EndpointProber::Options patient = Rig::quick();
  patient.last_retry = patient.first_retry = std::chrono::hours(1);
  Rig rig(patient);
  rig.prober.watch(kPets, {"https://a", "first "}, "1");
  REQUIRE(rig.wait_for_changes(1));
  rig.shows_another_certificate();
  CHECK(rig.wait_for_changes(2));
  CHECK(rig.prober.state(kPets).kind == EndpointState::Kind::kHealthy);
}
