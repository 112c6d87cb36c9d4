#include "operator/diagnosis/stable_text.hpp"

#include <algorithm>
#include <cctype>

namespace imageclassifier::diagnosis {
namespace {

/// Length of a generated id at the beginning of the text (a digest, a uid), or 0: hexadecimal digits and dashes, at
/// least twelve, with a digit among them.
std::size_t id_length(std::string_view text) {
  std::size_t length = 0;
  bool digit = false;
  while (length < text.size()) {
    const auto byte = static_cast<unsigned char>(text[length]);
    if (std::isxdigit(byte) == 0 && byte != '-') break;
    digit = digit || std::isdigit(byte) != 0;
    ++length;
  }
  return digit && length >= 12 ? length : 0;
}

}  // namespace

std::string stable_text(std::string_view message, std::string_view pod_name) {
  std::string text;
  bool inside_word = false;
  while (!message.empty()) {
    std::size_t generated = 0;
    if (!inside_word) {
      generated = !pod_name.empty() && message.starts_with(pod_name) ? pod_name.size() : id_length(message);
    }
    inside_word = generated == 0 && std::isalnum(static_cast<unsigned char>(message.front())) != 0;
    text += generated == 0 ? message.substr(0, 1) : "...";
    message.remove_prefix(std::max<std::size_t>(generated, 1));
  }
  return without_final_dot(text);
}

std::string without_final_dot(std::string_view text) {
  while (!text.empty() && (text.back() == '.' || text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

std::string without_usage(std::string_view text) {
  const std::size_t used = text.find(", used: ");
  const std::size_t limited = text.find(", limited: ", used);
  if (used == std::string_view::npos || limited == std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, used)) + std::string(text.substr(limited));
}

}  // namespace imageclassifier::diagnosis
