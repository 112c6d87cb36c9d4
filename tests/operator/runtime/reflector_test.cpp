#include "operator/runtime/reflector.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using namespace imageclassifier::runtime::reflector;
using namespace std::chrono_literals;
using Type = EventArrived::Type;

namespace {

Options by_lists() {
  Options options;
  options.stream_list = false;
  return options;
}

// Drives the machine in virtual time; remembers the last step.
struct Machine {
  State state;
  Options options = by_lists();
  SteadyTime now = SteadyTime(1000h);
  double random = 0;
  Step last;

  Machine& operator()(const Input& input) {
    last = step(state, input, {now, random}, options);
    return *this;
  }
  Machine& after(Duration duration) {
    now += duration;
    return *this;
  }
  /// Start, one page, watch open.
  Machine& synced(const std::string& version = "100") { return (*this)(Start{})(PageArrived{version, ""}); }

  template <typename T>
  const T& action() const {
    REQUIRE(last.action);
    REQUIRE(std::holds_alternative<T>(*last.action));
    return std::get<T>(*last.action);
  }
  std::vector<StoreEffect> store() const { return last.store; }
};

using Effects = std::vector<StoreEffect>;

}  // namespace

TEST_CASE("the first list asks for the newest state, page by page") {
  Machine machine;
  machine(Start{});
  CHECK(machine.action<SendList>().resource_version.empty());
  CHECK(machine.action<SendList>().limit == 500);
  machine(PageArrived{"100", "next"});
  CHECK(machine.store() == Effects{StoreEffect::kStagePage});
  CHECK(machine.action<SendList>().continue_token == "next");
  CHECK(machine.action<SendList>().resource_version.empty());
  CHECK_FALSE(machine.state.synced);
}

TEST_CASE("the version of a list is that of its first page") {
  Machine machine;
  machine(Start{})(PageArrived{"100", "next"})(PageArrived{"107", ""});
  CHECK(machine.store() == Effects{StoreEffect::kStagePage, StoreEffect::kCommit});
  CHECK(machine.state.synced);
  CHECK(machine.action<OpenWatch>().resource_version == "100");
}

