#include "operator/kubernetes/proxy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "common/percent_encode.hpp"

namespace imageclassifier::kubernetes {
namespace {

// The parts of "scheme://user@host:port/path"; views into the text.
struct UrlParts {
  std::string_view scheme, user, host, port;
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "host", "host:port", "[v6]", "[v6]:port"; false if it is none of them. A bare IPv6 address is a host.
bool split_host_port(std::string_view text, std::string_view& host, std::string_view& port) {
  port = {};
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (rest.empty()) return true;
    if (rest.front() != ':') return false;
    port = rest.substr(1);
    return true;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
    host = text;
    return true;
  }
  host = text.substr(0, colon);
  port = text.substr(colon + 1);
  return true;
}

std::optional<UrlParts> split_url(std::string_view url) {
  UrlParts parts;
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  parts.scheme = url.substr(0, scheme);
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    parts.user = url.substr(0, at);
    url.remove_prefix(at + 1);
  }
  if (!split_host_port(url, parts.host, parts.port) || parts.host.empty()) return std::nullopt;
  return parts;
}

bool is_port(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 65535;
}

bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._:%").find(c) != std::string_view::npos;
  });
}

// ---- addresses; IPv4 in its IPv6 form, so that the two spellings of one address are equal ----

using Address = std::array<unsigned char, 16>;

std::optional<Address> parse_address(std::string_view text, bool* is_ipv4 = nullptr) {
  const std::string copy(text);
  Address address{};
  in_addr ipv4{};
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET, copy.c_str(), &ipv4) == 1) {
    address[10] = address[11] = 0xff;
    std::memcpy(address.data() + 12, &ipv4, 4);
    if (is_ipv4) *is_ipv4 = true;
    return address;
  }
  if (is_ipv4) *is_ipv4 = false;
  if (inet_pton(AF_INET6, copy.c_str(), address.data()) == 1) return address;
  return std::nullopt;
}

bool is_mapped_ipv4(const Address& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](unsigned char byte) { return byte == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

bool is_loopback(const Address& address) {
  if (is_mapped_ipv4(address)) return address[12] == 127;
  Address loopback{};
  loopback[15] = 1;
  return address == loopback;
}

struct Network {
  Address address{};
  unsigned bits = 0;
  bool contains(const Address& other) const {
    const unsigned whole = bits / 8;
    if (!std::equal(address.begin(), address.begin() + whole, other.begin())) return false;
    if (bits % 8 == 0) return true;
    const unsigned shift = 8 - bits % 8;
    return (address[whole] >> shift) == (other[whole] >> shift);
  }
};

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  bool ipv4 = false;
  const auto address = parse_address(text.substr(0, slash), &ipv4);
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (!address || error != std::errc() || end != digits.data() + digits.size() || bits > (ipv4 ? 32U : 128U)) {
    return std::nullopt;
  }
  return Network{*address, ipv4 ? bits + 96 : bits};
}

// ---- rules ----

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool rule_matches(std::string_view rule, std::string_view host, std::string_view port,
                  const std::optional<Address>& address) {
  if (const auto network = parse_network(rule)) return address && network->contains(*address);
  std::string_view rule_host, rule_port;
  if (!split_host_port(rule, rule_host, rule_port) || rule_host.empty()) return false;
  if (!rule_port.empty() && rule_port != port) return false;
  if (const auto rule_address = parse_address(rule_host)) return address == rule_address;
  if (rule_host.substr(0, 2) == "*.") rule_host.remove_prefix(1);
  if (rule_host.front() == '.') return ends_with(host, rule_host);
  return host == rule_host || ends_with(host, "." + std::string(rule_host));
}

std::string first_of(const Environment& environment, const char* upper, const char* lower_name) {
  const std::string value = environment(upper).value_or("");
  return value.empty() ? environment(lower_name).value_or("") : value;
}

}  // namespace

bool is_exempt_from_proxy(std::string_view no_proxy, std::string_view host_in, std::string_view port) {
  const std::string host = lower(trim(host_in));
  const auto address = parse_address(host);
  if (host == "localhost" || (address && is_loopback(*address))) return true;
  while (!no_proxy.empty()) {
    const std::size_t comma = std::min(no_proxy.find(','), no_proxy.size());
    const std::string rule = lower(trim(no_proxy.substr(0, comma)));
    no_proxy.remove_prefix(std::min(comma + 1, no_proxy.size()));
    if (rule == "*" || rule_matches(rule, host, port, address)) return true;
  }
  return false;
}

Result<ProxyConfig> parse_proxy_url(std::string_view url, std::string_view what) {
  const std::string name(what);
  const auto parts = split_url(trim(url));
  if (!parts || !is_host(parts->host) || (!parts->port.empty() && !is_port(parts->port))) {
    return fail(ErrorCode::kInvalidArgument, name + " is not a proxy URL like http://proxy.example:3128");
  }
  const std::string scheme = lower(parts->scheme);
  const char* usual_port = scheme == "http" ? "80" : scheme == "https" ? "443" : "1080";
  if (scheme != "http" && scheme != "https" && scheme != "socks5" && scheme != "socks5h") {
    return fail(ErrorCode::kUnsupported, name + " must start with http://, https:// or socks5://");
  }
  ProxyConfig proxy;
  const bool ipv6 = parts->host.find(':') != std::string_view::npos;
  proxy.url = scheme + "://" + (ipv6 ? "[" : "") + std::string(parts->host) + (ipv6 ? "]" : "") + ":" +
              std::string(parts->port.empty() ? usual_port : parts->port);
  const std::size_t colon = std::min(parts->user.find(':'), parts->user.size());
  const auto user = percent_decode(parts->user.substr(0, colon));
  const auto password = percent_decode(parts->user.substr(std::min(colon + 1, parts->user.size())));
  if (!user || !password) return fail(ErrorCode::kInvalidArgument, name + " has a broken %-escape in its user part");
  proxy.user = *user;
  proxy.password = Secret(*password);
  return proxy;
}

Result<ProxyConfig> proxy_from_environment(std::string_view server_url, const Environment& environment) {
  const auto server = split_url(server_url);
  if (!server) return ProxyConfig{};
  const bool tls = lower(server->scheme) == "https";
  const char* upper = tls ? "HTTPS_PROXY" : "HTTP_PROXY";
  // In a CGI program HTTP_PROXY is what a client sent as header Proxy.
  if (!tls && environment("REQUEST_METHOD")) return ProxyConfig{};
  std::string url(trim(first_of(environment, upper, tls ? "https_proxy" : "http_proxy")));
  if (url.empty()) return ProxyConfig{};
  const std::string_view port = server->port.empty() ? (tls ? "443" : "80") : server->port;
  if (is_exempt_from_proxy(first_of(environment, "NO_PROXY", "no_proxy"), server->host, port)) return ProxyConfig{};
  if (url.find("://") == std::string::npos) url.insert(0, "http://");
  return parse_proxy_url(url, std::string("the environment variable ") + upper);
}

}  // namespace imageclassifier::kubernetes
