#include "operator/reconciler/endpoint.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstdint>

namespace imageclassifier::reconciler {
namespace {

std::string url_of(const std::string& host, std::int64_t port) {
  const std::string bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return "http://" + bracketed + (port == 80 ? "" : ":" + std::to_string(port));
}

bool is_v4_forbidden(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  return first == 0 || first == 127 || (address >> 16) == 0xA9FE || first >= 224;
}

}  // namespace

bool may_probe(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return !is_v4_forbidden(ntohl(v4.s_addr));
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return address.find_first_of("/@?# \r\n") == std::string::npos;
  const auto& bytes = v6.s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return !is_v4_forbidden(static_cast<std::uint32_t>(bytes[12]) << 24 | static_cast<std::uint32_t>(bytes[13]) << 16 |
                            static_cast<std::uint32_t>(bytes[14]) << 8 | bytes[15]);
  }
  return !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_LINKLOCAL(&v6) &&
         !IN6_IS_ADDR_MULTICAST(&v6);
}

std::optional<Address> address_of(const api::ImageClassifier& classifier, const api::Service& service) {
  const std::int64_t port = classifier.spec.service.port;
  Address address;
  if (classifier.spec.service.type == "ClusterIP") {
    if (service.cluster_ip.empty() || service.cluster_ip == "None") return std::nullopt;
    const std::string name = classifier.metadata.name + "." + classifier.metadata.namespace_name + ".svc";
    address.endpoint = {url_of(name, port) + "/", service.cluster_ip, "Cluster"};
  } else {
    if (service.ingress.empty()) return std::nullopt;
    address.endpoint = {url_of(service.ingress.front(), port) + "/", service.ingress.front(),
                        classifier.spec.service.scope};
  }
  if (may_probe(address.endpoint.address)) address.probe_url = url_of(address.endpoint.address, port);
  return address;
}

}  // namespace imageclassifier::reconciler
