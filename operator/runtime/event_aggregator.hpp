#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.hpp"
#include "operator/runtime/event.hpp"

namespace imageclassifier::runtime {

/// One object of events.k8s.io as it is to be on the server: to be made if it was seen once, otherwise its series is
/// to be brought up to date.
struct EventWrite {
  Event event = {};
  std::string name = {};  ///< "<object>.<nanoseconds in hex>", unique for this process
  WallTime first_seen = {};
  WallTime last_seen = {};
  std::int64_t count = 1;
};

/// Decides which occurrences of events are written, after client-go's tools/events: the first makes an object, the
/// second turns it into a series, further ones are counted here and written every `refresh`. A series ends, with its
/// last count written, when it was not seen for `finish`; what comes then is a new object.
///
/// Events are the same if everything but the time is, the note included: a note cannot be changed on the server, and a
/// series that shows an older note would tell something wrong.
///
/// Writes are limited per object as in client-go's legacy recorder: `burst` at once, then one per `refill`. What the
/// limit holds back is counted if its series exists and lost otherwise.
///
/// Not thread safe. No clock of its own. Both tables are bounded; what was not seen for longest makes room.
class EventAggregator {
 public:
  struct Options {
    Duration refresh = std::chrono::minutes(30);  ///< keeps the object from expiring (an hour by default) as well
    Duration finish = std::chrono::minutes(6);
    int burst = 25;
    Duration refill = std::chrono::minutes(5);
    std::size_t maximum_series = 1024;   ///< at most 2 KB each
    std::size_t maximum_objects = 4096;  ///< whose limit is remembered
  };
  enum class Verdict {
    kWrite,      ///< `write` is to be sent
    kCounted,    ///< part of a series that is written later
    kSuppressed  ///< too many events about this object
  };
  struct Decision {
    Verdict verdict = Verdict::kWrite;
    EventWrite write = {};
  };

  explicit EventAggregator(Options options) : options_(options) {}

  Decision record(Event event, SteadyTime now, WallTime wall);
  /// Series that have to be written by now; forgets those that have ended.
  std::vector<EventWrite> due(SteadyTime now);
  /// When due() has something to do; nothing if it never has.
  std::optional<SteadyTime> next_due() const;
  /// Every count that the server has not; for the end of the process.
  std::vector<EventWrite> flush();

 private:
  struct Series {
    std::string key;
    EventWrite state;
    SteadyTime last_seen;
    SteadyTime last_written;
    bool unwritten = false;  ///< the server does not have the count yet
  };
  struct Bucket {
    std::string key;
    double tokens = 0;
    SteadyTime filled;
  };
  template <typename T>
  struct Table {
    std::list<T> recent;  ///< last used at the end
    std::unordered_map<std::string, typename std::list<T>::iterator> by_key;
  };

  std::string name_for(const std::string& object, WallTime wall);
  bool take_token(const Event& event, SteadyTime now);
  void remember(Series series);

  Options options_;
  Table<Series> series_;
  Table<Bucket> buckets_;
  std::vector<EventWrite> evicted_;
  std::int64_t last_stamp_ = 0;
};

}  // namespace imageclassifier::runtime
