#include <malloc.h>

#include <atomic>
#include <thread>

#include "tests/operator/kubernetes/transport_rig.hpp"
#include "tests/support/peak_memory.hpp"

// What answers without end cost, with the limits that the operator has by default.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;
using Cause = StreamEnd::Cause;

namespace {

// As operator/main.cpp does, before any thread runs: otherwise what malloc keeps is most of what is measured.
const int kArenas = mallopt(M_ARENA_MAX, 3);

constexpr int kRounds = 5;
constexpr int kGivenUp = 40;  // per thread; without the mitigation a crash came within a few hundred
constexpr std::size_t kLine = 50'000'000;
const std::string kPiece(64 * 1024, 'x');

// MB, for one request at a time; in brackets what was measured.
constexpr double kLineMegabytes = 24;       // 4 MiB, doubled while it grows
constexpr double kBodyMegabytes = 80;       // 16 MiB, doubled while it grows, and what malloc keeps of earlier ones
constexpr double kTogetherMegabytes = 130;  // what a pod of 256Mi has beside ten thousand resources, and some room
constexpr double kRefusalMegabytes = 8;     // (0)
// cpprestsdk holds a chunk whole, twice while it hands it over, also for a watch that is just being given up (109 to
// 263 without TLS, which says nothing of what has been received).
constexpr double kChunkMegabytes = 400;
constexpr double kHeadMegabytes = 16;

// Those that give up a head or a chunk without end.
#ifdef __SANITIZE_THREAD__
using EachBoundedTransport = std::tuple<Curl, CurlTls>;
#else
using EachBoundedTransport = std::tuple<CpprestTls, Curl, CurlTls>;
#endif

/// A line that is too long, as the API server would send it: one chunk, or many small ones.
bool send_long_line(Connection& connection, bool one_chunk) {
  char head[32];
  std::snprintf(head, sizeof head, "%zx\r\n", kLine + 1);
  if (one_chunk && !connection.send(head)) return false;
  for (std::size_t left = kLine; left > 0;) {
    const std::string piece = kPiece.substr(0, std::min(left, kPiece.size()));
    if (!connection.send(one_chunk ? piece : chunk(piece))) return false;
    left -= piece.size();
  }
  return connection.send(one_chunk ? "\n\r\n" : chunk("\n"));
}

void check_peak(const char* what, const PeakMemory& memory, double limit) {
  const double grown = memory.grown_megabytes();
  WARN(what << ": grew by at most " << grown << " MB");
  CHECK(grown < limit + kSanitizerMegabytes);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("lines of 50 MB end their watch each time, and memory stays bounded", "", EachTransport) {
  const bool one_chunk = GENERATE(true, false);
  INFO((one_chunk ? "one chunk" : "many chunks"));
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + chunk("one\n"));
    while (send_long_line(connection, one_chunk)) {
    }
  });
  const PeakMemory memory;
  for (int round = 0; round < kRounds; ++round) {
    Lines lines;
    const auto end = rig.stream(lines);
    REQUIRE(end);
    CHECK(end->cause == Cause::kLineTooLong);
    CHECK(lines.seen == std::vector<std::string>{"one"});
  }
  const bool held_whole = one_chunk && TestType::kKind == TransportKind::kCpprest && !TestType::kTls;
  check_peak("long lines", memory, held_whole ? kChunkMegabytes : kLineMegabytes);
}

TEMPLATE_LIST_TEST_CASE("bodies without end are refused each time, and memory stays bounded", "", EachTransport) {
  const bool chunked = GENERATE(true, false);
  const int status = GENERATE(200, 500);
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    const std::string head = "HTTP/1.1 " + std::to_string(status) + " x\r\n";
    connection.send(head + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: 1000000000000\r\n\r\n"));
    while (connection.send(chunked ? chunk(kPiece) : kPiece)) {
    }
  });
  const PeakMemory memory;
  for (int round = 0; round < kRounds; ++round) {
    const auto response = rig.send(kGet);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::kTooLarge);
    CHECK_THAT(response.error().message,
               Catch::StartsWith("the API server's answer exceeds the limit of 16777216 bytes"));
  }
  check_peak("bodies without end", memory, kBodyMegabytes);
}

