#include "inference-server/model/fetch_model.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>

#include "common/sha256.hpp"

namespace imageclassifier::model {
namespace {

constexpr long kConnectSeconds = 20;
constexpr long kStallSeconds = 60;
constexpr long kMaxRedirects = 5;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// The last part of the URL's path, if it can be a file's name.
std::string file_name_of(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  const std::string name = path.substr(path.rfind('/') + 1);
  const auto safe = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  if (name.empty() || name.front() == '.' || name.size() > 200) return {};
  return std::all_of(name.begin(), name.end(), safe) ? name : std::string();
}

/// torchvision's convention: name-<the first eight hex digits of the SHA-256>.pth
std::string digits_in(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot < 9 || name[dot - 9] != '-') return {};
  const std::string digits = name.substr(dot - 8, 8);
  return is_hex(digits) ? digits : std::string();
}

struct Transfer {
  std::ofstream out;
  Sha256 digest;
  std::uint64_t received = 0;
  std::uint64_t max_bytes = 0;
  bool too_large = false;
  const FetchOptions* options = nullptr;
};

std::size_t on_data(const char* data, std::size_t, std::size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->received += size;
  transfer->too_large = transfer->received > transfer->max_bytes;
  if (transfer->too_large) return 0;
  transfer->digest.update(std::string_view(data, size));
  transfer->out.write(data, static_cast<std::streamsize>(size));
  return transfer->out ? size : 0;
}

int on_progress(void* user, curl_off_t total, curl_off_t received, curl_off_t, curl_off_t) {
  const auto* transfer = static_cast<Transfer*>(user);
  if (transfer->options->progress) {
    transfer->options->progress(static_cast<std::uint64_t>(received), static_cast<std::uint64_t>(total));
  }
  return 0;
}

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

Handle make_handle(const FetchOptions& options, Transfer& transfer) {
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
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  return handle;
}

Result<void> check_transfer(CURLcode code, CURL* curl, const Transfer& transfer) {
  if (transfer.too_large) {
    return fail(ErrorCode::kTooLarge,
                "the download is larger than " + std::to_string(transfer.max_bytes) + " bytes and was stopped");
  }
  if (!transfer.out) return fail(ErrorCode::kUnavailable, "the download cannot be written; is the disk full?");
  if (code == CURLE_OK) return {};
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string why =
      code == CURLE_HTTP_RETURNED_ERROR ? "the server answered " + std::to_string(status) : curl_easy_strerror(code);
  return fail(ErrorCode::kUnavailable, "the download of " + transfer.options->url + " failed: " + why);
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

std::string advice(const FetchReport& report, const std::string& digits) {
  const std::string checked = "The SHA-256 begins with the expected " + digits.substr(0, 8) + ". ";
  if (report.servable) return checked + "Serve it with --model and pin it with --model-sha256.";
  return checked +
         "This is PyTorch's pickle format, which is not read here: convert it to safetensors with torchvision's tensor "
         "names before serving it.";
}

Result<FetchReport> download(const FetchOptions& options, const std::string& name, const std::string& digits) {
  FetchReport report;
  report.path = (std::filesystem::path(options.output_directory) / name).string();
  report.servable = name.ends_with(".safetensors");
  const std::string part = report.path + ".part";
  Transfer transfer;
  transfer.options = &options;
  transfer.max_bytes = options.max_bytes;
  transfer.out.open(part, std::ios::binary | std::ios::trunc);
  const Handle handle = make_handle(options, transfer);
  const CURLcode code = curl_easy_perform(handle.get());
  transfer.out.close();
  if (auto checked = check_transfer(code, handle.get(), transfer); !checked) {
    std::remove(part.c_str());
    return tl::unexpected(checked.error());
  }
  report.bytes = transfer.received;
  report.sha256 = transfer.digest.hex_digest();
  if (!report.sha256.starts_with(digits)) {
    std::remove(part.c_str());
    return fail(ErrorCode::kDataLoss, "the download has the SHA-256 " + report.sha256 + ", which does not begin with " +
                                          digits + "; nothing was kept");
  }
  std::error_code error;
  std::filesystem::rename(part, report.path, error);
  if (error) return fail(ErrorCode::kUnavailable, "the file " + report.path + " cannot be written");
  report.message = advice(report, digits);
  return report;
}

}  // namespace

Result<FetchReport> fetch_model(const FetchOptions& options) {
  if (!options.url.starts_with("https://")) {
    return fail(ErrorCode::kInvalidArgument, "only https:// addresses are fetched");
  }
  const std::string name = file_name_of(options.url);
  if (name.empty()) return fail(ErrorCode::kInvalidArgument, "the address does not end in a file's name");
  const auto digits = expected_digits(options, name);
  if (!digits) return tl::unexpected(digits.error());
  std::error_code error;
  std::filesystem::create_directories(options.output_directory, error);
  return download(options, name, *digits);
}

}  // namespace imageclassifier::model
