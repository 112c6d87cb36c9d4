#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"

namespace imageclassifier::runtime {

/// What leader election reads and writes of a Lease (coordination.k8s.io/v1).
struct LeaseRecord {
  std::string holder = {};  ///< spec.holderIdentity; empty: free
  std::chrono::seconds duration{0};
  std::string acquire_time = {};  ///< MicroTime as text: other machines' clocks are never compared with ours
  std::string renew_time = {};
  int transitions = 0;
  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

/// A Lease as the server has it. `body` is the whole object, so that what others put into it survives our writes.
struct Lease {
  LeaseRecord record = {};
  std::string resource_version = {};
  std::string body = {};
};

/// Fails with kInvalidArgument if `json` is no object with a metadata.resourceVersion. Members of spec that are missing
/// or have another type count as empty: a damaged Lease can be taken.
Result<Lease> parse_lease(std::string_view json);

/// The body of a PUT: `lease` with the members of `record`, all others as they were.
std::string with_record(const Lease& lease, const LeaseRecord& record);

/// The body of a POST.
std::string new_lease(std::string_view namespace_name, std::string_view name, const LeaseRecord& record);

}  // namespace imageclassifier::runtime
