#include <algorithm>
#include <cassert>

#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {
namespace {

constexpr std::size_t kMaxValueBytes = 400;

/// Length of the valid UTF-8 sequence at the beginning of `text`, or 0.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (byte(0) < 0x80) return 1;
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF) {
    length = 2;
  } else if (byte(0) >= 0xE0 && byte(0) <= 0xEF) {
    length = 3;
    if (byte(0) == 0xE0) low = 0xA0;
    if (byte(0) == 0xED) high = 0x9F;
  } else if (byte(0) >= 0xF0 && byte(0) <= 0xF4) {
    length = 4;
    if (byte(0) == 0xF0) low = 0x90;
    if (byte(0) == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

/// Marks that turn the reading direction (U+200E, U+200F, U+202A..202E, U+2066..2069): in a terminal they would make
/// the rest of the message say something else.
bool turns_direction(std::string_view character) {
  if (character.size() != 3 || character[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(character[2]);
  if (character[1] == '\x80') return last == 0x8E || last == 0x8F || (last >= 0xAA && last <= 0xAE);
  return character[1] == '\x81' && last >= 0xA6 && last <= 0xA9;
}

std::string fill(std::string_view pattern, Values values) {
  std::string text;
  while (!pattern.empty()) {
    const std::size_t open = pattern.find('{');
    text += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = pattern.find('}', open);
    const std::string_view name = pattern.substr(open + 1, close - open - 1);
    for (const auto& [key, value] : values) {
      if (key == name) text += clean_text(value, kMaxValueBytes);
    }
    pattern = pattern.substr(close + 1);
  }
  return text;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const bool control = (length == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F)) ||
                         turns_direction(text.substr(0, length));
    const std::string_view piece = length == 0 ? "?" : control ? " " : text.substr(0, length);
    if (result.size() + piece.size() > limit) {
      const std::string_view mark = "...";
      if (limit < mark.size()) break;
      while (result.size() + mark.size() > limit) {
        do {
          const bool continuation = (static_cast<unsigned char>(result.back()) & 0xC0) == 0x80;
          result.pop_back();
          if (!continuation) break;
        } while (!result.empty());
      }
      result += mark;
      break;
    }
    if (!(piece == " " && (result.empty() || result.back() == ' '))) result += piece;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

Finding make_finding(std::string_view name, Values values) {
  Finding finding;
  finding.reason = find_reason(name);
  assert(finding.reason != nullptr);
  finding.message = fill(finding.reason->message, values);
  finding.remedy = fill(finding.reason->remedy, values);
  return finding;
}

std::string Finding::text() const {
  if (remedy.empty()) return clean_text(message, api::kMaxMessageBytes);
  return clean_text(message, api::kMaxMessageBytes - remedy.size() - 1) + " " + remedy;
}

Finding as_told(Finding finding, const api::Condition& condition) {
  const std::string_view pattern = finding.reason->remedy, known = pattern.substr(0, pattern.find('{'));
  const std::size_t remedy = known.empty() ? std::string::npos : condition.message.rfind(known);
  const bool found = remedy != std::string::npos && remedy > 0;
  finding.message = found ? condition.message.substr(0, remedy - 1) : condition.message;
  finding.remedy = found ? condition.message.substr(remedy) : std::string();
  return finding;
}

const Finding& deeper(const Finding& left, const Finding& right) {
  return right.reason->depth > left.reason->depth ? right : left;
}

}  // namespace imageclassifier::diagnosis
