#include "inference-server/model/fetch_model.hpp"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/file.hpp"
#include "common/sha256.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/part_file.hpp"
#include "inference-server/model/safetensors.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {
namespace {

constexpr long kConnectSeconds = 20;
constexpr long kStallSeconds = 60;
constexpr long kMaxRedirects = 5;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// What may be shown of it: access keys stand in the query or before the host.
std::string shown(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  const auto host = path.find("://") + 3;
  const auto at = path.substr(0, path.find('/', host)).rfind('@');
  return at == std::string::npos || at < host ? path : path.substr(0, host) + path.substr(at + 1);
}

/// The last part of the URL's path.
std::string last_part(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  return path.substr(path.rfind('/') + 1);
}

bool is_file_name(const std::string& name) {
  const auto safe = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.front() != '.' && name.size() <= 200 && std::all_of(name.begin(), name.end(), safe);
}

/// torchvision's convention: name-<the first eight hex digits of the SHA-256>.pth
std::string digits_in(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot < 9 || name[dot - 9] != '-') return {};
  const std::string digits = name.substr(dot - 8, 8);
  return is_hex(digits) ? digits : std::string();
}

/// One request of a download.
struct Transfer {
  PartFile* out = nullptr;
  CURL* curl = nullptr;
  std::uint64_t begin = 0;  ///< how much was there before
  bool answered = false;    ///< the first byte of the content came
  bool too_large = false;
  std::string tag{};  ///< a strong ETag of the answer
  std::string range{};
  const FetchOptions* options = nullptr;
};

std::optional<std::string> header_value(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || strncasecmp(line.data(), name.data(), name.size()) != 0) return std::nullopt;
  line.remove_prefix(name.size());
  const auto begin = line.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return std::string();
  return std::string(line.substr(begin, line.find_last_not_of(" \t\r\n") - begin + 1));
}

bool is_strong_tag(const std::string& tag) {
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  return tag.size() > 2 && tag.size() <= 1000 && tag.front() == '"' && tag.back() == '"' &&
         std::all_of(tag.begin(), tag.end(), printable);
}

std::size_t on_header(const char* data, std::size_t, std::size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // of a redirect before, too
    transfer->tag.clear();
    transfer->range.clear();
  }
  if (auto tag = header_value(line, "etag:"); tag && is_strong_tag(*tag)) transfer->tag = std::move(*tag);
  if (auto range = header_value(line, "content-range:")) transfer->range = std::move(*range);
  return size;
}

/// Whether what comes goes behind what is there; else it takes its place.
bool continues(const Transfer& transfer) {
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  return transfer.begin > 0 && status == 206 &&
         transfer.range.starts_with("bytes " + std::to_string(transfer.begin) + "-");
}

std::size_t on_data(const char* data, std::size_t, std::size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  PartFile& out = *transfer->out;
  if (!transfer->answered) {
    transfer->answered = true;
    if (!continues(*transfer)) {
      const bool part_of_something = !transfer->range.empty();
      transfer->begin = 0;
      if (!out.start_over(transfer->tag) || part_of_something) return 0;
    }
  }
  transfer->too_large = out.size() + size > transfer->options->max_bytes;
  if (transfer->too_large) return 0;
  return out.write(data, size) ? size : 0;
}

int on_progress(void* user, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  const auto* transfer = static_cast<Transfer*>(user);
  if (transfer->options->progress && transfer->answered) {
    const std::uint64_t all = total > 0 ? transfer->begin + static_cast<std::uint64_t>(total) : 0;
    transfer->options->progress(transfer->out->size(), all);
  }
  return transfer->options->stop.stop_requested() ? 1 : 0;
}

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

Handle make_handle(const FetchOptions& options, Transfer& transfer, std::chrono::milliseconds time_limit) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  Handle handle(curl_easy_init(), &curl_easy_cleanup);
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(time_limit.count()));
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options.max_bytes));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  return handle;
}

/// Besides the system's authorities: curl's own option would replace them.
Result<void> trust(CURL* curl, const std::string& ca_file) {
  constexpr std::uint64_t kMaximumFile = 16 * 1024 * 1024;
  if (ca_file.empty()) return {};
  auto pem = read_file(ca_file, kMaximumFile);
  if (!pem) return fail(Error(ErrorCode::kInvalidArgument, "the CA file cannot be used", pem.error()));
  if (pem->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "the CA file " + ca_file + " holds no PEM certificate");
  }
  const char* system = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CAINFO, &system);
  if (system != nullptr) {
    if (const auto known = read_file(system, kMaximumFile); known) *pem += "\n" + *known;
  }
  curl_blob blob{pem->data(), pem->size(), CURL_BLOB_COPY};
  curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  return {};
}

