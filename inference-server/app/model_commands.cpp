#include <array>
#include <chrono>
#include <cstdio>

#include "inference-server/app/application.hpp"
#include "inference-server/app/progress.hpp"
#include "inference-server/demo/pictures.hpp"
#include "inference-server/model/convert_model.hpp"
#include "inference-server/model/demo_model.hpp"
#include "inference-server/model/fetch_model.hpp"

namespace imageclassifier::app {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "%s\n", error.describe().c_str());
  return 1;
}

struct FetchFailure {
  const char* reason;
  int exit_code;
};

FetchFailure fetch_failure(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kPermissionDenied:
      return {"ConfigurationInvalid", kExitConfiguration};
    case ErrorCode::kDataLoss:
      return {"ModelDigestMismatch", kExitConfiguration};
    case ErrorCode::kTooLarge:
    case ErrorCode::kUnsupported:
      return {"ModelInvalid", kExitConfiguration};
    default:
      return {"ModelUnavailable", 1};
  }
}

std::string megabytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", bytes / 1e6);
  return text.data();
}

std::string download_progress(const ProgressStep& at) {
  const std::string of = at.total == 0 ? "" : " of " + megabytes(static_cast<double>(at.total));
  return megabytes(static_cast<double>(at.done)) + of + " MB, " + megabytes(at.rate) + " MB/s";
}

}  // namespace

int fetch_model(const FetchModelOptions& options, std::stop_token stop) {
  model::FetchOptions how;
  if (!options.url.empty()) how.url = options.url;
  how.output_directory = options.directory;
  how.expected_sha256 = options.sha256;
  how.output_name = options.name;
  how.ca_file = options.ca_file;
  how.max_bytes = options.max_bytes;
  how.time_limit = std::chrono::seconds(options.timeout);
  how.stop = std::move(stop);
  how.attempts = options.attempts;
  Progress progress(download_progress);
  how.progress = [&progress](std::uint64_t received, std::uint64_t total) { progress.show(received, total); };
  // The digits in a name are a convention of the official weights; whoever names an address names what is there.
  const bool pinned = options.url.empty() || !options.sha256.empty();
  const auto report = pinned ? model::fetch_model(how)
                             : Result<model::FetchReport>(fail(ErrorCode::kInvalidArgument, "--url needs --sha256"));
  if (!report) {
    const FetchFailure failure = fetch_failure(report.error().code);
    write_termination_log(options.termination_log, failure.reason, report.error().describe());
    failed(report.error());
    return failure.exit_code;
  }
  std::fprintf(stderr, "%s\n", report->message.c_str());
  std::printf("%s  %s\n", report->sha256.c_str(), report->path.c_str());
  return 0;
}

int convert_model(const ConvertModelOptions& options) {
  model::ConvertOptions how;
  how.input = options.input;
  how.output = options.output;
  how.architecture = options.architecture;
  if (options.weights == "V1") how.weights = model::WeightsVersion::kV1;
  if (options.weights == "V2") how.weights = model::WeightsVersion::kV2;
  if (!options.labels.empty()) {
    auto labels = read_labels(options.labels);
    if (!labels) return failed(labels.error());
    how.labels = std::move(*labels);
  }
  const auto report = model::convert_model(how);
  if (!report) return failed(report.error());
  std::fprintf(stderr, "%s with %d classes\n", report->architecture.c_str(), report->classes);
  std::printf("%s  %s\n", report->sha256.c_str(), report->path.c_str());
  return 0;
}

int make_demo_model(const MakeDemoModelOptions& options) {
  model::DemoModelOptions how;
  how.output = options.output;
  how.architecture = options.architecture;
  how.seed = options.seed;
  how.pictures_per_class = options.pictures_per_class;
  how.shuffle_labels = options.shuffle_labels;
  how.threads = options.threads;
  how.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const auto report = model::make_demo_model(how);
  if (!report) return failed(report.error());
  std::printf("%zu classes, %zu fitted pictures, %zu held-out pictures (%.1f %% right)\n", report->labels.size(),
              report->fitted, report->held_out, report->top1_held_out * 100);
  std::printf("sha256 %s\n%s\n", report->sha256.c_str(), report->path.c_str());
  return 0;
}

int draw_pictures(const DrawPicturesOptions& options) {
  demo::DrawOptions how;
  how.output = options.output;
  how.set = options.set == "fitting" ? demo::PictureSet::kFitting : demo::PictureSet::kHeldOut;
  how.seed = options.seed;
  how.per_class = options.per_class;
  const auto drawn = demo::draw_pictures(how);
  if (!drawn) return failed(drawn.error());
  std::printf("%d pictures in %s\n", *drawn, options.output.c_str());
  return 0;
}

}  // namespace imageclassifier::app
