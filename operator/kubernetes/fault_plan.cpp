#include "operator/kubernetes/fault_plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace imageclassifier::kubernetes {
namespace {

using Selector = FaultRule::Selector;

constexpr std::array<std::pair<std::string_view, Fault>, 14> kFaults = {{{"reset", Fault::kReset},
                                                                         {"lose", Fault::kLose},
                                                                         {"hold", Fault::kHold},
                                                                         {"status", Fault::kStatus},
                                                                         {"stale", Fault::kStale},
                                                                         {"crash-before", Fault::kCrashBefore},
                                                                         {"crash-after", Fault::kCrashAfter},
                                                                         {"latency", Fault::kLatency},
                                                                         {"cut", Fault::kCut},
                                                                         {"freeze", Fault::kFreeze},
                                                                         {"drop", Fault::kDrop},
                                                                         {"duplicate", Fault::kDuplicate},
                                                                         {"late", Fault::kLate},
                                                                         {"garble", Fault::kGarble}}};

constexpr std::array<std::pair<std::string_view, Selector>, 9> kSelectors = {{{"any", Selector::kAny},
                                                                              {"read", Selector::kRead},
                                                                              {"get", Selector::kGet},
                                                                              {"watch", Selector::kWatch},
                                                                              {"write", Selector::kWrite},
                                                                              {"post", Selector::kPost},
                                                                              {"put", Selector::kPut},
                                                                              {"patch", Selector::kPatch},
                                                                              {"delete", Selector::kDelete}}};

template <typename Table>
std::string names_of(const Table& table) {
  std::string names;
  for (const auto& [name, value] : table) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

template <typename Table>
auto value_of(const Table& table, std::string_view wanted) -> std::optional<decltype(table[0].second)> {
  for (const auto& [name, value] : table) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

tl::unexpected<Error> unclear(std::string_view item, const std::string& problem) {
  return fail(ErrorCode::kInvalidArgument, "fault \"" + std::string(item) + "\": " + problem);
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The text up to `mark`, which is taken off `rest` together with the mark.
std::string_view take_until(std::string_view& rest, char mark) {
  const std::size_t end = rest.find(mark);
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

std::optional<double> share(std::string_view text) {
  double number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0 && number <= 1)) return std::nullopt;
  return number;
}

bool set_duration(FaultRule& rule, std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto least = whole_number(text.substr(0, dash));
  const auto most = dash == std::string_view::npos ? least : whole_number(text.substr(dash + 1));
  if (!least || !most || *least > *most || *most > 3'600'000) return false;
  rule.least = std::chrono::milliseconds(*least);
  rule.most = std::chrono::milliseconds(*most);
  return true;
}

bool set(FaultRule& rule, std::string_view key, std::string_view text) {
  if (key == "ms") return set_duration(rule, text);
  const auto number = whole_number(text);
  if (!number) return false;
  if (key == "after") rule.after = *number;
  if (key == "times") rule.times = *number;
  if (key == "bytes") rule.bytes = std::max<std::uint64_t>(1, *number);
  if (key == "code") rule.code = static_cast<int>(*number);
  if (key == "retry") rule.retry_after = static_cast<int>(*number);
  if (key == "code") return *number >= 400 && *number <= 599;
  if (key == "retry") return *number <= 3600;
  return key == "after" || key == "times" || key == "bytes";
}

Result<FaultRule> parse_rule(std::string_view item) {
  FaultRule rule;
  std::string_view rest = item;
  std::string_view where = take_until(rest, '=');
  const std::string_view selector = take_until(where, '@');
  const auto known_selector = value_of(kSelectors, selector);
  if (!known_selector) {
    return unclear(item, "\"" + std::string(selector) + "\" selects no requests; use seed, in-a-row, or one of " +
                             names_of(kSelectors));
  }
  rule.selector = *known_selector;
  rule.part = where;
  const std::string_view fault = take_until(rest, ':');
  const auto known_fault = value_of(kFaults, fault);
  if (!known_fault) return unclear(item, "\"" + std::string(fault) + "\" is no fault; use one of " + names_of(kFaults));
  rule.fault = *known_fault;
  while (!rest.empty()) {
    std::string_view option = take_until(rest, ':');
    const std::string whole(option);
    if (option.find('=') == std::string_view::npos) {
      const auto probability = share(option);
      if (!probability) return unclear(item, "\"" + whole + "\" is no probability between 0 and 1, such as 0.25");
      rule.probability = *probability;
      continue;
    }
    const std::string_view key = take_until(option, '=');
    if (!set(rule, key, option)) {
      return unclear(item, "\"" + whole +
                               "\" is not understood; use after=N, times=N, ms=N or ms=LEAST-MOST (up to an hour), "
                               "code=400..599, retry=SECONDS (up to an hour) or bytes=N");
    }
  }
  return rule;
}

/// Why the rule can never hit, whatever is requested; empty if it can.
std::string why_never(const FaultRule& rule) {
  const bool watches =
      rule.selector == Selector::kAny || rule.selector == Selector::kRead || rule.selector == Selector::kWatch;
  const std::string fault = to_string(rule.fault);
  const bool needs_watch = rule.fault == Fault::kFreeze || rule.fault == Fault::kDrop ||
                           rule.fault == Fault::kDuplicate || rule.fault == Fault::kLate;
  if (needs_watch && !watches) return "\"" + fault + "\" happens to watches only; select them by watch, read or any";
  if (rule.fault == Fault::kStale && rule.selector == Selector::kWatch) {
    return "\"stale\" happens to answered requests only, not to watches; select them by get, read or any";
  }
  return {};
}

std::uint64_t mix(std::uint64_t value) {
  // The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

const char* to_string(Fault fault) noexcept {
  for (const auto& [name, value] : kFaults) {
    if (value == fault) return name.data();
  }
  return "unknown";
}

Result<FaultPlan> parse_fault_plan(std::string_view text) {
  FaultPlan plan;
  while (!text.empty()) {
    const std::string_view item = take_until(text, ',');
    if (item.empty()) continue;
    std::string_view value = item;
    const std::string_view key = take_until(value, '=');
    if (key == "seed" || key == "in-a-row") {
      const auto number = whole_number(value);
      if (!number) return unclear(item, "needs a whole number below 2^64, such as " + std::string(key) + "=7");
      (key == "seed" ? plan.seed : plan.in_a_row) = *number;
      continue;
    }
    auto rule = parse_rule(item);
    if (!rule) return fail(rule.error());
    if (const std::string why = why_never(*rule); !why.empty()) return unclear(item, why);
    plan.rules.push_back(std::move(*rule));
  }
  if (plan.rules.empty()) {
    return fail(ErrorCode::kInvalidArgument, "no fault is named; an example: seed=7,any=reset:0.1,watch=cut:0.5");
  }
  return plan;
}

bool concerns(const FaultRule& rule, const Request& request, bool streamed) {
  if (!rule.part.empty() && request.target.find(rule.part) == std::string::npos) return false;
  const bool read = is_read(request.method);
  switch (rule.selector) {
    case Selector::kAny:
      return true;
    case Selector::kRead:
      return read;
    case Selector::kGet:
      return read && !streamed;
    case Selector::kWatch:
      return streamed;
    case Selector::kWrite:
      return !read;
    case Selector::kPost:
      return request.method == Method::kPost;
    case Selector::kPut:
      return request.method == Method::kPut;
    case Selector::kPatch:
      return request.method == Method::kPatch;
    case Selector::kDelete:
      return request.method == Method::kDelete;
  }
  return false;
}

std::uint64_t draw(std::uint64_t seed, std::uint64_t rule, std::string_view text, std::uint64_t number) {
  std::uint64_t state = mix(seed ^ mix(rule));
  for (const char c : text) state = mix(state ^ static_cast<unsigned char>(c));
  return mix(state ^ mix(number));
}

double draw_share(std::uint64_t seed, std::uint64_t rule, std::string_view text, std::uint64_t number) {
  return static_cast<double>(draw(seed, rule, text, number) >> 11) * 0x1.0p-53;
}

}  // namespace imageclassifier::kubernetes