tl::unexpected<Error> cannot_write(const std::string& path, int error) {
  const bool ours = error == EACCES || error == EROFS || error == EPERM || error == ENOTDIR || error == EISDIR;
  return fail(ours ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
              "the file " + path + " cannot be written: " + std::strerror(error));
}

Result<void> check_transfer(CURLcode code, CURL* curl, const Transfer& transfer) {
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return fail(ErrorCode::kTooLarge, "the download is larger than " + std::to_string(transfer.options->max_bytes) +
                                          " bytes and was stopped");
  }
  if (transfer.out->error() != 0) return cannot_write(transfer.out->path(), transfer.out->error());
  if (code == CURLE_OK) return {};
  const std::string what = "the download of " + shown(transfer.options->url);
  if (code == CURLE_ABORTED_BY_CALLBACK) return fail(ErrorCode::kCancelled, what + " was stopped");
  if (code == CURLE_UNSUPPORTED_PROTOCOL) {
    return fail(ErrorCode::kInvalidArgument, what + " led to an address that is not https, which is not followed");
  }
  if (code == CURLE_SSL_CACERT_BADFILE) return fail(ErrorCode::kInvalidArgument, "the CA file cannot be used");
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string why =
      code == CURLE_HTTP_RETURNED_ERROR ? "the server answered " + std::to_string(status) : curl_easy_strerror(code);
  return fail(code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::kDeadlineExceeded : ErrorCode::kUnavailable,
              what + " failed: " + why);
}

/// Whether the same request may go well in a moment.
bool is_transient(CURLcode code, CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WRITE_ERROR:  // a part that was not asked for; a disk that is full is told apart before
      return true;
    case CURLE_HTTP_RETURNED_ERROR:
      return status == 408 || status == 416 || status == 429 || status >= 500;
    default:
      return false;
  }
}

struct Outcome {
  Result<void> result;
  bool transient = false;
};

Outcome request(const FetchOptions& options, PartFile& part, std::chrono::milliseconds time_limit) {
  Transfer transfer;
  transfer.out = &part;
  transfer.options = &options;
  transfer.begin = part.size();
  const Handle handle = make_handle(options, transfer, time_limit);
  transfer.curl = handle.get();
  if (auto trusted = trust(handle.get(), options.ca_file); !trusted) return {fail(trusted.error())};
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, &curl_slist_free_all);
  const std::string range = std::to_string(part.size()) + "-";
  if (part.size() > 0) {
    headers.reset(curl_slist_append(nullptr, ("If-Range: " + part.tag()).c_str()));
    curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(handle.get(), CURLOPT_RANGE, range.c_str());
  }
  const CURLcode code = curl_easy_perform(handle.get());
  auto result = check_transfer(code, handle.get(), transfer);
  const bool transient = !result && !transfer.too_large && part.error() == 0 && is_transient(code, handle.get());
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (transient && (part.tag().empty() || status == 416)) part.start_over({});
  if (transfer.too_large || part.error() != 0) part.discard();
  return {std::move(result), transient};
}

/// Requests until one goes well, time or attempts are over, or nothing is to be hoped for. Each goes on where the one
/// before it ended, if the server lets it.
Result<void> transfer(const FetchOptions& options, PartFile& part) {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + options.time_limit;
  auto delay = options.retry_delay;
  for (int attempt = 1;; ++attempt) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
    auto outcome = request(options, part, std::max(left, std::chrono::milliseconds(1)));
    if (outcome.result || !outcome.transient || attempt >= options.attempts || steady_clock::now() + delay >= end) {
      return std::move(outcome.result);
    }
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, options.stop, delay, [] { return false; });
    delay *= 2;
  }
}

/// The digits that the file's SHA-256 must begin with.
Result<std::string> expected_digits(const FetchOptions& options, const std::string& name) {
  if (!options.expected_sha256.empty()) {
    if (options.expected_sha256.size() == 64 && is_hex(options.expected_sha256)) return options.expected_sha256;
    return fail(ErrorCode::kInvalidArgument, "the expected SHA-256 is not 64 lower-case hex digits");
  }
  const std::string digits = digits_in(name);
  if (!digits.empty()) return digits;
  return fail(ErrorCode::kInvalidArgument,
              "the name " + name + " does not end in eight hex digits to check; give the expected SHA-256");
}

