#include "inference-server/protocol/query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "common/percent_encode.hpp"

namespace imageclassifier::protocol {
namespace {

Problem bad_parameter(std::string detail) {
  return {ProblemCode::kBadParameter, std::move(detail)};
}

/// Decoded; as sent where that is not possible. No value: not given.
tl::expected<std::optional<std::string>, Problem> query_value(std::string_view query, std::string_view name) {
  std::optional<std::string> found;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    // Which of them is meant, nobody knows.
    if (found) return tl::unexpected<Problem>(bad_parameter(std::string(name) + " is given more than once."));
    const std::string value(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    found = percent_decode(value).value_or(value);
  }
  return found;
}

/// A parameter with two values, of which the first is the default.
struct Choice {
  std::string_view name;
  std::string_view first;
  std::string_view second;
};

constexpr std::array<Choice, 3> kChoices = {
    {{"decode", "fast", "exact"}, {"exif", "apply", "ignore"}, {"alpha", "white", "drop"}}};

}  // namespace

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Problem> set_reading(ClassifyOptions& options, std::string_view name, std::string_view value) {
  for (const Choice& choice : kChoices) {
    if (name != choice.name) continue;
    if (value != choice.first && value != choice.second) {
      return bad_parameter(std::string(name) + " must be " + std::string(choice.first) + " or " +
                           std::string(choice.second) + ".");
    }
    const bool second = value == choice.second;
    if (name == "decode") options.exact_decode = second;
    if (name == "exif") options.apply_orientation = !second;
    if (name == "alpha") options.composite_alpha = !second;
  }
  return std::nullopt;
}

tl::expected<ClassifyQuery, Problem> parse_classify_query(std::string_view query, int fallback_k) {
  ClassifyQuery parsed;
  parsed.options.k = fallback_k;
  const auto given_k = query_value(query, "k");
  if (!given_k) return tl::unexpected<Problem>(given_k.error());
  if (*given_k) {
    const auto k = whole_number(**given_k);
    if (!k || *k < 1 || *k > 100) {
      return tl::unexpected<Problem>(bad_parameter("k must be a whole number from 1 to 100."));
    }
    parsed.options.k = static_cast<int>(*k);
  }
  for (const Choice& choice : kChoices) {
    const auto given = query_value(query, choice.name);
    if (!given) return tl::unexpected<Problem>(given.error());
    if (!*given) continue;
    if (auto problem = set_reading(parsed.options, choice.name, **given)) return tl::unexpected<Problem>(*problem);
  }
  const auto given_labels = query_value(query, "labels");
  if (!given_labels) return tl::unexpected<Problem>(given_labels.error());
  const std::string labels = given_labels->value_or("name");
  if (labels == "wnid") {
    parsed.style = LabelStyle::kWnid;
  } else if (labels == "none") {
    parsed.style = LabelStyle::kNone;
  } else if (labels != "name") {
    return tl::unexpected<Problem>(bad_parameter("labels must be name, wnid or none."));
  }
  return parsed;
}

tl::expected<SteadyTime, Problem> parse_deadline(const HttpRequest& request, std::chrono::milliseconds limit) {
  const std::string_view given = request.header("x-request-timeout-ms");
  if (!given.empty()) {
    const auto milliseconds = whole_number(given);
    if (!milliseconds || *milliseconds < 1) {
      return tl::unexpected<Problem>(bad_parameter("X-Request-Timeout-Ms must be a whole number of at least 1."));
    }
    if (*milliseconds < limit.count()) limit = std::chrono::milliseconds(*milliseconds);
  }
  return request.received + limit;
}

}  // namespace imageclassifier::protocol
