#include "operator/kubernetes/fault_transport.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <optional>
#include <utility>

#include "common/guarded.hpp"

namespace imageclassifier::kubernetes {
namespace {

// Answers kept for "stale": of so many requests the last few, each up to a size.
constexpr std::size_t kMaximumRemembered = 256;
constexpr std::size_t kAnswersEach = 4;
constexpr std::size_t kMaximumBody = 1 << 20;

bool is_of_line(Fault fault) {
  return fault == Fault::kDrop || fault == Fault::kDuplicate || fault == Fault::kLate || fault == Fault::kGarble;
}

std::string line_of(const Request& request) {
  return std::string(to_string(request.method)) + " " + request.target.substr(0, request.target.find('?'));
}

std::string garbled(std::string text, std::uint64_t random) {
  if (text.empty()) return "\xff";
  const std::size_t place = random % text.size();
  if ((random >> 40) % 2 == 0) return text.substr(0, place);
  for (std::size_t i = place; i < std::min(text.size(), place + 3); ++i)
    text[i] = static_cast<char>(random >> (i % 50));
  return text;
}

Response made_up(const FaultRule& rule) {
  Response response;
  response.status = rule.code;
  const std::string retry = std::to_string(rule.retry_after);
  response.headers.push_back({"Content-Type", "application/json"});
  if (rule.retry_after >= 0) response.headers.push_back({"Retry-After", retry});
  const char* reason = rule.code == 410   ? "Expired"
                       : rule.code == 429 ? "TooManyRequests"
                       : rule.code == 503 ? "ServiceUnavailable"
                                          : "InternalError";
  response.body = R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"injected fault","reason":")" +
                  std::string(reason) + R"(","code":)" + std::to_string(rule.code) + "}";
  return response;
}

/// The namespaces of tests have random names, and a seed is to mean the same in each.
std::string without_namespace(std::string key) {
  constexpr std::string_view kSegment = "/namespaces/";
  const std::size_t segment = key.find(kSegment);
  if (segment == std::string::npos) return key;
  const std::size_t begin = segment + kSegment.size();
  key.erase(begin, std::min(key.find('/', begin), key.size()) - begin);
  return key;
}

}  // namespace

struct FaultTransport::Impl {
  struct Counts {
    std::map<std::string, std::uint64_t> asked;   // by method and path
    std::map<std::string, std::uint64_t> in_row;  // faulty requests in a row, by method and path
    std::vector<std::uint64_t> matched, hits;     // by rule
    std::map<std::string, std::uint64_t> injected;
    std::map<std::string, std::deque<Response>> answers;  // by target
  };

  /// What the plan has in store for one request.
  struct Fate {
    std::string key;           // method and path
    std::string drawn_for;     // the same without the namespace's name
    std::uint64_t number = 0;  // of the request among those of its key
    const FaultRule* fault = nullptr;
    std::uint64_t random = 0;  // for the details of `fault`
    Duration latency{};
    bool is(Fault what) const { return fault != nullptr && fault->fault == what; }
  };

  Impl(Transport& inner_in, FaultPlan plan_in, Clock& clock_in, Options options_in)
      : inner(inner_in), plan(std::move(plan_in)), clock(clock_in), options(std::move(options_in)) {
    auto locked = counts.lock();
    locked->matched.resize(plan.rules.size());
    locked->hits.resize(plan.rules.size());
  }

  bool hits(Counts& all, std::size_t index, const std::string& key, std::uint64_t number) const {
    const FaultRule& rule = plan.rules[index];
    if (all.matched[index]++ < rule.after) return false;
    if (rule.times != 0 && all.hits[index] >= rule.times) return false;
    return draw_share(plan.seed, index, key, number) < rule.probability;
  }

  void note(Counts& all, std::size_t index) const {
    ++all.hits[index];
    ++all.injected[to_string(plan.rules[index].fault)];
  }

  Duration length(const FaultRule& rule, std::uint64_t random) const {
    const double share = static_cast<double>(random >> 11) * 0x1.0p-53;
    return rule.least + std::chrono::duration_cast<Duration>((rule.most - rule.least) * share);
  }

