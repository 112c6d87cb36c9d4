#pragma once

#include <optional>
#include <string>

#include "operator/api/image_classifier.hpp"
#include "operator/api/service.hpp"

namespace imageclassifier::reconciler {

/// Where a classifier is reached, as its Service says.
struct Address {
  api::Endpoint endpoint;
  std::string probe_url;  ///< as seen from the operator; empty if the operator must not ask this address
  /// Of a load balancer: the same Service in the cluster network; empty if it has no address there.
  std::string inside_url;
  std::string way;  ///< what we want of the Service, which decides on who reaches the address, as a digest
};

/// Nothing while the Service has no address.
std::optional<Address> address_of(const api::ImageClassifier& classifier, const api::Service& service);

/// Whether the operator may connect to an address that somebody wrote into an object: not to loopback, link-local
/// (which holds the clouds' metadata services), multicast or unspecified ones. Host names are accepted.
bool may_probe(const std::string& address);

/// Whether it is an IP address of the internet (IANA's special-purpose registries); false for host names.
bool is_global(const std::string& address);

}  // namespace imageclassifier::reconciler
