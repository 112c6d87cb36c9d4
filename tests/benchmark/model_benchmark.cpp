// The engines in turn on one picture: model_benchmark MODEL.safetensors [ROUNDS] [THREADS]. Prints milliseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "inference-server/model/model.hpp"
#include "inference-server/model/reference_logits.hpp"

using namespace imageclassifier;

namespace {

struct Contender {
  std::string name;
  std::unique_ptr<model::Model> model;
  std::vector<double> milliseconds;
};

/// The instruction sets that decide which kernels are chosen.
void print_processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) std::printf("%s\n", line.c_str());
    if (line.starts_with("flags")) {
      flags = line + " ";
      break;
    }
  }
  for (const char* flag : {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}) {
    std::printf("%s: %s  ", flag, flags.find(" " + std::string(flag) + " ") != std::string::npos ? "yes" : "no");
  }
  std::printf("\n");
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 50;
  print_processor();
  std::vector<Contender> contenders;
  for (const char* engine : {"onednn", "libtorch"}) {
    model::LoadOptions options;
    options.path = argv[1];
    options.engine = engine;
    options.threads = argc > 3 ? std::atoi(argv[3]) : 2;
    auto loaded = model::load_model(options);
    if (!loaded) {
      std::printf("%s: %s\n", engine, loaded.error().describe().c_str());
      continue;
    }
    contenders.push_back({std::string(engine) + " " + (*loaded)->info().precision, std::move(*loaded), {}});
  }
  for (int round = -3; round < rounds; ++round) {
    for (Contender& contender : contenders) {
      const auto inputs = model::reference_inputs(contender.model->manifest().transform, 1, 1);
      const auto begin = std::chrono::steady_clock::now();
      if (!contender.model->forward(inputs)) return 1;
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
      if (round >= 0) contender.milliseconds.push_back(took.count());
    }
  }
  std::printf("%-20s %8s %8s %8s\n", "ms, one picture", "min", "median", "p90");
  for (const Contender& contender : contenders) {
    const auto& took = contender.milliseconds;
    std::printf("%-20s %8.1f %8.1f %8.1f\n", contender.name.c_str(), quantile(took, 0), quantile(took, 0.5),
                quantile(took, 0.9));
  }
  return 0;
}