  Fate decide(const Request& request, bool streamed) {
    Fate fate;
    fate.key = line_of(request) + (streamed ? " (watch)" : "");
    fate.drawn_for = without_namespace(fate.key);
    auto all = counts.lock();
    fate.number = all->asked[fate.key]++;
    std::uint64_t& row = all->in_row[fate.key];
    for (std::size_t i = 0; i < plan.rules.size(); ++i) {
      const FaultRule& rule = plan.rules[i];
      if (is_of_line(rule.fault) && streamed) continue;
      if (!concerns(rule, request, streamed) || !applies(rule, request, *all, streamed)) continue;
      if (!hits(*all, i, fate.drawn_for, fate.number)) continue;
      if (rule.fault == Fault::kLatency) {
        fate.latency += length(rule, draw(plan.seed, ~i, fate.drawn_for, fate.number));
        note(*all, i);
      } else if (fate.fault == nullptr && (plan.in_a_row == 0 || row < plan.in_a_row)) {
        fate.fault = &rule;
        fate.random = draw(plan.seed, ~i, fate.drawn_for, fate.number);
        note(*all, i);
      }
    }
    row = fate.fault == nullptr ? 0 : row + 1;
    return fate;
  }

  static bool applies(const FaultRule& rule, const Request& request, const Counts& all, bool streamed) {
    if (rule.fault == Fault::kStale) return !streamed && all.answers.count(request.target) > 0;
    if (rule.fault == Fault::kFreeze) return streamed;
    return streamed || !is_of_line(rule.fault) || rule.fault == Fault::kGarble;
  }

  bool wait(Duration duration, const std::stop_token& stop) {
    return duration <= Duration::zero() || clock.sleep_for(duration, stop);
  }

  void crash() const {
    if (options.crash) return options.crash();
    std::_Exit(kCrashStatus);
  }

  void remember(const Request& request, const Result<Response>& answer) {
    if (!answer || answer->status >= 300 || request.method != Method::kGet || answer->body.size() > kMaximumBody)
      return;
    const bool wanted = std::any_of(plan.rules.begin(), plan.rules.end(),
                                    [](const FaultRule& rule) { return rule.fault == Fault::kStale; });
    if (!wanted) return;
    auto all = counts.lock();
    if (all->answers.size() >= kMaximumRemembered && all->answers.count(request.target) == 0) return;
    auto& answers = all->answers[request.target];
    answers.push_back(*answer);
    if (answers.size() > kAnswersEach) answers.pop_front();
  }

  Response oldest(const Request& request) {
    return counts.with([&](Counts& all) { return all.answers[request.target].front(); });
  }

  Transport& inner;
  const FaultPlan plan;
  Clock& clock;
  const Options options;
  Guarded<Counts> counts;
};

namespace {

tl::unexpected<Error> lost() {
  return fail(ErrorCode::kUnavailable, "injected fault: the connection was lost");
}
tl::unexpected<Error> stopped() {
  return fail(ErrorCode::kCancelled, "stopped during an injected fault");
}

}  // namespace

FaultTransport::FaultTransport(Transport& inner, FaultPlan plan, Clock& clock, Options options)
    : impl_(std::make_unique<Impl>(inner, std::move(plan), clock, std::move(options))) {}
FaultTransport::~FaultTransport() = default;

Result<Response> FaultTransport::send(const Request& request, SteadyTime deadline, std::stop_token stop) {
  const Impl::Fate fate = impl_->decide(request, false);
  if (!impl_->wait(fate.latency, stop)) return stopped();
  if (fate.is(Fault::kReset)) return lost();
  if (fate.is(Fault::kStatus)) return made_up(*fate.fault);
  if (fate.is(Fault::kStale)) return impl_->oldest(request);
  if (fate.is(Fault::kCrashBefore)) impl_->crash();
  if (fate.is(Fault::kHold)) {
    if (!impl_->wait(deadline - impl_->clock.steady_now(), stop)) return stopped();
    return fail(ErrorCode::kDeadlineExceeded, "injected fault: no answer came");
  }
  Result<Response> answer = impl_->inner.send(request, deadline, stop);
  if (fate.is(Fault::kCrashAfter)) impl_->crash();
  impl_->remember(request, answer);
  if (!answer) return answer;
  if (fate.is(Fault::kLose) || fate.is(Fault::kCut)) return lost();
  if (fate.is(Fault::kGarble)) answer->body = garbled(std::move(answer->body), fate.random);
  return answer;
}

