#pragma once

#include "operator/api/child.hpp"
#include "operator/api/service.hpp"
#include "operator/api/specification.hpp"

namespace imageclassifier::resources {

/// What of a specification decides on who reaches the pods, and how.
struct Exposure {
  api::ServiceSpec service;
  api::NetworkPolicySpec network_policy;
};

/// Takes from `wanted`, which relies on a password, all callers who are not let in by what there is already (nullptr:
/// nothing), and those that no specification lets in without one. A public Service that does not exist has no load
/// balancer then, what is internal stays so, a public one without a network of its own becomes so; of networks and
/// peers those remain that both let in (if they have none in common, the present ones), and a policy stays. Pure.
void let_in_no_more(Exposure& wanted, const api::Service* service, const api::Child* network_policy);

}  // namespace imageclassifier::resources
