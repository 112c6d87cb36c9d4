#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/kubernetes/client_config.hpp"

/// Which proxy leads to a server, decided as Go programs decide it (golang.org/x/net/http/httpproxy), so that the same
/// environment means the same as for kubectl. Pure.
namespace imageclassifier::kubernetes {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// "http://user:password@proxy:3128", also https, socks5 and socks5h; without a port the scheme's usual one. `what`
/// names the setting in the message, which never quotes the URL: it may hold a password. Errors: kInvalidArgument,
/// kUnsupported (another scheme).
Result<ProxyConfig> parse_proxy_url(std::string_view url, std::string_view what);

/// HTTPS_PROXY or https_proxy (HTTP_PROXY or http_proxy for an http:// server) unless NO_PROXY or no_proxy exempts
/// `server_url`. The upper-case name wins; a value without scheme is http://. ALL_PROXY is not read, as in Go.
Result<ProxyConfig> proxy_from_environment(std::string_view server_url, const Environment& environment);

/// The rules of NO_PROXY, separated by commas: "*", addresses, CIDRs, "example.com" (and what is below it),
/// ".example.com" and "*.example.com" (only below it), each but the CIDRs with ":port" if wanted. localhost and
/// loopback addresses never go through a proxy. `host` is without brackets.
bool is_exempt_from_proxy(std::string_view no_proxy, std::string_view host, std::string_view port);

}  // namespace imageclassifier::kubernetes
