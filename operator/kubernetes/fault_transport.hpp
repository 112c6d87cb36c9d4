#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "operator/kubernetes/fault_plan.hpp"

namespace imageclassifier::kubernetes {

/// A Transport in front of another one that makes things go wrong as a FaultPlan says, for tests of whole processes.
///
/// The same plan and the same requests give the same faults, whatever threads send them: each draw is made of the seed,
/// the rule, the request's method and path, and how many requests of that method and path came before. Only after=,
/// times= and crash points count over all requests, in their order of arrival. Thread safe.
class FaultTransport final : public Transport {
 public:
  struct Options {
    /// What a crash point does; the default ends the process at once, without any clean-up, with kCrashStatus.
    std::function<void()> crash = {};
  };
  static constexpr int kCrashStatus = 86;

  /// `inner` and `clock` must outlive the object.
  FaultTransport(Transport& inner, FaultPlan plan, Clock& clock, Options options);
  ~FaultTransport() override;

  Result<Response> send(const Request& request, SteadyTime deadline, std::stop_token stop) override;
  Result<StreamEnd> stream(const Request& request, LineSink& sink, Duration idle_timeout,
                           std::stop_token stop) override;

  /// How often each fault has happened, by its name; only those that did.
  std::map<std::string, std::uint64_t> injected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::kubernetes
