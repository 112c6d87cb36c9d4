#include "operator/reconciler/image_checker.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using registry::Preflight;
using registry::Verdict;
using runtime::ObjectKey;

namespace {

const ObjectKey kPets{"zoo", "pets"};

ImageQuestion question_of(const std::string& tag, const std::string& pinned = {}) {
  ImageQuestion question;
  question.reference = {"contoso.azurecr.io", "server", tag, {}};
  question.pinned = pinned;
  return question;
}

ImageQuestion by(ImageQuestion question, const std::string& user) {
  question.credential = registry::Credential{Secret(user), Secret("word")};
  return question;
}

/// One thread, and a clock that runs as fast as it is waited for.
class Rig {
 public:
  explicit Rig(ImageChecker::Options options = {.servers = {"azurecr.io"}, .threads = 1})
      : checker(
            std::move(options),
            [this](const auto& reference, const auto&, const Preflight* known, std::stop_token) {
              return look_up(reference, known);
            },
            [this](const ObjectKey&) { told(); }, clock, metrics) {
    checker.start();
  }
  ~Rig() { checker.stop(); }

  void answers(Verdict verdict, const std::string& digest = {}, int retry_after = 0, bool silent = false) {
    const std::lock_guard hold(mutex_);
    answer_.verdict = verdict;
    answer_.silent = silent;
    answer_.digest = digest;
    answer_.retry_after = std::chrono::seconds(retry_after);
  }
  std::vector<std::string> wait_for_asked(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return asked_.size() >= count; }));
    return asked_;
  }
  void wait_for_told(int count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return told_ >= count; }));
  }
  void pass(Duration duration) {
    clock.wait_for_waiters(1);
    clock.advance(duration);
  }
  std::size_t asked() {
    const std::lock_guard hold(mutex_);
    return asked_.size();
  }

 private:
  Preflight look_up(const registry::ImageReference& reference, const Preflight* known) {
    const std::lock_guard hold(mutex_);
    asked_.push_back((reference.digest.empty() ? reference.tag : reference.digest) +
                     (known == nullptr ? "" : ", known as " + known->digest));
    changed_.notify_all();
    return answer_;
  }
  void told() {
    const std::lock_guard hold(mutex_);
    ++told_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Preflight answer_;
  std::vector<std::string> asked_;
  int told_ = 0;

 public:
  testing::FakeClock clock;
  MetricsRegistry metrics;
  ImageChecker checker;
};

}  // namespace

TEST_CASE("a server that is not listed is never asked") {
  Rig rig({.servers = {"other.example"}, .threads = 1});
  rig.checker.watch(kPets, question_of("1"), true);
  CHECK(rig.checker.answer(kPets, question_of("1")) == nullptr);
  CHECK_FALSE(rig.checker.may_ask("contoso.azurecr.io"));
  CHECK(rig.asked() == 0);
}

TEST_CASE("what is well is asked again after ten minutes, what is wrong after half a minute") {
  Rig rig;
  rig.answers(Verdict::kManifestUnknown);
  rig.checker.watch(kPets, question_of("1"), true);
  rig.wait_for_told(1);
  CHECK(rig.checker.answer(kPets, question_of("1"))->named.verdict == Verdict::kManifestUnknown);
  rig.answers(Verdict::kResolved, "sha256:1");
  rig.pass(std::chrono::seconds(31));
  rig.wait_for_told(2);
  rig.pass(std::chrono::minutes(9));
  CHECK(rig.asked() == 2);
  rig.pass(std::chrono::minutes(2));
  rig.wait_for_asked(3);
}

TEST_CASE("a pinned digest is looked up only where the name stands for it no longer") {
  Rig rig({.servers = {"azurecr.io"}, .again = std::chrono::seconds(60), .threads = 1});
  rig.answers(Verdict::kResolved, "sha256:1");
  rig.checker.watch(kPets, question_of("tag", "sha256:1"), false);
  rig.pass(std::chrono::seconds(60));
  rig.wait_for_told(1);
  CHECK(rig.asked() == 1);
  rig.answers(Verdict::kResolved, "sha256:2");
  rig.pass(std::chrono::seconds(61));
  rig.wait_for_told(2);
  CHECK(rig.wait_for_asked(3) == std::vector<std::string>{"tag", "tag, known as sha256:1", "sha256:1"});
}

TEST_CASE("what an image was resolved to is told when it is looked up again, by whomever, also after a failure") {
  Rig rig;
  rig.answers(Verdict::kResolved, "sha256:1");
  rig.checker.watch(kPets, question_of("tag"), true);
  rig.wait_for_told(1);
  rig.answers(Verdict::kCredentialRefused);
  const ImageQuestion another = by(question_of("tag"), "other");
  rig.checker.watch({"zoo", "other"}, another, true);
  rig.wait_for_told(2);
  rig.pass(std::chrono::seconds(31));
  CHECK(rig.wait_for_asked(3) == std::vector<std::string>{"tag", "tag, known as sha256:1", "tag, known as sha256:1"});
}

