#include "inference-server/model/labels.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace imageclassifier::model {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxLabels = 100'000;
constexpr std::size_t kMaxLabelBytes = 1000;
constexpr std::size_t kMaxWnidBytes = 32;

tl::unexpected<Error> refuse(const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "the labels cannot be used: " + why);
}

std::string number(std::size_t index) {
  return "label " + std::to_string(index + 1);
}

/// Bytes of the character that begins the text, by RFC 3629; 0: it is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what is beyond Unicode.
  const bool wrong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                     (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return wrong ? 0 : size;
}

/// Also the control characters from U+0080.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  return first < 0x20 || first == 0x7F || (first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

Result<void> check_name(const std::string& name, std::size_t index) {
  if (name.empty()) return refuse(number(index) + " is empty");
  if (name.size() > kMaxLabelBytes) return refuse(number(index) + " has more than 1,000 bytes");
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t size = character_bytes(rest);
    if (size == 0) return refuse(number(index) + " is not UTF-8");
    if (is_control(rest)) return refuse(number(index) + " has a control character");
    rest.remove_prefix(size);
  }
  return {};
}

bool is_wnid(const std::string& text) {
  const auto harmless = [](unsigned char c) { return c < 0x80 && std::isalnum(c) != 0; };
  return !text.empty() && text.size() <= kMaxWnidBytes && std::all_of(text.begin(), text.end(), harmless);
}

Labels from_lines(std::string_view text) {
  Labels labels;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.names.emplace_back(line);
  }
  while (!labels.names.empty() && labels.names.back().empty()) labels.names.pop_back();
  return labels;
}

/// A name, or a pair of a wnid and a name.
Result<void> add(const Json& value, Labels& labels) {
  const std::size_t index = labels.names.size();
  if (value.is_string()) {
    labels.names.push_back(value.get<std::string>());
  } else if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
    labels.wnids.push_back(value[0].get<std::string>());
    labels.names.push_back(value[1].get<std::string>());
  } else {
    return refuse(number(index) + " is neither a name nor a pair of a WordNet id and a name");
  }
  const bool mixed = !labels.wnids.empty() && labels.wnids.size() != labels.names.size();
  return mixed ? refuse("some have a WordNet id and some have none") : Result<void>();
}

Result<Labels> from_json(std::string_view text) {
  constexpr int kMaxDepth = 2;
  bool too_deep = false;
  std::size_t keys = 0;
  const auto watch = [&](int depth, Json::parse_event_t event, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    if (event == Json::parse_event_t::key && depth == 1) ++keys;
    return !too_deep;
  };
  const Json file = Json::parse(text, watch, false);
  if (too_deep || file.is_discarded()) return refuse("the file begins as JSON and is none");
  if (file.is_object() && keys != file.size()) return refuse("an index appears twice");
  if (file.size() > kMaxLabels) return refuse("there are more than 100,000");
  Labels labels;
  for (std::size_t i = 0; i < file.size(); ++i) {
    const auto key = file.is_object() ? file.find(std::to_string(i)) : file.begin() + static_cast<std::ptrdiff_t>(i);
    if (key == file.end()) return refuse("the index \"" + std::to_string(i) + "\" is missing");
    if (auto added = add(*key, labels); !added) return tl::unexpected(added.error());
  }
  return labels;
}

}  // namespace

Result<void> check_labels(const Labels& labels) {
  if (labels.names.size() > kMaxLabels) return refuse("there are more than 100,000");
  for (std::size_t i = 0; i < labels.names.size(); ++i) {
    if (auto good = check_name(labels.names[i], i); !good) return good;
  }
  if (labels.wnids.empty()) return {};
  if (labels.wnids.size() != labels.names.size()) return refuse("there are not as many WordNet ids as names");
  for (std::size_t i = 0; i < labels.wnids.size(); ++i) {
    if (!is_wnid(labels.wnids[i])) return refuse(number(i) + " has a WordNet id that is none");
  }
  return {};
}

Result<Labels> parse_labels(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const auto begin = text.find_first_not_of(" \t\r\n");
  const bool json = begin != std::string_view::npos && (text[begin] == '[' || text[begin] == '{');
  auto labels = json ? from_json(text) : Result<Labels>(from_lines(text));
  if (!labels) return labels;
  if (labels->names.empty()) return refuse("there are none");
  if (auto good = check_labels(*labels); !good) return tl::unexpected(good.error());
  return labels;
}

}  // namespace imageclassifier::model
