#include "inference-server/batching/service_rate.hpp"

#include <algorithm>

namespace imageclassifier::batching {

void ServiceRate::arrived(std::size_t count, SteadyTime now) {
  if (present_ == 0) mark_ = now;
  present_ += count;
}

void ServiceRate::departed(std::size_t count, SteadyTime now, bool served) {
  present_ -= std::min(count, present_);
  if (!served || count == 0) return;
  const Duration each = (now - mark_) / static_cast<std::int64_t>(count);
  per_item_ = per_item_ == Duration{} ? each : (per_item_ * 3 + each) / 4;
  mark_ = now;
}

}  // namespace imageclassifier::batching
