#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/resources/manifest.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::reconciler {

/// Notices that somebody else undoes what we do to a child, again and again. The first repairs are done at once; then
/// the pauses between them grow, so that neither side keeps the API server busy, and the resource says what goes on
/// until nobody has interfered for a while. A child that is to be something else starts anew. Thread safe.
class Contest {
 public:
  struct Options {
    int at_once = 8;  ///< so many writes of the same manifest without a pause
    Duration first_pause = std::chrono::seconds(2);
    Duration last_pause = std::chrono::seconds(30);
    Duration calm = std::chrono::minutes(1);  ///< without interference: over
  };
  explicit Contest(Options options) : options_(options) {}

  /// How long a repair of this child has to wait; zero: not at all. Also counts as interference.
  Duration must_wait(const runtime::ObjectKey& key, const resources::Manifest& manifest, SteadyTime now);
  /// The manifest was written. `why` is kept from the write that made it a contest, so that the words do not change.
  void written(const runtime::ObjectKey& key, const resources::Manifest& manifest, const std::string& why,
               SteadyTime now);
  /// What the resource has to say: a finding FieldContested for each contested child.
  std::vector<diagnosis::Finding> findings(const runtime::ObjectKey& key, SteadyTime now) const;

 private:
  struct Entry {
    std::string hash;
    std::string name;
    std::string why;
    int writes = 0;
    SteadyTime last{};
    SteadyTime next{};
  };
  using Place = std::pair<runtime::ObjectKey, resources::Kind>;
  using Entries = std::map<Place, Entry>;

  Entry* known(Entries& entries, const Place& place, const resources::Manifest& manifest, SteadyTime now) const;

  const Options options_;
  mutable Guarded<Entries> entries_;
  SteadyTime next_sweep_{};  ///< guarded by entries_; of those that nobody asks about any more
};

}  // namespace imageclassifier::reconciler
