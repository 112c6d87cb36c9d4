#include "inference-server/app/tls_files.hpp"

#include "common/file.hpp"

namespace imageclassifier::app {

Result<std::optional<HttpTlsPair>> read_tls_files(const ServeOptions& options) {
  constexpr std::uint64_t kMaximumFile = 1024 * 1024;
  if (options.tls_certificate.empty() && options.tls_key.empty()) return std::nullopt;
  if (options.tls_certificate.empty() || options.tls_key.empty()) {
    return fail(ErrorCode::kInvalidArgument, "--tls-certificate and --tls-key are given together or not at all");
  }
  auto certificate = read_file(options.tls_certificate, kMaximumFile);
  if (!certificate) return fail(certificate.error());
  auto key = read_file(options.tls_key, kMaximumFile);
  if (!key) return fail(key.error());
  return HttpTlsPair{std::move(*certificate), Secret(std::move(*key))};
}

}  // namespace imageclassifier::app
