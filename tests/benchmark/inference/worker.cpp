// Our side of `make bench-inference`; the commands are those of contender.py, with one argument more where ours has a
// choice:
//   inference_worker MODEL PRECISION THREADS
//   model N | preprocess FILE N exact|fast|decode | labels FILE N exact|fast | logits FILE | memory | gemm float32|int8
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <jpeglib.h>  // after <cstdio>

#include "common/file.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/model.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace {

using namespace imageclassifier;
using Clock = std::chrono::steady_clock;

std::vector<double> times(int count, const std::function<void()>& run) {
  std::vector<double> taken;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    run();
    taken.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  return taken;
}

void print(const std::vector<double>& values) {
  std::string line = "[";
  for (const double value : values) line += (line.size() > 1 ? ", " : "") + std::to_string(value);
  std::puts((line + "]").c_str());
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "inference_worker: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) give_up(result.error().describe());
  return std::move(*result);
}

double resident_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    double kilobytes = 0;
    status >> kilobytes;
    return kilobytes / 1000;
  }
  return 0;
}

/// What libjpeg-turbo alone takes at the least scale (in eighths) whose shorter side is no less.
void decode_barely(const std::string& bytes, int least_shorter_side) {
  jpeg_decompress_struct decoder{};
  jpeg_error_mgr errors{};
  decoder.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&decoder, TRUE);
  const auto shorter = static_cast<int>(std::min(decoder.image_width, decoder.image_height));
  decoder.scale_denom = 8;
  decoder.scale_num = static_cast<unsigned>(std::clamp((least_shorter_side * 8 + shorter - 1) / shorter, 1, 8));
  jpeg_start_decompress(&decoder);
  std::vector<JSAMPLE> pixels(std::size_t{decoder.output_width} * decoder.output_height * 3);
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW row = pixels.data() + std::size_t{decoder.output_scanline} * decoder.output_width * 3;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
}

/// GFLOP/s (GOP/s) of products of squares that fit into the caches.
std::vector<double> gemm_rates(bool int8) {
  constexpr int kSide = 1536;
  constexpr std::size_t kSize = kSide * kSide;
  constexpr double kOperations = 2.0 * kSide * kSide * kSide / 1e6;  // with milliseconds, GFLOP/s
  std::vector<double> rates;
  if (int8) {
    const std::vector<std::uint8_t> a(kSize, 3);
    const std::vector<std::int8_t> b(kSize, 2);
    std::vector<std::int32_t> c(kSize);
    const std::int32_t no_offset = 0;
    rates = times(12, [&] {
      dnnl::gemm_u8s8s32('N', 'N', 'F', kSide, kSide, kSide, 1, a.data(), kSide, 0, b.data(), kSide, 0, 0, c.data(),
                         kSide, &no_offset);
    });
  } else {
    const std::vector<float> a(kSize, 0.5F), b(kSize, 0.25F);
    std::vector<float> c(kSize);
    rates = times(12, [&] {
      dnnl::sgemm('N', 'N', kSide, kSide, kSide, 1, a.data(), kSide, b.data(), kSide, 0, c.data(), kSide);
    });
  }
  for (double& rate : rates) rate = kOperations / rate;
  return rates;
}

struct Worker {
  std::unique_ptr<model::Model> network;
  preprocess::TransformSpec transform = preprocess::kImagenetV2;
  preprocess::Input noise;

  preprocess::Input prepare(const std::string& bytes, bool exact = false) {
    const image::DecodeOptions options{.least_shorter_side = exact ? 0 : 2 * transform.resize};
    auto prepared = preprocess::preprocess_file(std::as_bytes(std::span(bytes)), transform, {{}, options, nullptr});
    if (!prepared) give_up(prepared.error().message);
    return std::move(prepared->input);
  }

  std::vector<float> run(const preprocess::Input& input) {
    return std::move(value_of(network->forward({&input, 1})).rows.front());
  }

  void load(const char* path, const char* precision, const char* threads) {
    model::LoadOptions options;
    options.path = path;
    options.precision = precision;
    options.threads = std::atoi(threads);
    network = value_of(model::load_model(options));
    if (network->info().precision != precision) give_up(network->info().precision_note);
    noise.height = noise.width = transform.crop;
    std::uint32_t state = 1;
    for (int i = 0; i < 3 * noise.height * noise.width; ++i) {
      state = state * 1664525 + 1013904223;
      noise.values.push_back(static_cast<float>(state >> 24) / 64 - 2);
    }
    run(noise);
  }

  /// False: the command is not known.
  bool obey(const std::string& command, std::istream& words) {
    std::string file, mode;
    int count = 1;
    if (command == "model") {
      words >> count;
      print(times(count, [&] { run(noise); }));
    } else if (command == "memory") {
      std::printf("%.1f\n", resident_megabytes());
    } else if (command == "gemm") {
      words >> mode;
      print(gemm_rates(mode == "int8"));
    } else {
      words >> file >> count >> mode;
      const std::string bytes = value_of(read_file(file, 1 << 30));
      if (command == "preprocess") {
        print(times(count, [&] {
          mode == "decode" ? decode_barely(bytes, 2 * transform.resize) : void(prepare(bytes, mode == "exact"));
        }));
      } else if (command == "labels") {
        print(times(count, [&] { run(prepare(bytes, mode == "exact")); }));
      } else if (command == "logits") {
        const std::vector<float> logits = run(prepare(bytes));
        print({logits.begin(), logits.end()});
      } else {
        return false;
      }
    }
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) give_up("usage: inference_worker MODEL PRECISION THREADS");
  Worker worker;
  if (std::string(argv[2]) != "none") worker.load(argv[1], argv[2], argv[3]);
  std::puts("\"ready\"");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (!worker.obey(command, words)) give_up("unknown command: " + line);
    std::fflush(stdout);
  }
}
