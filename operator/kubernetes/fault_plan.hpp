#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// What may go wrong with a request. Of the request faults the first rule that hits wins; latency and the faults of
/// single lines come on top.
enum class Fault {
  // of a request
  kReset,        ///< "reset": nothing reaches the server; kUnavailable
  kLose,         ///< "lose": the server acts, its answer is lost; kUnavailable, or a stream that breaks at once
  kHold,         ///< "hold": no answer until the deadline, the idle time-out or the stop
  kStatus,       ///< "status": answered for the server; code=503, retry=SECONDS adds Retry-After
  kStale,        ///< "stale": an earlier answer to the same request again, if there was one (not for streams)
  kCrashBefore,  ///< "crash-before": the process ends before the request is sent
  kCrashAfter,   ///< "crash-after": the process ends when the server has answered
  kLatency,      ///< "latency": ms=LEAST-MOST before the request is sent
  // of a stream as a whole
  kCut,     ///< "cut": the connection breaks at a random byte before bytes=4096; of send(): as lose
  kFreeze,  ///< "freeze": silence from a random byte before bytes=4096 on, until the idle time-out or the stop
  // of single lines; of send() only garble, which is done to the body
  kDrop,       ///< "drop": the line never arrives
  kDuplicate,  ///< "duplicate": the line arrives twice
  kLate,       ///< "late": the line, and all that follow, ms=LEAST-MOST later
  kGarble      ///< "garble": some bytes are others, or the line ends early
};

const char* to_string(Fault fault) noexcept;

/// "SELECTOR[@PART]=FAULT[:PROBABILITY][:key=value...]".
struct FaultRule {
  /// any, read (get and watch), get (lists too), watch, write (all below), post, put, patch, delete
  enum class Selector { kAny, kRead, kGet, kWatch, kWrite, kPost, kPut, kPatch, kDelete };
  Selector selector = Selector::kAny;
  std::string part;  ///< must occur in the request's target, query included; "": any
  Fault fault = Fault::kReset;
  double probability = 1;
  std::uint64_t after = 0;  ///< after=N: the first N requests (lines) that match are spared
  std::uint64_t times = 0;  ///< times=N: at most so many hits; 0: no limit
  Duration least = std::chrono::milliseconds(0);
  Duration most = std::chrono::milliseconds(100);
  int code = 503;
  int retry_after = -1;  ///< seconds; negative: no header
  std::uint64_t bytes = 4096;
};

/// Faults for a FaultTransport, from one line of text:
///
///   seed=7,in-a-row=10,any=reset:0.1,write=lose:0.05,watch=cut:0.5:bytes=20000,get@continue=status:code=410:times=1
///
/// in-a-row=N: after N faulty requests in a row (of one method and path) the next passes; default 10, 0: no limit.
struct FaultPlan {
  std::uint64_t seed = 1;
  std::uint64_t in_a_row = 10;
  std::vector<FaultRule> rules;
};

/// kInvalidArgument names the piece that was not understood and what is possible there, or the rule that can never hit:
/// freeze, drop, duplicate and late happen to watches only, stale never does.
Result<FaultPlan> parse_fault_plan(std::string_view text);

/// True if the rule is about this request. `streamed`: by Transport::stream.
bool concerns(const FaultRule& rule, const Request& request, bool streamed);

/// A number that depends on its arguments alone and looks random: every draw of a fault is made of the seed, the rule,
/// the request's method and path and how often that was asked, so that threads cannot change it.
std::uint64_t draw(std::uint64_t seed, std::uint64_t rule, std::string_view text, std::uint64_t number);
/// The same as a number in [0, 1).
double draw_share(std::uint64_t seed, std::uint64_t rule, std::string_view text, std::uint64_t number);

}  // namespace imageclassifier::kubernetes
