#include "inference-server/protocol/multipart.hpp"

#include <algorithm>
#include <optional>

#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

bool is_boundary_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

void trim_left(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

/// A quoted string: browsers write a quote as %22, some clients escape it; a backslash before anything else is itself.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string value;
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    if (text.size() > 1 && text.front() == '\\' && (text[1] == '"' || text[1] == '\\')) text.remove_prefix(1);
    value += text.front();
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

struct Parameter {
  std::string name;  // lower case
  std::string value;
};

/// `; name=value; name="value"`, what follows a media type or disposition. No value: malformed.
std::optional<std::vector<Parameter>> parse_parameters(std::string_view text) {
  std::vector<Parameter> parameters;
  for (trim_left(text); !text.empty(); trim_left(text)) {
    if (text.front() != ';') return std::nullopt;
    text.remove_prefix(1);
    trim_left(text);
    if (text.empty()) break;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    if (text.substr(0, equals).find_first_of("; \t\"") != std::string_view::npos) return std::nullopt;
    Parameter parameter{lower(text.substr(0, equals)), {}};
    text.remove_prefix(equals + 1);
    if (text.starts_with('"')) {
      auto value = take_quoted(text);
      if (!value) return std::nullopt;
      parameter.value = std::move(*value);
    } else {
      const auto end = std::min(text.find_first_of("; \t"), text.size());
      parameter.value = std::string(text.substr(0, end));
      text.remove_prefix(end);
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

tl::unexpected<Problem> bad(const char* detail) {
  return tl::unexpected<Problem>(Problem{ProblemCode::kBadMultipart, detail});
}

/// Reads the part's header lines. No value: no usable Content-Disposition.
std::optional<Part> parse_part_header(std::string_view header) {
  std::optional<Part> part;
  while (!header.empty()) {
    const auto end = header.find("\r\n");
    const std::string_view line = header.substr(0, end);
    header.remove_prefix(end == std::string_view::npos ? header.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    if (lower(line.substr(0, colon)) != "content-disposition") continue;
    std::string_view value = line.substr(colon + 1);
    trim_left(value);
    if (part || media_type(value) != "form-data") return std::nullopt;
    const auto semicolon = value.find(';');
    const auto parameters =
        parse_parameters(semicolon == std::string_view::npos ? std::string_view() : value.substr(semicolon));
    if (!parameters) return std::nullopt;
    part.emplace();
    bool named = false;
    for (const Parameter& parameter : *parameters) {
      if (parameter.name == "name") {
        part->name = parameter.value;
        named = true;
      } else if (parameter.name == "filename") {
        part->filename = parameter.value;
        part->has_file = true;
      }
    }
    if (!named) return std::nullopt;
  }
  return part;
}

/// Bytes of the UTF-8 sequence at the start of `text`; 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t size = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xED && byte(1) > 0x9F)) return 0;
  if ((byte(0) == 0xF0 && byte(1) < 0x90) || (byte(0) == 0xF4 && byte(1) > 0x8F)) return 0;
  return size;
}

}  // namespace

std::string multipart_boundary(std::string_view content_type) {
  const auto semicolon = content_type.find(';');
  if (semicolon == std::string_view::npos) return {};
  const auto parameters = parse_parameters(content_type.substr(semicolon));
  if (!parameters) return {};
  for (const Parameter& parameter : *parameters) {
    if (parameter.name != "boundary") continue;
    const std::string& boundary = parameter.value;
    const bool good = !boundary.empty() && boundary.size() <= 70 && boundary.back() != ' ' &&
                      std::all_of(boundary.begin(), boundary.end(), is_boundary_character);
    return good ? boundary : std::string();
  }
  return {};
}

tl::expected<std::vector<Part>, Problem> parse_multipart(std::string_view body, std::string_view boundary) {
  if (boundary.empty()) return bad("The form's Content-Type has no valid boundary.");
  const std::string delimiter = "\r\n--" + std::string(boundary);
  const std::string_view dash_boundary = std::string_view(delimiter).substr(2);
  std::vector<Part> parts;
  std::string_view rest = body;
  if (rest.starts_with(dash_boundary)) {
    rest.remove_prefix(dash_boundary.size());
  } else {
    const auto first = rest.find(delimiter);
    if (first == std::string_view::npos) return bad("The form does not begin with its boundary.");
    rest.remove_prefix(first + delimiter.size());
  }
  while (!rest.starts_with("--")) {
    trim_left(rest);
    if (!rest.starts_with("\r\n")) return bad("A boundary in the form is not followed by a line break.");
    if (parts.size() == kMaxParts) {
      return tl::unexpected<Problem>(Problem{ProblemCode::kTooManyParts, "The form has more than 256 fields."});
    }
    // The empty line that ends the header; it may follow the boundary's own line break at once.
    const auto header_end = rest.substr(0, kMaxPartHeaderBytes + 4).find("\r\n\r\n");
    if (header_end == std::string_view::npos) return bad("A field of the form has no end of its headers.");
    auto part = parse_part_header(header_end == 0 ? std::string_view() : rest.substr(2, header_end - 2));
    if (!part) return bad("A field of the form has no valid Content-Disposition.");
    rest.remove_prefix(header_end + 4);
    const auto end = rest.find(delimiter);
    if (end == std::string_view::npos) return bad("The form's last boundary is missing: the upload is incomplete.");
    part->body = rest.substr(0, end);
    rest.remove_prefix(end + delimiter.size());
    parts.push_back(std::move(*part));
  }
  return parts;
}

std::string display_name(std::string_view filename) {
  constexpr std::size_t kMostBytes = 255;
  if (const auto slash = filename.find_last_of("/\\"); slash != std::string_view::npos) {
    filename.remove_prefix(slash + 1);
  }
  return harmless_text(filename, kMostBytes);
}

std::string harmless_text(std::string_view text, std::size_t most_bytes) {
  std::string harmless;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    std::string_view character = length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
    const auto first = static_cast<unsigned char>(character.front());
    const bool c1 = character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
    if (first < 0x20 || first == 0x7F || c1) continue;
    if (harmless.size() + character.size() > most_bytes) break;
    harmless += character;
  }
  return harmless;
}

}  // namespace imageclassifier::protocol
