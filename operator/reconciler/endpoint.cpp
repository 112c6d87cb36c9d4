#include "operator/reconciler/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

std::string url_of(const api::ServiceSpec& service, const std::string& host) {
  const std::string bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  const std::int64_t port = api::port_of(service);
  const bool usual = port == (api::serves_tls(service) ? 443 : 80);
  return std::string(resources::port_name(service)) + "://" + bracketed + (usual ? "" : ":" + std::to_string(port));
}

using namespace std::string_view_literals;

// Metadata services of Azure and Alibaba; the others' are link-local.
constexpr std::array<std::uint32_t, 2> kMetadataV4 = {0xA83F8110, 0x646464C8};

bool is_v4_forbidden(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  return first == 0 || first == 127 || (address >> 16) == 0xA9FE || first >= 224 ||
         std::find(kMetadataV4.begin(), kMetadataV4.end(), address) != kMetadataV4.end();
}

bool begins_with(const in6_addr& address, std::string_view bytes) {
  return std::memcmp(address.s6_addr, bytes.data(), bytes.size()) == 0;
}

// IPv6 addresses that hold an IPv4 one: mapped, compatible (RFC 4291), by NAT64 (RFC 6052), by 6to4 (RFC 3056).
struct Embedding {
  std::string_view prefix;
  std::size_t place;  // of the IPv4 address
};
constexpr std::array kEmbeddings = {Embedding{"\0\0\0\0\0\0\0\0\0\0\xff\xff"sv, 12},
                                    Embedding{"\0\0\0\0\0\0\0\0\0\0\0\0"sv, 12},
                                    Embedding{"\0\x64\xff\x9b\0\0\0\0\0\0\0\0"sv, 12}, Embedding{"\x20\x02"sv, 2}};

constexpr std::array kForbiddenV6 = {"\0\x64\xff\x9b\0\x01"sv,  // NAT64 of a network's own (RFC 8215)
                                     "\xfd\0\x0e\xc2\0\0\0\0\0\0\0\0\0\0\x02\x54"sv,   // metadata service of Amazon
                                     "\xfd\x20\0\xce\0\0\0\0\0\0\0\0\0\0\x02\x54"sv};  // and of Google

/// IPv4 as it is mapped into IPv6.
bool is_forbidden(const in6_addr& address) {
  for (const auto& [prefix, place] : kEmbeddings) {
    if (!begins_with(address, prefix)) continue;
    std::uint32_t inner = 0;
    std::memcpy(&inner, address.s6_addr + place, sizeof(inner));
    return is_v4_forbidden(ntohl(inner));
  }
  return IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MULTICAST(&address) ||
         std::any_of(kForbiddenV6.begin(), kForbiddenV6.end(),
                     [&](std::string_view prefix) { return begins_with(address, prefix); });
}

in6_addr mapped(const in_addr& v4) {
  in6_addr address{};
  address.s6_addr[10] = address.s6_addr[11] = 0xff;
  std::memcpy(address.s6_addr + 12, &v4, sizeof(v4));
  return address;
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
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return !is_forbidden(mapped(v4));
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) return !is_forbidden(v6);
  return address.find_first_of("/@?# \r\n") == std::string::npos;
}

bool may_connect(const sockaddr& address) {
  if (address.sa_family == AF_INET)
    return !is_forbidden(mapped(reinterpret_cast<const sockaddr_in&>(address).sin_addr));
  return address.sa_family == AF_INET6 && !is_forbidden(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

std::optional<Address> address_of(const api::ImageClassifier& classifier, const api::ServiceSpec& spec,
                                  const api::Service& service) {
  Address address;
  address.way = resources::build_service(classifier, spec).hash;
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
