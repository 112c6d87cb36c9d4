// First line: a proxy URL. Second: NO_PROXY. Third: a server URL.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "operator/kubernetes/proxy.hpp"

using namespace imageclassifier::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t first = std::min(text.find('\n'), text.size());
  const std::size_t second = std::min(text.find('\n', first + 1), text.size());
  const std::string proxy = text.substr(0, first);
  const std::string rules = first < text.size() ? text.substr(first + 1, second - first - 1) : "";
  const std::string server = second < text.size() ? text.substr(second + 1) : "https://api.example:6443";
  const auto decided = proxy_from_environment(server, [&](const std::string& name) -> std::optional<std::string> {
    if (name == "HTTPS_PROXY") return proxy;
    if (name == "NO_PROXY") return rules;
    return std::nullopt;
  });
  if (decided && !decided->url.empty()) {
    // What was understood is understood again as the same.
    const auto again = parse_proxy_url(decided->url, "x");
    if (!again || again->url != decided->url) std::abort();
  }
  if (!is_exempt_from_proxy(rules, "localhost", "1") || !is_exempt_from_proxy("*," + rules, server, "1")) std::abort();
  return 0;
}
