// What a credential plugin prints, on either channel, is read or refused, and never quoted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "operator/kubernetes/exec_credential.hpp"

using namespace imageclassifier::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto credential = parse_exec_credential(text, "client.authentication.k8s.io/v1");
  if (credential) {
    if (credential->token.empty() && credential->certificate_pem.empty()) std::abort();
    // A token becomes part of a header.
    if (credential->token.reveal().find_first_of("\r\n") != std::string::npos) std::abort();
  }
  for (const char c : clean_plugin_text(text)) {
    if (static_cast<unsigned char>(c) < ' ') std::abort();
  }
  return 0;
}