TEST_CASE("an expired second page leads to one whole list at the version asked for first") {
  Machine machine;
  machine(Start{})(PageArrived{"100", "next"})(ListFailed{Failure::kExpired, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  CHECK(machine.action<SendList>().limit == 0);
  CHECK(machine.action<SendList>().continue_token.empty());
  CHECK(machine.action<SendList>().resource_version.empty());
  machine(PageArrived{"200", ""});
  CHECK(machine.action<OpenWatch>().resource_version == "200");
}

TEST_CASE("time-outs of watches are spread: 300 to 600 s at the server, 75 to 95 s of silence at our side") {
  Machine machine;
  machine.synced();
  CHECK(machine.action<OpenWatch>().timeout == 300s);
  CHECK(machine.action<OpenWatch>().idle_timeout == Duration(75s));
  machine.random = 0.999;
  machine.after(300s)(WatchEnded{});
  CHECK(machine.action<OpenWatch>().timeout == 599s);
  CHECK(machine.action<OpenWatch>().idle_timeout > Duration(94s));
  CHECK(machine.action<OpenWatch>().idle_timeout <= Duration(95s));
}

TEST_CASE("every event and every bookmark moves the version, and a new watch starts from it without a list") {
  Machine machine;
  machine.synced();
  machine(EventArrived{Type::kAdded, "101"});
  CHECK(machine.store() == Effects{StoreEffect::kApplyEvent});
  CHECK_FALSE(machine.last.action);
  machine(EventArrived{Type::kDeleted, "102"});
  CHECK(machine.store() == Effects{StoreEffect::kApplyEvent});
  machine(EventArrived{Type::kBookmark, "150"});
  CHECK(machine.store() == Effects{StoreEffect::kAdvance});
  machine.after(75s)(WatchEnded{});
  CHECK(machine.action<OpenWatch>().resource_version == "150");
}

TEST_CASE("a 410 leads to one list at once, at least as new as what is known, without paging") {
  Machine machine;
  machine.synced()(EventArrived{Type::kModified, "150"})(WatchFailed{Failure::kExpired, {}});
  CHECK(machine.action<SendList>().resource_version == "150");
  CHECK(machine.action<SendList>().limit == 0);
  machine(PageArrived{"900", ""});
  CHECK(machine.action<OpenWatch>().resource_version == "900");
}

TEST_CASE("a second 410 soon after the content is answered after a pause only, whatever was heard between") {
  const bool heard = GENERATE(false, true);
  Machine machine;
  machine.synced()(WatchFailed{Failure::kExpired, {}})(PageArrived{"200", ""});
  if (heard) machine(EventArrived{Type::kBookmark, "201"});
  machine(WatchFailed{Failure::kExpired, {}});
  CHECK(machine.action<Pause>().length == Duration(800ms));
  machine(PauseOver{});
  machine.action<SendList>();
}

TEST_CASE("a list whose version the server has not, or has no more, is asked once more for the newest state") {
  const Failure failure = GENERATE(Failure::kExpired, Failure::kTooLargeResourceVersion);
  Machine machine;
  machine.synced()(WatchFailed{Failure::kExpired, {}})(ListFailed{failure, {}});
  CHECK(machine.action<SendList>().resource_version.empty());
  CHECK(machine.action<SendList>().limit == 500);
  SECTION("and if that fails too, after a pause") {
    machine(ListFailed{failure, {}});
    machine.action<Pause>();
  }
  SECTION("and after success versions are used again") {
    machine(PageArrived{"150", ""})(EventArrived{Type::kAdded, "151"}).after(30s)(WatchFailed{Failure::kExpired, {}});
    CHECK(machine.action<SendList>().resource_version == "151");
  }
}

TEST_CASE("a whole list that is too large is asked for page by page, then and later") {
  Machine machine;
  machine.synced()(WatchFailed{Failure::kExpired, {}});
  CHECK(machine.action<SendList>().limit == 0);
  machine(ListFailed{Failure::kTooLarge, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  CHECK(machine.action<SendList>().limit == 500);
  CHECK(machine.action<SendList>().resource_version.empty());
  SECTION("also after the next 410") {
    machine(PageArrived{"150", ""})(EventArrived{Type::kAdded, "151"}).after(30s)(WatchFailed{Failure::kExpired, {}});
    CHECK(machine.action<SendList>().limit == 500);
    CHECK(machine.action<SendList>().resource_version.empty());
  }
  SECTION("also after a page that has expired") {
    machine(PageArrived{"150", "next"})(ListFailed{Failure::kExpired, {}});
    CHECK(machine.action<SendList>().limit == 500);
  }
  SECTION("a page that is too large is asked for again after a pause, with fewer objects, until the content is there") {
    for (const int limit : {250, 125}) {
      machine(ListFailed{Failure::kTooLarge, {}});
      machine.action<Pause>();
      machine(PauseOver{});
      CHECK(machine.action<SendList>().limit == limit);
    }
    machine(PageArrived{"150", "next"});
    CHECK(machine.action<SendList>().limit == 125);
    machine(PageArrived{"150", ""}).after(30s)(WatchFailed{Failure::kExpired, {}});
    CHECK(machine.action<SendList>().limit == 500);
  }
}

TEST_CASE("a refused connection or a 429 pauses and watches again from the same version") {
  const Failure failure = GENERATE(Failure::kUnreachable, Failure::kTooManyRequests);
  Machine machine;
  machine.synced();
  for (int i = 0; i < 50; ++i) {
    machine(WatchFailed{failure, {}});
    machine.after(machine.action<Pause>().length)(PauseOver{});
    CHECK(machine.action<OpenWatch>().resource_version == "100");
  }
}

TEST_CASE("the server's Retry-After is a lower bound of the pause") {
  Machine machine;
  machine.synced()(WatchFailed{Failure::kTooManyRequests, 7s});
  CHECK(machine.action<Pause>().length == Duration(7s));
}

TEST_CASE("the back-off goes from 800 ms to 30 s by doubling, at most doubled by jitter, and begins anew after calm") {
  Machine machine;
  machine.synced();
  const auto next_pause = [&] {
    machine(WatchFailed{Failure::kUnreachable, {}});
    const Duration length = machine.action<Pause>().length;
    machine.after(length)(PauseOver{});
    return length;
  };
  for (const Duration expected : {800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30000ms, 30000ms}) {
    CHECK(next_pause() == expected);
  }
  machine.random = 0.5;
  CHECK(next_pause() == Duration(45s));
  machine.random = 0;
  machine.after(119s);
  CHECK(next_pause() == Duration(30s));
  machine.after(120s);
  CHECK(next_pause() == Duration(800ms));
}

TEST_CASE("a watch that closes within a second without an event pauses, any other goes on at once") {
  Machine machine;
  machine.synced();
  SECTION("short and empty") {
    machine.after(999ms)(WatchEnded{});
    machine.action<Pause>();
    machine(PauseOver{});
    CHECK(machine.action<OpenWatch>().resource_version == "100");
  }
  SECTION("short with nothing new") {
    machine(EventArrived{Type::kBookmark, "100"}).after(10ms)(WatchEnded{});
    machine.action<Pause>();
  }
  SECTION("short with an event, but not again and again") {
    for (int i = 1; i <= 3; ++i) {
      machine(EventArrived{Type::kBookmark, "10" + std::to_string(i)}).after(10ms)(WatchEnded{});
      machine.action<OpenWatch>();
    }
    machine(EventArrived{Type::kBookmark, "104"}).after(10ms)(WatchEnded{});
    machine.action<Pause>();
  }
  SECTION("long and empty") {
    machine.after(1s)(WatchEnded{});
    machine.action<OpenWatch>();
  }
}

TEST_CASE("server errors and garbage keep the version for some watches, then a list is tried") {
  const Failure failure = GENERATE(Failure::kServerError, Failure::kMalformed);
  Machine machine;
  machine.synced();
  for (int i = 0; i < 4; ++i) {
    machine(WatchFailed{failure, {}})(PauseOver{});
    CHECK(machine.action<OpenWatch>().resource_version == "100");
  }
  SECTION("the fifth in a row") {
    machine(WatchFailed{failure, {}})(PauseOver{});
    machine.action<SendList>();
  }
  SECTION("an event between starts the count anew") {
    machine(EventArrived{Type::kAdded, "101"})(WatchFailed{failure, {}})(PauseOver{});
    CHECK(machine.action<OpenWatch>().resource_version == "101");
  }
}

TEST_CASE("a failed list pauses and lists again") {
  Machine machine;
  machine(Start{})(ListFailed{Failure::kUnreachable, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  machine.action<Pause>();
  machine(PauseOver{});
  machine.action<SendList>();
}

TEST_CASE("a watch that is forbidden or unknown leads to a list after a pause") {
  Machine machine;
  machine.synced()(WatchFailed{Failure::kOther, {}});
  machine.action<Pause>();
  machine(PauseOver{});
  CHECK(machine.action<SendList>().resource_version == "100");
}

TEST_CASE("a kind that may be missing is empty while it is, and looked for at an even pace") {
  Machine machine;
  machine.options.stream_list = GENERATE(true, false);
  machine.options.may_be_missing = true;
  machine(Start{});
  for (int look = 0; look < 20; ++look) {
    if (machine.options.stream_list) {
      machine(WatchFailed{Failure::kNoSuchKind, {}});
    } else {
      machine(ListFailed{Failure::kNoSuchKind, {}});
    }
    CHECK(machine.store() == Effects{StoreEffect::kDiscard, StoreEffect::kCommit});
    CHECK(machine.state.synced);
    CHECK(machine.state.missing);
    CHECK(machine.action<Pause>().length == 4s);
    machine.after(4s)(PauseOver{});
  }
  if (machine.options.stream_list) {
    machine(EventArrived{Type::kBookmark, "100", true});
  } else {
    machine(PageArrived{"100", ""});
  }
  CHECK_FALSE(machine.state.missing);
  machine.after(10s)(WatchEnded{})(WatchFailed{Failure::kNoSuchKind, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard, StoreEffect::kCommit});
  CHECK(machine.state.missing);
}

TEST_CASE("a kind that has to be there is not taken for empty when it is missing") {
  Machine machine;
  machine(Start{})(ListFailed{Failure::kNoSuchKind, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  CHECK_FALSE(machine.state.synced);
}

TEST_CASE("inputs out of turn do nothing") {
  Machine machine;
  for (const Input& input : {Input(PageArrived{"1", ""}), Input(ListFailed{}), Input(EventArrived{}),
                             Input(WatchFailed{}), Input(WatchEnded{}), Input(PauseOver{})}) {
    machine(input);
    CHECK_FALSE(machine.last.action);
    CHECK(machine.store().empty());
  }
  CHECK(machine.state.phase == State::Phase::kNew);
}

TEST_CASE("a streaming list stages what comes before the end mark and goes on watching on the same stream") {
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{});
  CHECK(machine.action<OpenWatch>().send_initial_events);
  CHECK(machine.action<OpenWatch>().resource_version.empty());
  machine(EventArrived{Type::kAdded, "90"});
  CHECK(machine.store() == Effects{StoreEffect::kStageEvent});
  machine(EventArrived{Type::kBookmark, "95"});
  CHECK(machine.store().empty());
  CHECK_FALSE(machine.state.synced);
  machine(EventArrived{Type::kBookmark, "100", true});
  CHECK(machine.store() == Effects{StoreEffect::kCommit});
  CHECK_FALSE(machine.last.action);
  CHECK(machine.state.synced);
  machine(EventArrived{Type::kAdded, "101"});
  CHECK(machine.store() == Effects{StoreEffect::kApplyEvent});
  machine.after(90s)(WatchEnded{});
  CHECK(machine.action<OpenWatch>().resource_version == "101");
  CHECK_FALSE(machine.action<OpenWatch>().send_initial_events);
}

TEST_CASE("an expired version is answered by a new streaming list, never by a list") {
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{})(EventArrived{Type::kBookmark, "100", true});
  machine.after(300s)(WatchEnded{})(WatchFailed{Failure::kExpired, {}});
  CHECK(machine.action<OpenWatch>().send_initial_events);
  CHECK(machine.action<OpenWatch>().resource_version.empty());
}

TEST_CASE("a server that refuses streaming lists is listed, then and later") {
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{})(WatchFailed{Failure::kNotUnderstood, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  CHECK(machine.action<SendList>().resource_version.empty());
  machine(PageArrived{"100", ""})(WatchFailed{Failure::kExpired, {}});
  CHECK(std::holds_alternative<SendList>(*machine.last.action));
}

TEST_CASE("a streaming list that breaks before its end mark is thrown away") {
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{})(EventArrived{Type::kAdded, "90"})(WatchEnded{});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  machine(PauseOver{});
  CHECK(machine.action<SendList>().resource_version.empty());
}

TEST_CASE("whatever goes wrong before the end mark, the content comes by a list, and the next time by a stream again") {
  const Failure failure = GENERATE(Failure::kExpired, Failure::kTooLargeResourceVersion, Failure::kTooManyRequests,
                                   Failure::kServerError, Failure::kUnreachable, Failure::kMalformed, Failure::kOther);
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{})(EventArrived{Type::kAdded, "90"})(WatchFailed{failure, {}});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  if (std::holds_alternative<Pause>(*machine.last.action)) machine(PauseOver{});
  CHECK(machine.action<SendList>().resource_version.empty());
  machine(PageArrived{"100", ""})(WatchFailed{Failure::kExpired, {}});
  CHECK(machine.action<OpenWatch>().send_initial_events);
}

TEST_CASE("versions of synthetic events are not used, as they come in no order") {
  Machine machine;
  machine.options.stream_list = true;
  machine(Start{})(EventArrived{Type::kAdded, "90"})(EventArrived{Type::kAdded, "20"});
  CHECK(machine.state.resource_version.empty());
  machine(EventArrived{Type::kDeleted, "91"});
  CHECK(machine.store() == Effects{StoreEffect::kDiscard});
  CHECK(machine.action<SendList>().resource_version.empty());
}

TEST_CASE("an event older than what is known is passed over, one of the same version is not") {
  Machine machine;
  machine.synced("100")(EventArrived{Type::kAdded, "101"});
  for (const char* seen : {"100", "9"}) {
    machine(EventArrived{Type::kModified, seen});
    CHECK(machine.store() == Effects{StoreEffect::kStale});
    CHECK(machine.state.resource_version == "101");
  }
  machine(EventArrived{Type::kDeleted, "101"});
  CHECK(machine.store() == Effects{StoreEffect::kApplyEvent});
  machine(EventArrived{Type::kBookmark, "101"});
  CHECK(machine.store() == Effects{StoreEffect::kAdvance});
}

TEST_CASE("the cache never goes back in time, unless the server insists") {
  Machine machine;
  machine.synced("1000")(WatchFailed{Failure::kExpired, {}});
  for (int i = 0; i < 6; ++i) {
    machine(PageArrived{"999", ""});
    CHECK(machine.store() == Effects{StoreEffect::kStale, StoreEffect::kDiscard});
    CHECK(machine.state.resource_version == "1000");
    machine.after(machine.action<Pause>().length)(PauseOver{});
    CHECK(machine.action<SendList>().resource_version.empty());
  }
  SECTION("an up to date answer ends it") {
    machine(PageArrived{"1001", ""});
    CHECK(machine.action<OpenWatch>().resource_version == "1001");
    CHECK(machine.state.stale_lists == 0);
  }
  SECTION("a server restored from a backup is believed at last") {
    machine(PageArrived{"999", ""});
    CHECK(machine.action<OpenWatch>().resource_version == "999");
  }
}

TEST_CASE("after the first list no request ever asks for version 0") {
  Machine machine;
  machine.options.stream_list = GENERATE(false, true);
  std::uint64_t random = 1;
  const auto next = [&](std::uint64_t below) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return (random >> 33) % below;
  };
  machine(Start{});
  int version = 1;
  for (int i = 0; i < 5000; ++i) {
    const auto failure = static_cast<Failure>(next(8));
    switch (next(7)) {
      case 0:
        machine(PageArrived{std::to_string(++version), next(2) ? "more" : ""});
        break;
      case 1:
        machine(ListFailed{failure, {}});
        break;
      case 2:
        machine(EventArrived{static_cast<Type>(next(4)), std::to_string(++version), next(2) == 0});
        break;
      case 3:
        machine(WatchFailed{failure, {}});
        break;
      case 4:
        machine(WatchEnded{});
        break;
      default:
        machine.after(1s)(PauseOver{});
    }
    if (!machine.last.action) continue;
    if (const auto* sent = std::get_if<SendList>(&*machine.last.action)) {
      CHECK(sent->resource_version != "0");
      CHECK((sent->continue_token.empty() || sent->resource_version.empty()));
    } else if (const auto* watch = std::get_if<OpenWatch>(&*machine.last.action)) {
      CHECK(watch->resource_version != "0");
      CHECK(watch->resource_version.empty() == watch->send_initial_events);
    }
  }
}

TEST_CASE("a server that closes every watch at once is asked at most every 30 seconds") {
  Machine machine;
  machine.synced();
  SteadyTime last = machine.now;
  for (int i = 0; i < 30; ++i) {
    machine.random = (i % 10) / 10.0;
    machine(WatchEnded{});
    machine.after(machine.action<Pause>().length)(PauseOver{});
    if (i >= 6) CHECK(machine.now - last >= 30s);
    last = machine.now;
  }
}

TEST_CASE("a version that a server has not yet is asked for again after the time that it names, without a list") {
  Machine machine;
  machine.synced()(WatchFailed{Failure::kTooLargeResourceVersion, 3s});
  CHECK(machine.action<Pause>().length == Duration(3s));
  machine(PauseOver{});
  CHECK(machine.action<OpenWatch>().resource_version == "100");
}
