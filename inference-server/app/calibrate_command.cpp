#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "inference-server/app/application.hpp"
#include "inference-server/model/calibration.hpp"
#include "inference-server/model/picture_file.hpp"
#include "inference-server/protocol/multipart.hpp"

namespace imageclassifier::app {
namespace {

Result<std::vector<std::string>> find_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error)) files.push_back(at->path().string());
  }
  if (error) return fail(ErrorCode::kNotFound, "the folder " + folder + " cannot be read: " + error.message());
  if (files.empty()) return fail(ErrorCode::kNotFound, "the folder " + folder + " holds no files");
  std::sort(files.begin(), files.end());
  return files;
}

/// At most `limit`, spread evenly over all.
std::vector<std::string> choose(const std::vector<std::string>& files, std::size_t limit) {
  std::vector<std::string> chosen;
  const std::size_t count = std::min(files.size(), limit);
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(files[i * files.size() / count]);
  return chosen;
}

/// What is no picture is named and skipped.
std::optional<preprocess::Input> read_picture(const std::string& path, const std::string& folder,
                                              const preprocess::TransformSpec& transform) {
  auto input = model::read_picture_file(path, transform);
  if (input) return std::move(*input);
  const std::string below = std::filesystem::path(path).lexically_relative(folder).string();
  std::fprintf(stderr, "skipped: %s: %s\n", protocol::harmless_text(below).c_str(), input.error().message.c_str());
  return std::nullopt;
}

}  // namespace

int calibrate(const CalibrateOptions& options) {
  const auto failed = [](const Error& error) {
    std::fprintf(stderr, "%s\n", error.describe().c_str());
    return 1;
  };
  const auto found = find_files(options.images);
  if (!found) return failed(found.error());
  const auto files = choose(*found, static_cast<std::size_t>(options.limit));
  model::CalibrationOptions how;
  how.model = options.model;
  how.output = options.output;
  how.threads = options.threads;
  how.least_agreement = options.least_agreement;
  how.pictures = files.size();
  how.picture = [&](std::size_t n, const preprocess::TransformSpec& transform) {
    return read_picture(files[n], options.images, transform);
  };
  how.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const auto report = model::calibrate(how);
  if (!report) return failed(report.error());
  const model::Calibration& found_out = report->calibration;
  std::printf(
      "%d pictures measured; on %d others int8 and float32 agree on the first class in %.1f %%,\n"
      "float32's first class is among int8's first five in %.1f %%, logits differ by %.2f %% of the largest "
      "(worst %.2f %%)\n",
      found_out.pictures, found_out.held_out, found_out.top1_agreement * 100, found_out.top5_agreement * 100,
      found_out.mean_logit_error * 100, found_out.worst_logit_error * 100);
  std::printf("%s  %s\n", report->sha256.c_str(), report->path.c_str());
  return 0;
}

}  // namespace imageclassifier::app
