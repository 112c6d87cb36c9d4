// A refusal's body and Retry-After become an error within its bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "operator/kubernetes/retry_policy.hpp"
#include "operator/kubernetes/status.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::vector<Header> headers{{"Retry-After", text.substr(0, line)}};
  const std::string body = line < text.size() ? text.substr(line + 1) : text;
  for (const int code : {400, 401, 409, 410, 429, 500, 504, 599}) {
    const Status status = status_of(code, headers, body);
    if (status.causes.size() > 64 || status.message.size() > 4096 || status.reason.size() > 4096) std::abort();
    if (status.retry_after && (status.retry_after->count() < 0 || status.retry_after->count() > 3600)) std::abort();
    if (to_error(status, "x").message.size() > 9000) std::abort();
    const auto delay = retry_delay(Method::kGet, 1, 10, Response{code, headers, body});
    if (delay && code < 500 && code != 429) std::abort();
    // What the server may have begun is not sent twice.
    if (retry_delay(Method::kPost, 1, 10, Response{code, headers, body}) && code != 429) std::abort();
  }
  return 0;
}
