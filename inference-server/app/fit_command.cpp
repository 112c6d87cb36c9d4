#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "inference-server/app/application.hpp"
#include "inference-server/app/progress.hpp"
#include "inference-server/model/fit_model.hpp"
#include "inference-server/protocol/multipart.hpp"

namespace imageclassifier::app {
namespace {

constexpr std::size_t kMaxTable = 12;  ///< classes that a terminal has room for

void print_table(const model::FitReport& report) {
  std::printf("\nWhat they are (rows) and what they are taken for (columns, in the same order):\n");
  for (std::size_t row = 0; row < report.labels.size(); ++row) {
    for (const int count : report.confusion[row]) std::printf("%4d", count);
    std::printf("  %s\n", report.labels[row].c_str());
  }
}

void print_mistakes(const model::FitReport& report) {
  struct Mistake {
    int count;
    std::size_t is;
    std::size_t taken_for;
  };
  std::vector<Mistake> mistakes;
  for (std::size_t row = 0; row < report.labels.size(); ++row) {
    for (std::size_t column = 0; column < report.labels.size(); ++column) {
      const int count = report.confusion[row][column];
      if (row != column && count > 0) mistakes.push_back({count, row, column});
    }
  }
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  if (mistakes.size() > kMaxTable) mistakes.resize(kMaxTable);
  std::printf("\nThe most frequent mistakes:%s\n", mistakes.empty() ? " none" : "");
  for (const Mistake& mistake : mistakes) {
    std::printf("%4d  %s taken for %s\n", mistake.count, report.labels[mistake.is].c_str(),
                report.labels[mistake.taken_for].c_str());
  }
}

void print(const model::FitReport& report, const std::string& path) {
  std::printf("%zu classes, %zu pictures fitted, %zu left out\n", report.labels.size(), report.fitted, report.left_out);
  if (report.held_out > 0) {
    std::printf("%.1f %% of %zu held-out pictures are right; temperature %.3f\n", report.top1 * 100, report.held_out,
                report.temperature);
    report.labels.size() <= kMaxTable ? print_table(report) : print_mistakes(report);
  }
  std::printf("\n%s  %s\n", report.sha256.c_str(), path.c_str());
}

}  // namespace

int fit_model(const FitModelOptions& options) {
  model::FitOptions how;
  how.images = options.images;
  how.backbone = options.model;
  how.output = options.output;
  how.holdout = options.holdout;
  how.seed = options.seed;
  how.threads = options.threads;
  Progress progress([](const ProgressStep& at) {
    return std::to_string(at.done) + " of " + std::to_string(at.total) + " pictures, " + remaining_time(at) + " left";
  });
  how.on_step = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  how.on_pictures = [&progress](std::size_t done, std::size_t count) { progress.show(done, count); };
  how.on_left_out = [&progress](const std::string& label, const std::string& file, const std::string& why) {
    progress.end_line();
    std::fprintf(stderr, "left out %s/%s: %s\n", label.c_str(), protocol::harmless_text(file).c_str(), why.c_str());
  };
  const auto report = model::fit_model(how);
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().describe().c_str());
    return 1;
  }
  print(*report, options.output);
  return 0;
}

}  // namespace imageclassifier::app
