#include "operator/reconciler/mint_desk.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/log.hpp"
#include "operator/api/json_access.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/minting.hpp"
#include "operator/registry/request_metrics.hpp"

namespace imageclassifier::reconciler {
namespace {

using registry::MintProblem;

constexpr int kThreads = 16;
/// What a registry with thousands of resources needs for all of their rotations, several times over.
constexpr Pace kPace{.per_second = 20, .at_once = 40, .threads = 12};
/// What Entra expects to be named in the token of an account that it trusts.
constexpr const char* kAudience = "api://AzureADTokenExchange";
/// The shortest that the API server gives; it is shown at once.
constexpr int kTokenSeconds = 600;
/// Somebody else's credential may be about to end.
constexpr Duration kLongestClosed = std::chrono::seconds(2);
/// Of questions that nobody has any more; beyond that many they are forgotten.
constexpr std::size_t kTidyAbove = 4096;

/// "NAMESPACE:NAME" of the account that the API server's refusal says we are; empty if it says none.
std::string refused_account(std::string_view body) {
  constexpr std::string_view kUser = "User \"system:serviceaccount:";
  const std::string message = api::text_of(api::parse_or_null(body), "message");
  const std::size_t user = message.find(kUser);
  if (user == std::string::npos) return {};
  const std::string account =
      message.substr(user + kUser.size(), message.find('"', user + kUser.size()) - user - kUser.size());
  const bool named = account.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.:") == std::string::npos;
  return named && std::count(account.begin(), account.end(), ':') == 1 ? account : std::string();
}

Counter& counter(MetricsRegistry& metrics, const char* result) {
  return metrics.counter("imageclassifier_credential_mints_total", "Credentials for a registry that were asked for.",
                         {{"result", result}});
}

}  // namespace

MintDesk::MintDesk(registry::Settings settings, registry::Ask ask, registry::AskMetadata ask_metadata,
                   kubernetes::ApiClient& client, std::function<void(const runtime::ObjectKey&)> on_change,
                   Clock& clock, MetricsRegistry& metrics)
    : settings_(settings),
      minter_(std::move(settings), std::move(ask), std::move(ask_metadata), clock),
      client_(client),
      clock_(clock),
      minted_(counter(metrics, "minted")),
      failed_(counter(metrics, "failed")),
      assertion_seconds_(registry::mint_step_seconds(metrics, "assertion")),
      turnstile_(kPace, clock),
      inquiries_(
          kThreads,
          [this](const Task& task, const std::shared_ptr<const MintAnswer>& before, std::stop_token stop) {
            return mint(task, before, std::move(stop));
          },
          std::move(on_change), clock) {}

ObservedMinting MintDesk::look(const runtime::ObjectKey& key, const Observed& observed) const {
  if (!api::is_minted(observed.classifier.spec.auth)) return {};
  MintInquiry inquiry = mint_inquiry(observed, settings_);
  auto answer = inquiries_.answer(key, inquiry.inputs);
  return {std::move(inquiry.inputs), std::move(inquiry.obstacle), std::move(answer), std::move(inquiry.question)};
}

void MintDesk::attend(const runtime::ObjectKey& key, const Observed& observed) {
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  const WallTime now = clock_.wall_now();
  const ObservedMinting& known = observed.minting;
  if (!api::is_minted(auth) || known.inputs.empty() || known.obstacle || !wants_mint(observed, now)) return forget(key);
  Task task{known.inputs, known.question, {}, now};
  if (const auto* workload = std::get_if<api::WorkloadIdentity>(&auth))
    task.account = {key.namespace_name, workload->service_account_name};
  if (const auto until = assess_credential(observed, now).expires) task.held_until = *until;
  inquiries_.watch(key, task.id, task);
}

MintDesk::Inquiries::Reply MintDesk::mint(const Task& task, const std::shared_ptr<const MintAnswer>& before,
                                          std::stop_token stop) {
  registry::MintQuestion question = task.question;
  // What follows is whom the credential is minted for.
  const std::string identity = task.id.substr(std::min(task.id.find('-'), task.id.size()));
  const auto turn = turnstile_.enter(question.server, identity, before != nullptr);
  if (!turn.pass && (before || !turn.why)) return {std::nullopt, turn.wait};
  if (!turn.pass) return {MintAnswer{{}, turn.why}, turn.wait};
  question.assertion = [&] { return request_token(task.account, stop); };
  auto minted = minter_.mint(question);
  auto failures = failures_.lock();
  if (minted) {
    minted_.increment();
    failures->erase(task.id);
    // For those that come later with the same question.
    const Duration again = std::max<Duration>((minted->expires - minted->minted) * 2 / 5, std::chrono::seconds(10));
    return {MintAnswer{std::move(*minted), {}}, again};
  }
  failed_.increment();
  if (failures->size() > kTidyAbove) failures->clear();
  const int attempt = (*failures)[task.id]++;
  const registry::MintFailure& failure = minted.error();
  log::warning("Could not mint a credential for a registry", {{"server", question.server},
                                                              {"identity", question.client},
                                                              {"problem", to_string(failure.problem)},
                                                              {"host", failure.host},
                                                              {"detail", failure.detail},
                                                              {"attempt", attempt + 1}});
  const Duration left = task.held_until - clock_.wall_now();
  const std::size_t seed = std::hash<std::string>()(task.id + std::to_string(attempt));
  const Duration pause = mint_pause(failure, attempt, left, seed);
  if (failure.silent) turnstile_.close(question.server, failure, std::min(pause, kLongestClosed));
  if (failure.problem == MintProblem::kThrottled)
    turnstile_.close_to(question.server, identity, failure, std::max<Duration>(failure.retry_after, kLongestClosed));
  return {MintAnswer{{}, failure}, pause};
}

registry::Minting<Secret> MintDesk::request_token(const kubernetes::ObjectName& account, std::stop_token stop) {
  kubernetes::Request request = kubernetes::get_request(service_accounts(), account);
  request.method = kubernetes::Method::kPost;
  request.target += "/token";
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = nlohmann::json{{"apiVersion", "authentication.k8s.io/v1"},
                                {"kind", "TokenRequest"},
                                {"spec", {{"audiences", {kAudience}}, {"expirationSeconds", kTokenSeconds}}}}
                     .dump();
  const SteadyTime begin = clock_.steady_now();
  const auto answer = client_.execute(std::move(request), stop);
  assertion_seconds_.observe(std::chrono::duration<double>(clock_.steady_now() - begin).count());
  const auto unavailable = [](const char* detail) {
    return registry::not_minted(MintProblem::kIdentityProviderUnavailable, detail);
  };
  if (!answer) return unavailable("the API server gives no token of the account");
  if (answer->status == 403)
    return registry::not_minted(MintProblem::kTokenRequestForbidden, refused_account(answer->body));
  if (answer->status == 404) return registry::not_minted(MintProblem::kServiceAccountNotFound);
  const nlohmann::json object = answer->status < 300 ? api::parse_or_null(answer->body) : nlohmann::json();
  std::string token = api::text_of(api::member(object, "status"), "token");
  if (token.empty()) return unavailable("the API server gives no token of the account");
  return Secret(std::move(token));
}

}  // namespace imageclassifier::reconciler