TEST_CASE("what was found is known on when pods have been pinned to it, and is nothing for another image") {
  Rig rig;
  rig.answers(Verdict::kResolved, "sha256:1");
  rig.checker.watch(kPets, question_of("1"), true);
  rig.wait_for_told(1);
  rig.checker.watch(kPets, question_of("1", "sha256:1"), false);
  REQUIRE(rig.checker.answer(kPets, question_of("1", "sha256:1")));
  CHECK(rig.asked() == 1);
  rig.checker.watch(kPets, question_of("2", "sha256:1"), false);
  CHECK(rig.checker.answer(kPets, question_of("2", "sha256:1")) == nullptr);
}

TEST_CASE("a registry that cannot be reached is left alone for a while, for all of its images and whoever asks") {
  Rig rig;
  rig.answers(Verdict::kUnavailable, {}, 0, true);
  rig.checker.watch(kPets, question_of("1"), true);
  rig.wait_for_told(1);
  rig.checker.watch({"zoo", "other"}, by(question_of("2"), "other"), true);
  rig.wait_for_told(2);
  CHECK(rig.checker.answer({"zoo", "other"}, by(question_of("2"), "other"))->named.verdict == Verdict::kUnavailable);
  CHECK(rig.asked() == 1);
  rig.pass(std::chrono::seconds(6));
  rig.wait_for_asked(2);
}

TEST_CASE("what a registry answers to one credential answers nobody else's questions") {
  const Verdict verdict = GENERATE(Verdict::kUnavailable, Verdict::kThrottled);
  Rig rig;
  rig.answers(verdict, {}, 100);
  rig.checker.watch(kPets, by(question_of("1"), "noisy"), true);
  rig.wait_for_told(1);
  rig.answers(Verdict::kResolved, "sha256:1");
  rig.checker.watch({"zoo", "same"}, by(question_of("2"), "noisy"), true);
  rig.wait_for_told(2);
  CHECK(rig.checker.answer({"zoo", "same"}, by(question_of("2"), "noisy"))->named.verdict == verdict);
  CHECK(rig.asked() == 1);
  rig.checker.watch({"zoo", "other"}, by(question_of("1"), "other"), true);
  rig.wait_for_told(3);
  CHECK(rig.checker.answer({"zoo", "other"}, by(question_of("1"), "other"))->named.digest == "sha256:1");
  // The next one, less often than else.
  rig.checker.watch({"zoo", "anybody"}, question_of("1"), true);
  rig.clock.wait_for_waiters(1);
  CHECK(rig.asked() == 2);
  rig.pass(std::chrono::milliseconds(401));
  rig.wait_for_asked(3);
}

TEST_CASE("a registry that asks for a pause gets it") {
  Rig rig;
  rig.answers(Verdict::kThrottled, {}, 100);
  rig.checker.watch(kPets, question_of("1"), true);
  rig.wait_for_told(1);
  rig.pass(std::chrono::seconds(90));
  rig.clock.wait_for_waiters(1);
  CHECK(rig.asked() == 1);
  rig.pass(std::chrono::seconds(11));
  rig.wait_for_asked(2);
}

TEST_CASE("of many images ten are asked for at once, and then five a second") {
  Rig rig;
  rig.answers(Verdict::kResolved, "sha256:1");
  for (int i = 0; i < 30; ++i) rig.checker.watch({"zoo", std::to_string(i)}, question_of(std::to_string(i)), true);
  rig.wait_for_asked(10);
  rig.clock.wait_for_waiters(1);
  CHECK(rig.asked() == 10);
  rig.pass(std::chrono::seconds(1));
  rig.wait_for_asked(15);
  rig.clock.wait_for_waiters(1);
  CHECK(rig.asked() == 15);
}

TEST_CASE("a registry that is slow leaves half of the threads to others") {
  std::mutex mutex;
  std::condition_variable changed;
  int slow = 0, quick = 0;
  bool open = false;
  testing::FakeClock clock;
  MetricsRegistry metrics;
  ImageChecker checker(
      {.servers = {"azurecr.io"}, .threads = 8},
      [&](const registry::ImageReference& reference, const auto&, const Preflight*, std::stop_token) {
        std::unique_lock lock(mutex);
        const bool is_slow = reference.server == "slow.azurecr.io";
        ++(is_slow ? slow : quick);
        changed.notify_all();
        changed.wait(lock, [&] { return open || !is_slow; });
        return Preflight{};
      },
      [](const ObjectKey&) {}, clock, metrics);
  checker.start();
  for (int i = 0; i < 8; ++i) {
    ImageQuestion question = question_of(std::to_string(i));
    question.reference.server = "slow.azurecr.io";
    checker.watch({"zoo", std::to_string(i)}, question, true);
  }
  checker.watch(kPets, question_of("1"), true);
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return slow == 4 && quick == 1; }));
  open = true;
  changed.notify_all();
  lock.unlock();
  checker.stop();
}
