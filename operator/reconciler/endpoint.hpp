#pragma once

#include <optional>
#include <string>

#include "operator/api/image_classifier.hpp"
#include "operator/api/service.hpp"

struct sockaddr;

namespace imageclassifier::reconciler {

/// Where a classifier is reached, as its Service says.
struct Address {
  api::Endpoint endpoint;
  std::string probe_url;  ///< as seen from the operator; empty if the operator must not ask this address
  /// Of a load balancer: the same Service in the cluster network; empty if it has no address there.
  std::string inside_url;
  std::string way;  ///< what we want of the Service, which decides on who reaches the address, as a digest
};

/// `wanted` is what the Service is to be: Plan::exposure. Nothing while it has no address.
std::optional<Address> address_of(const api::ImageClassifier& classifier, const api::ServiceSpec& wanted,
                                  const api::Service& service);

/// Whether the operator may ask an address that somebody wrote into an object: not loopback, link-local, multicast or
/// unspecified ones, nor metadata services of clouds, also where they stand inside an IPv6 address. Host names are
/// accepted: what they stand for is for may_connect() to judge.
bool may_probe(const std::string& address);
/// The same of an address that is about to be connected to.
bool may_connect(const sockaddr& address);

/// Whether it is an IP address of the internet (IANA's special-purpose registries); false for host names.
bool is_global(const std::string& address);

}  // namespace imageclassifier::reconciler
