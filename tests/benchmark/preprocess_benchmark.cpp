// What a picture costs before the model sees it, on one thread: `build/release/bin/preprocess_benchmark [ROUNDS]`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "inference-server/image/decoder.hpp"
#include "inference-server/image/jpeg_encoder.hpp"
#include "inference-server/preprocess/preprocess.hpp"
#include "tests/inference-server/support/pictures.hpp"

namespace {

using namespace imageclassifier;

void measure(const char* what, int rounds, const std::function<void()>& work) {
  std::vector<double> times;
  work();
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("  %-16s min %7.3f  median %7.3f  p90 %7.3f ms\n", what, times.front(), times[times.size() / 2],
              times[times.size() * 9 / 10]);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(std::atoi(argv[1]), 1) : 50;
  struct Size {
    int width;
    int height;
  };
  for (const auto& [width, height] : {Size{500, 375}, Size{1920, 1080}, Size{4000, 3000}}) {
    const auto file = image::encode_jpeg(test::photo(width, height, 1), 88);
    const auto decoded = image::decode(file);
    if (!decoded) return 1;
    std::printf("JPEG %d x %d, 4:2:0, %.2f MB\n", width, height, static_cast<double>(file.size()) / 1e6);
    measure("decode", rounds, [&] { static_cast<void>(image::decode(file)); });
    measure("preprocess", rounds, [&] { preprocess::preprocess(decoded->image, preprocess::kImagenetV2); });
    for (const int least : {0, 2 * preprocess::kImagenetV2.resize}) {
      image::DecodeOptions options;
      options.least_shorter_side = least;
      measure(least == 0 ? "both, exact" : "both, fast", rounds, [&] {
        const auto whole = image::decode(file, {}, options);
        if (whole) preprocess::preprocess(*whole, preprocess::kImagenetV2);
      });
    }
  }
  return 0;
}
