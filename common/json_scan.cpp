#include "common/json_scan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace imageclassifier {
namespace {

constexpr auto kNowhere = std::string_view::npos;
// Kubernetes itself refuses deeper objects.
constexpr std::size_t kMaximumDepth = 10000;

/// Which characters a search stops at. A cache reads gigabytes this way, and find_first_of asks for each character
/// anew.
class Stops {
 public:
  constexpr explicit Stops(std::string_view characters) {
    for (const char c : characters) stops_[static_cast<unsigned char>(c)] = true;
  }
  std::size_t find(std::string_view text, std::size_t at) const {
    for (; at < text.size(); ++at) {
      if (stops_[static_cast<unsigned char>(text[at])]) return at;
    }
    return kNowhere;
  }

 private:
  std::array<bool, 256> stops_{};
};
constexpr Stops kInString("\"\\");
constexpr Stops kInContainer("\"{}[]");
constexpr Stops kAfterScalar(" \t\r\n,]}:\"[{");

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

// `at` stands on the opening quote; the result stands behind the closing one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  ++at;
  while (true) {
    at = kInString.find(text, at);
    if (at == kNowhere) return kNowhere;
    if (text[at] == '"') return at + 1;
    at += 2;  // the escaped character is passed over
  }
}

std::size_t skip_container(std::string_view text, std::size_t at) {
  std::string open;
  while (true) {
    at = kInContainer.find(text, at);
    if (at == kNowhere) return kNowhere;
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      if (at == kNowhere) return kNowhere;
      continue;
    }
    ++at;
    if (c == '{' || c == '[') {
      if (open.size() == kMaximumDepth) return kNowhere;
      open += c;
      continue;
    }
    if (open.empty() || open.back() != (c == '}' ? '{' : '[')) return kNowhere;
    open.pop_back();
    if (open.empty()) return at;
  }
}

// `at` stands on the first character of a value; the result stands behind its last.
std::size_t skip_value(std::string_view text, std::size_t at) {
  if (at >= text.size()) return kNowhere;
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] == '{' || text[at] == '[') return skip_container(text, at);
  const std::size_t end = std::min(kAfterScalar.find(text, at), text.size());
  return end == at ? kNowhere : end;
}

// Visits the items between the brackets of `text`; `item` reads one and returns where it ended, or kNowhere.
template <typename Item>
bool for_each_item(std::string_view text, char open, char close, Item item) {
  std::size_t at = skip_space(text, 0);
  if (at >= text.size() || text[at] != open) return false;
  at = skip_space(text, at + 1);
  if (at < text.size() && text[at] == close) return true;
  while (true) {
    bool more = true;
    at = item(at, more);
    if (at == kNowhere) return false;
    if (!more) return true;
    at = skip_space(text, at);
    if (at >= text.size()) return false;
    if (text[at] == close) return true;
    if (text[at] != ',') return false;
    at = skip_space(text, at + 1);
  }
}

}  // namespace

std::string json_text(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"') return {};
  const std::string_view inner = raw.substr(1, raw.size() - 2);
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '\\'; };
  if (std::all_of(inner.begin(), inner.end(), plain)) return std::string(inner);
  const auto parsed = nlohmann::json::parse(raw, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string();
}

std::optional<std::int64_t> json_integer(std::string_view raw) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), number);
  if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
  return number;
}

bool json_boolean(std::string_view raw) {
  return raw == "true";
}

bool for_each_member(std::string_view object,
                     const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  return for_each_item(object, '{', '}', [&](std::size_t at, bool& more) {
    if (at >= object.size() || object[at] != '"') return kNowhere;
    const std::size_t key_end = skip_string(object, at);
    if (key_end == kNowhere) return kNowhere;
    const std::size_t colon = skip_space(object, key_end);
    if (colon >= object.size() || object[colon] != ':') return kNowhere;
    const std::size_t value = skip_space(object, colon + 1);
    const std::size_t end = skip_value(object, value);
    if (end == kNowhere) return kNowhere;
    more = visit(object.substr(at + 1, key_end - at - 2), object.substr(value, end - value));
    return end;
  });
}

bool for_each_element(std::string_view array, const std::function<bool(std::string_view value)>& visit) {
  return for_each_item(array, '[', ']', [&](std::size_t at, bool& more) {
    const std::size_t end = skip_value(array, at);
    if (end != kNowhere) more = visit(array.substr(at, end - at));
    return end;
  });
}

std::optional<std::string_view> find_member(std::string_view object, std::string_view key) {
  std::optional<std::string_view> found;
  for_each_member(object, [&](std::string_view name, std::string_view value) {
    if (name != key) return true;
    found = value;
    return false;
  });
  return found;
}

std::optional<std::string_view> find_path(std::string_view object, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto value = find_member(object, key);
    if (!value) return std::nullopt;
    object = *value;
  }
  return object;
}

std::string find_string(std::string_view object, std::initializer_list<std::string_view> keys) {
  const auto value = find_path(object, keys);
  return value ? json_text(*value) : std::string();
}

}  // namespace imageclassifier
