#include "operator/runtime/inquiries.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using runtime::ObjectKey;

namespace {

using Numbers = runtime::Inquiries<std::string, int>;
const ObjectKey kFirst{"zoo", "first"}, kSecond{"zoo", "second"};

/// Answers every question as told; holds answers back while the gate is closed.
class Rig {
 public:
  explicit Rig(int threads = 2)
      : numbers(
            threads,
            [this](const std::string& question, auto before, std::stop_token) { return ask(question, before); },
            [this](const ObjectKey& key) { told(key); }, clock) {
    numbers.start();
  }
  ~Rig() {
    open(true);
    numbers.stop();
  }

  void answers(std::optional<int> answer) {
    const std::lock_guard hold(mutex_);
    answer_ = answer;
  }
  void open(bool open) {
    const std::lock_guard hold(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void wait_for_asked(int count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return asked_ >= count; }));
  }
  void wait_for_told(int count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return told_ >= count; }));
  }
  /// As soon as all threads have nothing to do.
  void advance(Duration duration) {
    clock.wait_for_waiters(2);
    clock.advance(duration);
  }
  int asked() {
    const std::lock_guard hold(mutex_);
    return asked_;
  }
  int most_at_once() {
    const std::lock_guard hold(mutex_);
    return most_;
  }
  int told() {
    const std::lock_guard hold(mutex_);
    return told_;
  }

 private:
  Numbers::Reply ask(const std::string&, const std::shared_ptr<const int>&) {
    std::unique_lock lock(mutex_);
    ++asked_;
    most_ = std::max(most_, ++busy_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    --busy_;
    return {answer_, std::chrono::seconds(10)};
  }
  void told(const ObjectKey&) {
    const std::lock_guard hold(mutex_);
    ++told_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<int> answer_ = 7;
  bool open_ = true;
  int asked_ = 0, told_ = 0, busy_ = 0, most_ = 0;

 public:
  testing::FakeClock clock;
  Numbers numbers;
};

int value(const std::shared_ptr<const int>& answer) {
  return answer ? *answer : -1;
}

}  // namespace

TEST_CASE("Objects with the same question share one answer and both are told") {
  Rig rig;
  rig.open(false);
  rig.numbers.watch(kFirst, "q", "question");
  rig.numbers.watch(kSecond, "q", "question");
  rig.wait_for_asked(1);
  CHECK(rig.numbers.answer(kFirst, "q") == nullptr);
  rig.open(true);
  rig.wait_for_told(2);
  CHECK(value(rig.numbers.answer(kFirst, "q")) == 7);
  CHECK(value(rig.numbers.answer(kSecond, "q")) == 7);
  CHECK(rig.numbers.answer(kFirst, "another") == nullptr);
  CHECK(rig.asked() == 1);
}

TEST_CASE("Who comes later is told at once of what is known") {
  Rig rig;
  rig.numbers.watch(kFirst, "q", "question");
  rig.wait_for_told(1);
  rig.numbers.watch(kSecond, "q", "question");
  CHECK(rig.told() == 2);
  rig.numbers.watch(kSecond, "q", "question");
  CHECK(rig.told() == 2);
  CHECK(rig.asked() == 1);
}

TEST_CASE("A question is asked again after its time, and only another answer is told") {
  Rig rig;
  rig.numbers.watch(kFirst, "q", "question");
  rig.wait_for_told(1);
  rig.advance(std::chrono::seconds(11));
  rig.wait_for_asked(2);
  rig.answers(8);
  rig.advance(std::chrono::seconds(11));
  rig.wait_for_told(2);
  CHECK(value(rig.numbers.answer(kFirst, "q")) == 8);
  rig.answers(std::nullopt);
  rig.advance(std::chrono::seconds(11));
  rig.wait_for_asked(4);
  CHECK(value(rig.numbers.answer(kFirst, "q")) == 8);
  CHECK(rig.told() == 2);
}

TEST_CASE("A question that is left and taken up again while it is asked is asked once") {
  Rig rig;
  rig.open(false);
  rig.numbers.watch(kFirst, "q", "question");
  rig.wait_for_asked(1);
  rig.numbers.forget(kFirst);
  rig.numbers.watch(kSecond, "q", "question");
  rig.open(true);
  rig.wait_for_told(1);
  CHECK(rig.asked() == 1);
  CHECK(value(rig.numbers.answer(kSecond, "q")) == 7);
}

TEST_CASE("What nobody asks any more is asked no more and forgotten") {
  Rig rig;
  rig.numbers.watch(kFirst, "q", "question");
  rig.wait_for_told(1);
  rig.numbers.watch(kFirst, "r", "another question");
  rig.wait_for_told(2);
  rig.numbers.forget(kFirst);
  CHECK(rig.numbers.answer(kFirst, "r") == nullptr);
  rig.advance(std::chrono::hours(1));
  rig.numbers.watch(kSecond, "s", "a third");
  rig.wait_for_told(3);
  CHECK(rig.asked() == 3);
}

TEST_CASE("A question that could wait is asked at once when somebody comes who cannot") {
  Rig rig;
  rig.numbers.watch(kFirst, "q", "question", std::chrono::minutes(10));
  rig.numbers.watch(kSecond, "r", "another", std::chrono::minutes(10));
  CHECK(rig.asked() == 0);
  rig.numbers.watch({"zoo", "third"}, "q", "question");
  rig.wait_for_told(2);
  rig.numbers.watch(kSecond, "r", "another");
  rig.wait_for_told(3);
  CHECK(rig.asked() == 2);
}

TEST_CASE("As many questions are asked at once as there may be threads") {
  Rig rig(3);
  rig.open(false);
  for (int i = 0; i < 8; ++i) rig.numbers.watch({"zoo", std::to_string(i)}, std::to_string(i), "question");
  rig.wait_for_asked(3);
  rig.open(true);
  rig.wait_for_told(8);
  CHECK(rig.most_at_once() == 3);
  CHECK(rig.asked() == 8);
}
