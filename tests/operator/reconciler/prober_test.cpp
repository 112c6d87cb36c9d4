#include "operator/reconciler/prober.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using runtime::ObjectKey;

namespace {

/// Answers probes as told, counts them and waits for states. Intervals are a millisecond, so that nothing has to sleep.
class Rig {
 public:
  explicit Rig(EndpointProber::Options options = quick())
      : prober(
            options, [this](const std::string& url, std::stop_token) { return answer(url); },
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
  bool wait_for(const ObjectKey& key, EndpointState::Kind kind) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return prober.state(key).kind == kind; });
  }
  bool wait_for_probes(const std::string& url, int count) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return probes_[url] >= count; });
  }
  int probes(const std::string& url) {
    const std::lock_guard hold(mutex_);
    return probes_[url];
  }
  int changes() {
    const std::lock_guard hold(mutex_);
    return changes_;
  }

 private:
  ProbeResult answer(const std::string& url) {
    const std::lock_guard hold(mutex_);
    ++probes_[url];
    changed_.notify_all();
    if (ok_) return {true, {}, api::ModelStatus{"resnet101", "ab", "float32"}};
    return {false, "HTTP status 503", std::nullopt};
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

 public:
  EndpointProber prober;
};

const ObjectKey kPets{"zoo", "pets"};

}  // namespace

TEST_CASE("one answer makes an endpoint healthy, three failures in a row unhealthy, and changes are told once") {
  Rig rig;
  rig.prober.watch(kPets, "http://a", "1");
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
  rig.prober.watch(kPets, "http://a", "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  rig.prober.watch(kPets, "http://a", "1");
  rig.prober.watch({"zoo", "dogs"}, "http://b", "1");
  REQUIRE(rig.wait_for_probes("http://b", 1));
  CHECK(rig.probes("http://a") == 1);
  rig.prober.watch(kPets, "http://a", "2");
  CHECK(rig.wait_for_probes("http://a", 2));
}

TEST_CASE("another address starts from unknown, a forgotten one is asked no more") {
  auto options = Rig::quick();
  options.healthy_interval = std::chrono::hours(1);
  Rig rig(options);
  rig.prober.watch(kPets, "http://a", "1");
  REQUIRE(rig.wait_for(kPets, EndpointState::Kind::kHealthy));
  rig.answers(false);
  rig.prober.watch(kPets, "http://b", "1");
  CHECK(rig.prober.state(kPets).kind != EndpointState::Kind::kHealthy);
  CHECK(rig.prober.state(kPets).url == "http://b");
  rig.prober.forget(kPets);
  CHECK(rig.prober.state(kPets) == EndpointState{});
}
