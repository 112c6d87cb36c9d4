#include "operator/reconciler/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

std::string url_of(const api::ServiceSpec& service, const std::string& host) {
  const bool secure = !service.tls_secret_name.empty();
  const std::string bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  const std::string port = service.port == (secure ? 443 : 80) ? "" : ":" + std::to_string(service.port);
  return (secure ? "https://" : "http://") + bracketed + port;
}

bool is_v4_forbidden(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  return first == 0 || first == 127 || (address >> 16) == 0xA9FE || first >= 224;
}

struct Network {
  std::uint32_t address;
  unsigned bits;
};
// Private, shared (RFC 6598), loopback, link-local, for documentation and benchmarks, reserved.
constexpr std::array kSpecialV4 = {Network{0x00000000, 8},  Network{0x0A000000, 8},  Network{0x64400000, 10},
                                   Network{0x7F000000, 8},  Network{0xA9FE0000, 16}, Network{0xAC100000, 12},
                                   Network{0xC0000000, 24}, Network{0xC0000200, 24}, Network{0xC0A80000, 16},
                                   Network{0xC6120000, 15}, Network{0xC6336400, 24}, Network{0xCB007100, 24},
                                   Network{0xE0000000, 3}};

}  // namespace

bool is_global(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const std::uint32_t number = ntohl(v4.s_addr);
    return std::none_of(kSpecialV4.begin(), kSpecialV4.end(), [number](const Network& network) {
      return (number ^ network.address) >> (32 - network.bits) == 0;
    });
  }
  in6_addr v6{};
  // 2000::/3 is all that is given out, of it 2001:db8::/32 for documentation.
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && v6.s6_addr[0] >> 5 == 1 &&
         !(v6.s6_addr[0] == 0x20 && v6.s6_addr[1] == 0x01 && v6.s6_addr[2] == 0x0d && v6.s6_addr[3] == 0xb8);
}

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
  const api::ServiceSpec& spec = classifier.spec.service;
  Address address;
  address.way = resources::build_service(classifier).hash;
  if (spec.type == "ClusterIP") {
    if (service.cluster_ip.empty() || service.cluster_ip == "None") return std::nullopt;
    const std::string name = classifier.metadata.name + "." + classifier.metadata.namespace_name + ".svc";
    address.endpoint = {url_of(spec, name) + "/", service.cluster_ip, "Cluster", {}};
  } else {
    if (service.ingress.empty()) return std::nullopt;
    const std::string& given = service.ingress.front();
    const bool open = std::any_of(service.ingress.begin(), service.ingress.end(), is_global);
    address.endpoint = {url_of(spec, given) + "/", given, open ? "Public" : spec.scope, {}};
    const std::string& inside = service.cluster_ip;
    if (!inside.empty() && inside != "None" && may_probe(inside)) address.inside_url = url_of(spec, inside);
  }
  if (may_probe(address.endpoint.address)) address.probe_url = url_of(spec, address.endpoint.address);
  return address;
}

}  // namespace imageclassifier::reconciler
