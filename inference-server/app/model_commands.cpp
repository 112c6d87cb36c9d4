#include <cstdio>

#include "inference-server/app/application.hpp"
#include "inference-server/demo/pictures.hpp"
#include "inference-server/model/demo_model.hpp"
#include "inference-server/model/fetch_model.hpp"

namespace imageclassifier::app {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "%s\n", error.describe().c_str());
  return 1;
}

}  // namespace

int fetch_model(const FetchModelOptions& options) {
  model::FetchOptions how;
  if (!options.url.empty()) how.url = options.url;
  how.output_directory = options.directory;
  how.expected_sha256 = options.sha256;
  how.ca_file = options.ca_file;
  int shown = -1;
  how.progress = [&shown](std::uint64_t received, std::uint64_t total) {
    const int percent = total == 0 ? 0 : static_cast<int>(received * 100 / total);
    if (percent / 10 == shown) return;
    shown = percent / 10;
    std::fprintf(stderr, "%llu of %llu bytes\n", static_cast<unsigned long long>(received),
                 static_cast<unsigned long long>(total));
  };
  const auto report = model::fetch_model(how);
  if (!report) return failed(report.error());
  std::fprintf(stderr, "%s\n", report->message.c_str());
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
  std::printf("%zu classes, %d fitted pictures (%.1f %% right when left out), %d held-out pictures (%.1f %% right)\n",
              report->labels.size(), report->fitted, report->top1_leave_one_out * 100, report->held_out,
              report->top1_held_out * 100);
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
