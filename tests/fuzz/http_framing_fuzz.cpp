// The header scanner, the target splitter and the chunk decoder: in one piece and byte by byte they must agree.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/http_framing.hpp"

using namespace imageclassifier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  HeaderScanner whole(4096);
  const auto state = whole.scan(input);
  HeaderScanner stepwise(4096);
  auto last = HeaderScanner::State::kIncomplete;
  for (std::size_t end = 1; end <= input.size() && last == HeaderScanner::State::kIncomplete; ++end) {
    last = stepwise.scan(std::string_view(input).substr(0, end));
  }
  if (last != state || whole.size() > input.size()) std::abort();

  HttpRequest request;
  set_target(request, input);

  ChunkDecoder decoder(100, 4096);
  std::string body;
  std::string_view rest = input;
  const auto outcome = decoder.feed(rest, body);
  ChunkDecoder slow(100, 4096);
  std::string slow_body;
  auto slow_outcome = ChunkDecoder::State::kMore;
  for (std::size_t i = 0; i < input.size() && slow_outcome == ChunkDecoder::State::kMore; ++i) {
    std::string_view byte = std::string_view(input).substr(i, 1);
    slow_outcome = slow.feed(byte, slow_body);
  }
  if (slow_outcome != outcome || slow_body != body || body.size() > 4096) std::abort();
  return 0;
}
