#include "common/uuid.hpp"

#include <cstdint>
#include <random>

namespace imageclassifier {

std::string random_uuid() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  std::uint64_t bits = 0;
  int left = 0;
  for (char& c : text) {
    if (c != 'x' && c != 'y') continue;
    if (left == 0) {
      bits = generator();
      left = 16;
    }
    const auto digit = static_cast<unsigned>(bits & 0xfU);
    c = kDigits[c == 'y' ? (digit & 0x3U) | 0x8U : digit];
    bits >>= 4;
    --left;
  }
  return text;
}

}  // namespace imageclassifier
