#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/registry/preflight.hpp"

struct sockaddr;

namespace imageclassifier::registry {

/// How long one request may take.
inline constexpr Duration kRequestTime = std::chrono::seconds(5);

/// Makes Asks that go over HTTPS. Thread safe; `clock` must outlive it and them.
class Web {
 public:
  /// Judges what a host's name stands for; null: any address may be asked.
  using MayConnect = bool (*)(const sockaddr&);

  /// `authorities`: PEM of those that are trusted; empty: none. kInvalidArgument: it is not PEM.
  static Result<Web> make(const std::string& authorities, MayConnect may_connect, Clock& clock);

  /// For one question, and one thread: of each host a connection is kept as long as the Ask lives. `more`: PEM of
  /// authorities that are trusted as well; what is not PEM adds none.
  Ask ask(const std::string& more, std::stop_token stop) const;

 private:
  Web(std::string authorities, std::shared_ptr<kubernetes::TlsIdentitySource> identity, MayConnect may_connect,
      Clock& clock);

  std::string authorities_;
  std::shared_ptr<kubernetes::TlsIdentitySource> identity_;
  MayConnect may_connect_;
  Clock* clock_;
};

/// The system's certificate authorities, as PEM, from where Debian, and our image, have them. Errors: those of
/// read_file.
Result<std::string> system_authorities();

}  // namespace imageclassifier::registry
