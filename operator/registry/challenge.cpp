#include "operator/registry/challenge.hpp"

#include <algorithm>
#include <optional>

namespace imageclassifier::registry {
namespace {

constexpr std::size_t kMaximum = 8 * 1024;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

/// Reads from the left; what does not fit is left where it is.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  std::string_view rest() const { return text_; }
  void go_back(std::string_view rest) { text_ = rest; }

  std::string_view spaces() {
    return take([](char c) { return c == ' ' || c == '\t'; });
  }
  std::string_view token() {
    return take([](char c) { return is_alphanumeric(c) || is_one_of(c, "!#$%&'*+-.^_`|~"); });
  }
  std::string_view token68() {
    const std::string_view before = text_;
    const auto body = take([](char c) { return is_alphanumeric(c) || is_one_of(c, "-._~+/"); });
    const auto padding = take([](char c) { return c == '='; });
    return before.substr(0, body.empty() ? 0 : body.size() + padding.size());
  }
  bool literal(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::optional<std::string> quoted() {
    if (!literal('"')) return std::nullopt;
    std::string value;
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\') text_.remove_prefix(1);
      if (text_.empty() || (static_cast<unsigned char>(text_.front()) < 32 && text_.front() != '\t'))
        return std::nullopt;
      value.push_back(text_.front());
      text_.remove_prefix(1);
    }
    if (!literal('"')) return std::nullopt;
    return value;
  }
  void separators() {
    do {
      spaces();
    } while (literal(','));
  }

 private:
  template <typename Belongs>
  std::string_view take(Belongs belongs) {
    const auto end = std::find_if_not(text_.begin(), text_.end(), belongs);
    const std::string_view taken = text_.substr(0, static_cast<std::size_t>(end - text_.begin()));
    text_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view text_;
};

/// name = value; nothing read if it is none, such as the scheme of the next challenge.
std::optional<std::pair<std::string, std::string>> parameter(Reader& reader) {
  const std::string_view before = reader.rest();
  std::string name = lower(reader.token());
  reader.spaces();
  if (!name.empty() && reader.literal('=')) {
    reader.spaces();
    if (auto value = reader.quoted()) return std::pair(std::move(name), std::move(*value));
    if (const std::string_view value = reader.token(); !value.empty())
      return std::pair(std::move(name), std::string(value));
  }
  reader.go_back(before);
  return std::nullopt;
}

/// token68, if nothing but the end of the challenge follows it.
std::string only_token68(Reader& reader) {
  const std::string_view before = reader.rest();
  std::string text(reader.token68());
  reader.spaces();
  if (!text.empty() && (reader.at_end() || reader.rest().front() == ',')) return text;
  reader.go_back(before);
  return {};
}

}  // namespace

std::string_view Challenge::get(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

Result<std::vector<Challenge>> parse_challenges(std::string_view header) {
  const auto refuse = [] {
    return fail(ErrorCode::kInvalidArgument, "The registry's WWW-Authenticate header does not follow RFC 9110.");
  };
  if (header.size() > kMaximum) return refuse();
  std::vector<Challenge> challenges;
  Reader reader(header);
  for (reader.separators(); !reader.at_end(); reader.separators()) {
    // A list of parameters and a list of challenges have the same commas: what is no parameter begins a challenge.
    auto found = parameter(reader);
    if (!found) {
      Challenge& begun = challenges.emplace_back();
      begun.scheme = lower(reader.token());
      if (begun.scheme.empty()) return refuse();
      if (!reader.spaces().empty() && (begun.token68 = only_token68(reader)).empty()) found = parameter(reader);
    }
    // RFC 9110, 11.2: one token68, or parameters, each once.
    if (found && (challenges.empty() || !challenges.back().token68.empty() ||
                  !challenges.back().parameters.insert(std::move(*found)).second))
      return refuse();
    reader.spaces();
    if (!reader.at_end() && reader.rest().front() != ',') return refuse();
  }
  return challenges;
}

}  // namespace imageclassifier::registry
