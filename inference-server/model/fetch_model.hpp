#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "common/result.hpp"

namespace imageclassifier::model {

/// torchvision's official ResNet101 weights, IMAGENET1K_V2.
inline constexpr const char* kOfficialWeightsUrl = "https://download.pytorch.org/models/resnet101-cd907fc2.pth";

struct FetchOptions {
  std::string url = kOfficialWeightsUrl;    ///< https only, redirects included
  std::string output_directory = ".";       ///< made if it is missing
  std::string output_name;                  ///< [A-Za-z0-9._-]; empty: what the URL's path ends in
  std::string expected_sha256;              ///< 64 hex digits; empty: the file name's eight hex digits decide
  std::string ca_file;                      ///< PEM of authorities to trust besides the system's
  std::uint64_t max_bytes = 2'000'000'000;  ///< larger downloads are refused
  std::chrono::seconds time_limit{3600};    ///< for all attempts together; one that stands still ends after a minute
  int attempts = 5;                         ///< requests, if they fail in a way that another one may heal
  std::chrono::milliseconds retry_delay{1000};  ///< before the second; doubled before each one after it
  std::stop_token stop{};                       ///< ends the transfer within a second
  std::function<void(std::uint64_t received, std::uint64_t total)> progress;  ///< bytes; total 0: unknown
};

struct FetchReport {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;      ///< the full digest, to be pinned by --model-sha256
  bool was_there = false;  ///< nothing was downloaded: the file was there with the expected digest
  bool servable = false;   ///< a file of weights: safetensors, or what torch.save wrote of a state_dict
  std::string message{};   ///< one sentence: what was checked and what to do next
};

/// Downloads a weights file under the temporary name NAME.part; it appears, whole and on the disk, only when the digest
/// fits. A transfer that breaks, and one that was killed, is gone on with by Range and If-Range (RFC 9110 13.1.5, 14.2)
/// when the server gave a strong entity tag, else started over. No message holds the URL's query or password.
/// kInvalidArgument: not an https URL, neither digits in the name nor an expected digest, or a CA file that is none;
/// kDataLoss: the digest differs; kTooLarge; kUnsupported: a .safetensors file that is not one; kPermissionDenied: the
/// folder cannot be written; kCancelled; kDeadlineExceeded, kUnavailable: the transfer failed, another may succeed.
Result<FetchReport> fetch_model(const FetchOptions& options);

}  // namespace imageclassifier::model
