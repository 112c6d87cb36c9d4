#include "common/http_framing.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace imageclassifier {
namespace {

constexpr std::size_t kMaxExtensionBytes = 1024;
constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
constexpr int kMaxSizeDigits = 15;  // leaves room in 64 bits; leading zeros count

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool is_content_length(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::string imf_fixdate(WallTime time) {
  using namespace std::chrono;
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss<seconds> clock{floor<seconds>(time - day)};
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays[weekday{day}.c_encoding()],
                static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

HeaderScanner::State HeaderScanner::scan(std::string_view bytes) {
  while (position_ < bytes.size()) {
    if (position_ >= limit_) return State::kTooLarge;
    const char c = bytes[position_];
    const char before = position_ == 0 ? '\n' : bytes[position_ - 1];
    if (c == '\0') return State::kMalformed;
    if ((c == '\n') != (before == '\r')) return State::kMalformed;
    // A line that starts with white space continues the one before it (obsolete folding), or hides the first one.
    if ((c == ' ' || c == '\t') && before == '\n') return State::kMalformed;
    ++position_;
    if (c == '\n' && position_ >= 4 && bytes.substr(position_ - 4, 4) == "\r\n\r\n") return State::kComplete;
    if (c == '\n' && position_ == 2) return State::kMalformed;  // an empty line where the request line should be
  }
  return State::kIncomplete;
}

tl::expected<BodyFraming, FramingError> body_framing(const HttpRequest& request, bool http11) {
  const auto refuse = [](const char* message) {
    return tl::unexpected<FramingError>(FramingError{HttpRefusal::kBadFraming, message});
  };
  const HttpHeader* length = nullptr;
  const HttpHeader* encoding = nullptr;
  for (const HttpHeader& header : request.headers) {
    if (equals_ignoring_case(header.name, "content-length")) {
      if (length != nullptr) return refuse("The request has more than one Content-Length.");
      length = &header;
    } else if (equals_ignoring_case(header.name, "transfer-encoding")) {
      if (encoding != nullptr) return refuse("The request has more than one Transfer-Encoding.");
      encoding = &header;
    }
  }
  if (length != nullptr && encoding != nullptr) {
    return refuse("The request has both Content-Length and Transfer-Encoding.");
  }
  if (encoding != nullptr) {
    if (!http11 || !equals_ignoring_case(encoding->value, "chunked")) {
      return refuse("The only Transfer-Encoding that is understood is \"chunked\".");
    }
    return BodyFraming{.chunked = true};
  }
  if (length == nullptr) return BodyFraming{};
  if (!is_content_length(length->value)) return refuse("Content-Length is not one decimal number.");
  return BodyFraming{.chunked = false, .length = std::stoull(length->value)};
}

ChunkDecoder::State ChunkDecoder::take_size(char c) {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > kMaxSizeDigits) return State::kMalformed;
    size_ = size_ * 16 + static_cast<std::uint64_t>(digit);
    return State::kMore;
  }
  if (digits_ == 0) return State::kMalformed;
  if (c == ';') {
    part_ = Part::kExtension;
    line_ = 0;
    return State::kMore;
  }
  part_ = Part::kSizeLf;
  return c == '\r' ? State::kMore : State::kMalformed;
}

ChunkDecoder::State ChunkDecoder::feed(std::string_view& input, std::string& body) {
  while (!input.empty()) {
    if (part_ == Part::kData) {
      const std::size_t count = std::min<std::uint64_t>(size_, input.size());
      body.append(input.substr(0, count));
      input.remove_prefix(count);
      size_ -= count;
      if (size_ == 0) part_ = Part::kDataCr;
      continue;
    }
    const char c = input.front();
    input.remove_prefix(1);
    switch (part_) {
      case Part::kSize:
        if (const State state = take_size(c); state != State::kMore) return state;
        break;
      case Part::kExtension:
        if (++line_ > kMaxExtensionBytes || c == '\n') return State::kMalformed;
        if (c == '\r') part_ = Part::kSizeLf;
        break;
      case Part::kSizeLf:
        if (c != '\n') return State::kMalformed;
        if (++chunks_ > max_chunks_) return State::kTooManyChunks;
        if (size_ > max_body_ - std::min(max_body_, body.size())) return State::kTooLarge;
        part_ = size_ == 0 ? Part::kTrailer : Part::kData;
        trailer_empty_ = true;
        line_ = 0;
        break;
      case Part::kDataCr:
        if (c != '\r') return State::kMalformed;
        part_ = Part::kDataLf;
        break;
      case Part::kDataLf:
        if (c != '\n') return State::kMalformed;
        part_ = Part::kSize;
        digits_ = 0;
        break;
      case Part::kTrailer:
        if (++line_ > kMaxTrailerBytes || c == '\n') return State::kMalformed;
        if (c == '\r') {
          part_ = Part::kTrailerLf;
        } else {
          trailer_empty_ = false;
        }
        break;
      case Part::kTrailerLf:
        if (c != '\n') return State::kMalformed;
        if (trailer_empty_) return State::kDone;
        part_ = Part::kTrailer;
        trailer_empty_ = true;
        break;
      case Part::kData:
        break;
    }
  }
  return State::kMore;
}

void set_target(HttpRequest& request, std::string_view target) {
  request.target = std::string(target);
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    const auto path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const auto question = target.find('?');
  request.path = std::string(target.substr(0, question));
  request.query = question == std::string_view::npos ? std::string() : std::string(target.substr(question + 1));
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& field : headers) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

int http_refusal_status(HttpRefusal reason) {
  switch (reason) {
    case HttpRefusal::kBadRequest:
    case HttpRefusal::kBadFraming:
    case HttpRefusal::kBadChunk:
      return 400;
    case HttpRefusal::kUnauthorized:
      return 401;
    case HttpRefusal::kNotFound:
      return 404;
    case HttpRefusal::kMethodNotAllowed:
      return 405;
    case HttpRefusal::kRequestTimeout:
      return 408;
    case HttpRefusal::kBodyTooLarge:
      return 413;
    case HttpRefusal::kExpectationFailed:
      return 417;
    case HttpRefusal::kHeaderTooLarge:
      return 431;
    case HttpRefusal::kInternal:
      return 500;
    case HttpRefusal::kMethodNotImplemented:
      return 501;
    case HttpRefusal::kOverloaded:
      return 429;
  }
  return 500;
}

std::string serialize_response_head(const HttpResponse& response, bool http11, bool keep_alive, WallTime date) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + http_reason_phrase(response.status) + "\r\n";
  const auto add = [&head](std::string_view name, std::string_view value) {
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return;
    head.append(name).append(": ").append(value).append("\r\n");
  };
  add("Date", imf_fixdate(date));
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  if (response.status != 204 && response.status != 304) add("Content-Length", std::to_string(response.body.size()));
  for (const HttpHeader& header : response.headers) add(header.name, header.value);
  if (!keep_alive) add("Connection", "close");
  if (keep_alive && !http11) add("Connection", "keep-alive");
  return head + "\r\n";
}

const char* http_reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace imageclassifier
