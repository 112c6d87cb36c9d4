#include "operator/kubernetes/tls_identity_source.hpp"

#include <utility>

#include "common/file.hpp"
#include "common/log.hpp"

namespace imageclassifier::kubernetes {
namespace {

constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;

Result<std::string> read(const std::string& path) {
  auto text = read_regular_file(path, kMaximumFile);
  if (text && text->find_first_not_of(" \t\r\n") == std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, path + " is empty");
  }
  return text;
}

}  // namespace

Result<std::shared_ptr<TlsIdentitySource>> TlsIdentitySource::make(const TlsConfig& config, Clock& clock,
                                                                   TlsReloadOptions options) {
  auto identity = TlsIdentity::parse(config);
  if (!identity) return fail(identity.error());
  State state;
  state.config = config;
  state.snapshot.identity = std::move(*identity);
  state.checked_at = clock.steady_now();
  return std::shared_ptr<TlsIdentitySource>(new TlsIdentitySource(std::move(state), clock, options));
}

TlsIdentitySource::TlsIdentitySource(State state, Clock& clock, TlsReloadOptions options)
    : clock_(clock), options_(options), state_(std::move(state)) {
  for (const char* result : {"success", "failure"}) count(result, 0);
}

TlsIdentitySource::Snapshot TlsIdentitySource::current() {
  auto state = state_.lock();
  if (clock_.steady_now() - state->checked_at >= options_.check_every) check(*state);
  return state->snapshot;
}

Result<void> TlsIdentitySource::set_client_certificate(const std::string& certificate_pem, const Secret& key_pem) {
  auto state = state_.lock();
  if (state->config.client_certificate_pem == certificate_pem && state->config.client_key_pem == key_pem) return {};
  TlsConfig candidate = state->config;
  candidate.client_certificate_pem = certificate_pem;
  candidate.client_key_pem = key_pem;
  candidate.client_certificate_file.clear();
  candidate.client_key_file.clear();
  auto identity = TlsIdentity::parse(candidate);
  if (!identity) return fail(identity.error());
  state->config = std::move(candidate);
  state->snapshot = {std::move(*identity), state->snapshot.generation + 1};
  return {};
}

void TlsIdentitySource::check(State& state) {
  state.checked_at = clock_.steady_now();
  const Result<bool> changed = reload(state);
  if (!changed) {
    count("failure");
    const std::string complaint = changed.error().describe();
    if (complaint != state.complaint) {
      log::warning("Kept the old TLS certificates because the files could not be used", {{"error", complaint}});
    }
    state.complaint = complaint;
    return;
  }
  state.complaint.clear();
  if (!*changed) return;
  count("success");
  log::info(
      "Read changed TLS files; new connections use them",
      {{"certificateAuthority", state.config.ca_file}, {"clientCertificate", state.config.client_certificate_file}});
}

Result<bool> TlsIdentitySource::reload(State& state) {
  TlsConfig candidate = state.config;
  if (!candidate.ca_file.empty()) {
    auto text = read(candidate.ca_file);
    if (!text) return fail(text.error());
    candidate.ca_pem = std::move(*text);
  }
  if (!candidate.client_certificate_file.empty()) {
    auto text = read(candidate.client_certificate_file);
    if (!text) return fail(text.error());
    candidate.client_certificate_pem = std::move(*text);
  }
  if (!candidate.client_key_file.empty()) {
    auto text = read(candidate.client_key_file);
    if (!text) return fail(text.error());
    candidate.client_key_pem = Secret(std::move(*text));
  }
  if (candidate.ca_pem == state.config.ca_pem &&
      candidate.client_certificate_pem == state.config.client_certificate_pem &&
      candidate.client_key_pem == state.config.client_key_pem) {
    return false;
  }
  auto identity = TlsIdentity::parse(candidate);
  if (!identity) return fail(identity.error());
  state.config = std::move(candidate);
  state.snapshot = {std::move(*identity), state.snapshot.generation + 1};
  return true;
}

void TlsIdentitySource::count(const char* result, double by) {
  if (options_.metrics == nullptr) return;
  options_.metrics
      ->counter("rest_client_tls_reloads_total", "Changed certificate files that were read, by result.",
                {{"result", result}})
      .increment(by);
}

}  // namespace imageclassifier::kubernetes
