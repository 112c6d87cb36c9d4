#include "inference-server/app/memory_limit.hpp"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace imageclassifier::app {

std::uint64_t memory_limit(const std::string& file) {
  std::uint64_t bytes = 0;
  if (std::ifstream in(file); in >> bytes) return bytes;
  return std::numeric_limits<std::uint64_t>::max();  // no such file, or "max"
}

std::uint64_t picture_memory(std::uint64_t container) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  return std::clamp(container / 8, 32 * kMebibyte, 256 * kMebibyte);
}

void give_large_blocks_back() {
  // Either of them, once set, no longer grows with what is freed (mallopt(3)).
  constexpr int kMebibyte = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 4 * kMebibyte);
  mallopt(M_TRIM_THRESHOLD, 8 * kMebibyte);
}

}  // namespace imageclassifier::app
