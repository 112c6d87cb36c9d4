#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.hpp"

namespace imageclassifier::model {

/// torchvision's official ResNet101 weights, IMAGENET1K_V2.
inline constexpr const char* kOfficialWeightsUrl = "https://download.pytorch.org/models/resnet101-cd907fc2.pth";

struct FetchOptions {
  std::string url = kOfficialWeightsUrl;    ///< https only, redirects included
  std::string output_directory = ".";       ///< the file keeps the name that the URL ends in
  std::string expected_sha256;              ///< 64 hex digits; empty: the file name's eight hex digits decide
  std::string ca_file;                      ///< PEM of further trusted authorities; empty: the system's
  std::uint64_t max_bytes = 2'000'000'000;  ///< larger downloads are refused
  std::function<void(std::uint64_t received, std::uint64_t total)> progress;  ///< bytes; total 0: unknown
};

struct FetchReport {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;     ///< the full digest, to be pinned by --model-sha256
  bool servable = false;  ///< a .safetensors file; a .pth file cannot be served as it is
  std::string message;    ///< one sentence: what was checked and what to do next
};

/// Downloads a weights file through a temporary name; it appears only when the digest fits. kInvalidArgument: not an
/// https URL, or neither digits in the name nor an expected digest; kDataLoss: the digest differs; kTooLarge;
/// kUnavailable: the transfer failed.
Result<FetchReport> fetch_model(const FetchOptions& options);

}  // namespace imageclassifier::model
