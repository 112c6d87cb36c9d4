// The first byte is the size of the pieces; whatever it is, the lines must be the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kubernetes/line_splitter.hpp"

using namespace imageclassifier::kubernetes;

namespace {

struct Lines final : LineSink {
  std::vector<std::string> seen;
  bool on_line(std::string_view line) override {
    seen.emplace_back(line);
    return true;
  }
};

std::vector<std::string> split(std::string_view text, std::size_t piece) {
  LineSplitter splitter(1U << 20U);
  Lines lines;
  for (std::size_t at = 0; at < text.size(); at += piece) splitter.feed(text.substr(at, piece), lines);
  splitter.finish(lines);
  return lines.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (split(text, std::max<std::size_t>(1, data[0])) != split(text, size)) std::abort();
  return 0;
}