namespace {

/// Stands between the inner transport and the reader of a stream.
template <typename Impl>
class FaultySink final : public LineSink {
 public:
  FaultySink(Impl& impl, const Request& request, const typename Impl::Fate& fate, LineSink& sink, std::stop_token stop)
      : impl_(impl), request_(request), fate_(fate), sink_(sink), stop_(std::move(stop)) {
    if (fate.is(Fault::kCut) || fate.is(Fault::kFreeze)) last_byte_ = fate.random % fate_.fault->bytes;
    if (fate.is(Fault::kLose)) last_byte_ = 0;
  }

  bool on_line(std::string_view line) override {
    seen_ += line.size() + 1;
    if (last_byte_ && seen_ > *last_byte_) {
      over_ = true;
      return false;
    }
    return deliver(line);
  }

  bool over() const { return over_; }
  bool ended_by_reader() const { return ended_; }

 private:
  bool deliver(std::string_view line) {
    std::string changed;
    bool twice = false, dropped = false;
    Duration late{};
    {
      auto all = impl_.counts.lock();
      const std::uint64_t number = (fate_.number << 32) + ++line_;
      for (std::size_t i = 0; i < impl_.plan.rules.size(); ++i) {
        const FaultRule& rule = impl_.plan.rules[i];
        if (!is_of_line(rule.fault) || !concerns(rule, request_, true)) continue;
        if (!impl_.hits(*all, i, fate_.drawn_for, number)) continue;
        impl_.note(*all, i);
        const std::uint64_t random = draw(impl_.plan.seed, ~i, fate_.drawn_for, number);
        dropped |= rule.fault == Fault::kDrop;
        twice |= rule.fault == Fault::kDuplicate;
        if (rule.fault == Fault::kLate) late += impl_.length(rule, random);
        if (rule.fault == Fault::kGarble) line = changed = garbled(std::string(line), random);
      }
    }
    if (!impl_.wait(late, stop_)) return false;
    if (dropped) return true;
    const bool more = sink_.on_line(line) && (!twice || sink_.on_line(line));
    ended_ = !more;
    return more;
  }

  Impl& impl_;
  const Request& request_;
  const typename Impl::Fate& fate_;
  LineSink& sink_;
  const std::stop_token stop_;
  std::optional<std::uint64_t> last_byte_;
  std::uint64_t seen_ = 0, line_ = 0;
  bool over_ = false, ended_ = false;
};

}  // namespace

Result<StreamEnd> FaultTransport::stream(const Request& request, LineSink& sink, Duration idle_timeout,
                                         std::stop_token stop) {
  const Impl::Fate fate = impl_->decide(request, true);
  if (!impl_->wait(fate.latency, stop)) return stopped();
  if (fate.is(Fault::kReset)) return lost();
  if (fate.is(Fault::kStatus)) {
    Response answer = made_up(*fate.fault);
    return StreamEnd{StreamEnd::Cause::kRefusedByServer, answer.status, std::move(answer.headers),
                     std::move(answer.body)};
  }
  if (fate.is(Fault::kCrashBefore)) impl_->crash();
  if (fate.is(Fault::kHold)) {
    if (!impl_->wait(idle_timeout, stop)) return stopped();
    return fail(ErrorCode::kDeadlineExceeded, "injected fault: no answer came");
  }
  FaultySink faulty(*impl_, request, fate, sink, stop);
  Result<StreamEnd> end = impl_->inner.stream(request, faulty, idle_timeout, stop);
  if (fate.is(Fault::kCrashAfter)) impl_->crash();
  if (stop.stop_requested()) return end ? Result<StreamEnd>(stopped()) : end;
  if (!end || !faulty.over()) return end;
  if (fate.is(Fault::kFreeze)) {
    if (!impl_->wait(idle_timeout, stop)) return stopped();
    end->cause = StreamEnd::Cause::kIdleTimeout;
  } else {
    end->cause = StreamEnd::Cause::kBroken;
  }
  return end;
}

std::map<std::string, std::uint64_t> FaultTransport::injected() const {
  return impl_->counts.with([](const Impl::Counts& all) { return all.injected; });
}

}  // namespace imageclassifier::kubernetes