std::string advice(const FetchReport& report, const std::string& digits, const std::optional<Error>& unusable) {
  const std::string checked = std::string(report.was_there ? "Nothing to download. " : "") +
                              "The SHA-256 begins with the expected " + digits.substr(0, 8) + ". ";
  if (report.servable) return checked + "Serve it with --model and pin it with --model-sha256.";
  return checked + "It cannot be served as it is: " + unusable->describe();
}

/// Why it is not a file of weights.
std::optional<Error> look_into(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file) return file.error();
  const auto weights = read_intact_weights_file(file->bytes());
  return weights ? std::nullopt : std::optional(weights.error());
}

/// The file is there already, as it should be.
std::optional<FetchReport> find(const std::string& path, const std::string& digits) {
  const auto file = MappedFile::open(path);
  if (!file) return std::nullopt;
  FetchReport report{.path = path, .bytes = file->bytes().size(), .sha256 = sha256_hex(file->bytes())};
  if (!report.sha256.starts_with(digits)) return std::nullopt;
  report.was_there = true;
  return report;
}

Result<void> check_format(const std::string& path, const std::string& url) {
  const auto file = MappedFile::open(path);
  if (!file) return fail(ErrorCode::kUnsupported, shown(url) + " is empty");
  const auto parsed = parse_safetensors(file->bytes());
  if (parsed) return {};
  return fail(Error(ErrorCode::kUnsupported, shown(url) + " is not a safetensors file", parsed.error()));
}

Result<FetchReport> download(const FetchOptions& options, const std::string& path, const std::string& digits) {
  PartFile part(path, shown(options.url));
  if (part.error() == EBUSY) {
    return fail(ErrorCode::kUnavailable, "another process is downloading " + path + "; try again when it has ended");
  }
  if (part.error() != 0) return cannot_write(part.path(), part.error());
  const bool whole = part.size() > 0 && find(part.path(), digits);
  if (!whole) {
    if (auto done = transfer(options, part); !done) return tl::unexpected(done.error());
  }
  FetchReport report{.path = path, .bytes = part.size(), .sha256 = part.hex_digest()};
  part.discard();
  if (!report.sha256.starts_with(digits)) {
    return fail(ErrorCode::kDataLoss, shown(options.url) + " has the SHA-256 " + report.sha256 +
                                          ", which does not begin with " + digits + "; nothing was kept");
  }
  if (path.ends_with(".safetensors")) {
    if (auto good = check_format(part.path(), options.url); !good) return fail(good.error());
  }
  if (!part.keep_as(path)) return cannot_write(path, part.error());
  return report;
}

}  // namespace

Result<FetchReport> fetch_model(const FetchOptions& options) {
  if (!options.url.starts_with("https://")) {
    return fail(ErrorCode::kInvalidArgument, "only https:// addresses are fetched");
  }
  const std::string name = options.output_name.empty() ? last_part(options.url) : options.output_name;
  if (!is_file_name(name)) {
    return fail(ErrorCode::kInvalidArgument, options.output_name.empty()
                                                 ? "the address does not end in a file's name; give one"
                                                 : "\"" + name + "\" cannot be the file's name");
  }
  const auto digits = expected_digits(options, name);
  if (!digits) return tl::unexpected(digits.error());
  const std::string path = (std::filesystem::path(options.output_directory) / name).string();
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kInvalidArgument, path + " is a folder; give another name or remove it");
  }
  std::filesystem::create_directories(options.output_directory, error);
  if (error && !std::filesystem::is_directory(options.output_directory)) {
    const bool full = error == std::errc::no_space_on_device;
    return fail(full ? ErrorCode::kUnavailable : ErrorCode::kPermissionDenied,
                "the folder " + options.output_directory + " cannot be made: " + error.message());
  }
  Result<FetchReport> report;
  if (auto found = find(path, *digits)) {
    report = std::move(*found);
  } else {
    report = download(options, path, *digits);
  }
  if (!report) return report;
  const auto unusable = look_into(path);
  report->servable = !unusable;
  report->message = advice(*report, *digits, unusable);
  return report;
}

}  // namespace imageclassifier::model