TEMPLATE_LIST_TEST_CASE("heads without end are refused each time, and memory stays bounded", "", EachBoundedTransport) {
  const bool one_line = GENERATE(true, false);
  INFO((one_line ? "one line" : "many lines"));
  std::string many;
  while (many.size() < kPiece.size()) many += "a: b\r\n";
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked.substr(0, kChunked.size() - 2) + "A: ");
    while (connection.send(one_line ? kPiece : many)) {
    }
  });
  const PeakMemory memory;
  for (int round = 0; round < kRounds; ++round) {
    const auto response = rig.send(kGet);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::kTooLarge);
    CHECK_THAT(response.error().message, Catch::StartsWith("the head of the API server's answer exceeds the limit"));
    Lines lines;
    const auto end = rig.stream(lines);
    REQUIRE_FALSE(end);
    CHECK(end.error().code == ErrorCode::kTooLarge);
  }
  check_peak("heads without end", memory, kHeadMegabytes);
}

TEMPLATE_LIST_TEST_CASE("chunks without end are refused each time, and memory stays bounded", "",
                        EachBoundedTransport) {
  const bool sized = GENERATE(true, false);
  INFO((sized ? "its size is too large" : "its size does not end"));
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send(kChunked + (sized ? "1dcd6500\r\n" : ""));
    const std::string zeroes(kPiece.size(), '0');
    while (connection.send(sized ? kPiece : zeroes)) {
    }
  });
  const PeakMemory memory;
  for (int round = 0; round < kRounds; ++round) {
    const auto response = rig.send(kGet);
    REQUIRE_FALSE(response);
    // libcurl takes a size of more than 16 digits for a broken answer.
    const bool broken = !sized && TestType::kKind == TransportKind::kCurl;
    CHECK(response.error().code == (broken ? ErrorCode::kUnavailable : ErrorCode::kTooLarge));
    Lines lines;
    const auto end = rig.stream(lines);
    REQUIRE(end);
    CHECK(end->cause == (broken ? Cause::kBroken : Cause::kLineTooLong));
  }
  check_peak("chunks without end", memory, kBodyMegabytes);
}

TEMPLATE_LIST_TEST_CASE("what a dozen requests hold together stays bounded, and small answers always arrive", "",
                        EachBoundedTransport) {
  const bool one_chunk = GENERATE(true, false);
  INFO((one_chunk ? "one chunk" : "many chunks"));
  Rig<TestType> rig([&](Connection& connection, int) {
    if (connection.read_request().find("/small") != std::string::npos) {
      connection.send(answer(kPiece));
      return;
    }
    connection.send(kChunked + (one_chunk ? "1dcd6500\r\n" : ""));
    while (connection.send(one_chunk ? kPiece : chunk(kPiece))) {
    }
  });
  const PeakMemory memory;
  std::atomic<int> refused = 0, arrived = 0;
  std::vector<std::jthread> threads;
  for (int worker = 0; worker < 12; ++worker) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const auto large = rig.send(kGet, 60s);
        if (!large && large.error().code == ErrorCode::kTooLarge) ++refused;
        Request request = kGet;
        request.target = "/small";
        if (const auto small = rig.send(request, 60s); small && small->body == kPiece) ++arrived;
      }
    });
  }
  threads.clear();
  CHECK(refused == 12 * kRounds);
  CHECK(arrived == 12 * kRounds);
  check_peak("a dozen at once", memory, kTogetherMegabytes);
}

TEMPLATE_LIST_TEST_CASE("requests that are given up while their bodies arrive end cleanly, hundreds on several threads",
                        "", EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.send(chunk(kPiece))) {
    }
  });
  std::atomic<int> late = 0;
  std::vector<std::jthread> threads;
  for (int worker = 0; worker < 8; ++worker) {
    threads.emplace_back([&, worker] {
      for (int round = 0; round < kGivenUp; ++round) {
        const auto response = rig.send(kGet, std::chrono::milliseconds(5 + (worker * 7 + round * 13) % 40));
        if (!response && response.error().code == ErrorCode::kDeadlineExceeded) ++late;
      }
    });
  }
  threads.clear();
  CHECK(late > 0);
}

TEMPLATE_LIST_TEST_CASE("a watch that is refused with a body without end is over once that is known", "",
                        EachTransport) {
  Rig<TestType> rig([&](Connection& connection, int) {
    connection.read_request();
    connection.send("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.send(chunk(kPiece))) {
    }
  });
  const PeakMemory memory;
  for (int round = 0; round < kRounds; ++round) {
    Lines lines;
    const auto end = rig.stream(lines);
    REQUIRE(end);
    CHECK(end->cause == Cause::kRefusedByServer);
    CHECK(end->status == 500);
    CHECK(end->body.size() == 64 * 1024);
  }
  check_peak("refusals without end", memory, kRefusalMegabytes);
}
