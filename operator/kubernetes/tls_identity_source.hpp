#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/tls_identity.hpp"

namespace imageclassifier::kubernetes {

struct TlsReloadOptions {
  /// How often the files are looked at, on the next request; client-go does so every 5 minutes (CA) and every minute
  /// (client certificate).
  Duration check_every = std::chrono::seconds(60);
  /// Counts rest_client_tls_reloads_total; may be null. Must outlive the source.
  MetricsRegistry* metrics = nullptr;
};

/// The TlsIdentity of the moment: re-reads the files that TlsConfig names (CA, client certificate, key) while the
/// program runs, and takes certificates from credential plugins. A file that is missing, empty or unparsable, and a
/// certificate that does not fit its key (in the middle of a swap), change nothing: the old identity stays, the failure
/// is counted and logged, and the files are looked at again at the next check. Thread safe; `clock` must outlive it.
class TlsIdentitySource {
 public:
  /// `generation` grows with each change: a pooled connection of an older generation must not be used for a new
  /// request.
  struct Snapshot {
    TlsIdentity identity;
    std::uint64_t generation = 0;
  };

  /// Errors: those of TlsIdentity::parse for what `config` holds now.
  static Result<std::shared_ptr<TlsIdentitySource>> make(const TlsConfig& config, Clock& clock,
                                                         TlsReloadOptions options = {});

  /// Looks at the files first if that is due.
  Snapshot current();

  /// Presents this certificate (PEM, perhaps with its chain) from now on; files of a client certificate are no longer
  /// read. kInvalidArgument if the two are not PEM or do not belong together: the old one stays.
  Result<void> set_client_certificate(const std::string& certificate_pem, const Secret& key_pem);

 private:
  struct State {
    TlsConfig config;
    Snapshot snapshot;
    SteadyTime checked_at{};
    std::string complaint = {};  ///< what was logged last, so that it is logged once
  };

  TlsIdentitySource(State state, Clock& clock, TlsReloadOptions options);
  void check(State& state);
  Result<bool> reload(State& state);
  void count(const char* result, double by = 1);

  Clock& clock_;
  const TlsReloadOptions options_;
  Guarded<State> state_;
};

}  // namespace imageclassifier::kubernetes
