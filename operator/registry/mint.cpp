#include "operator/registry/mint.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/percent_encode.hpp"
#include "common/sha256.hpp"
#include "operator/registry/answer.hpp"
#include "operator/registry/way.hpp"

namespace imageclassifier::registry {
namespace {

using kubernetes::Request;
using kubernetes::Response;

/// The user that a token is the password of.
constexpr const char* kNobody = "00000000-0000-0000-0000-000000000000";
const kubernetes::Header kOurselves{"X-Meta-Source-Client", "imageclassifier-operator"};
constexpr Duration kShortestRest = std::chrono::minutes(5);
constexpr Duration kToleratedSkew = std::chrono::minutes(5);
constexpr double kUsableShare = 0.8;
/// A refresh token that becomes the credential itself must last until that is rotated, at half of its life.
constexpr double kHandedOutShare = 0.2;

std::string status_text(const Response& response) {
  return "HTTP status " + std::to_string(response.status);
}

/// What an error on the way to `host` means; `unreachable` is the server's word for that.
MintFailure failed_way(const Error& error, const std::string& host, MintProblem unreachable) {
  using Kind = WayFailure::Kind;
  WayFailure way = way_failure(error);
  const MintProblem problem = way.kind == Kind::kUntrusted        ? MintProblem::kUntrusted
                              : way.kind == Kind::kOutOfTime      ? MintProblem::kCertificateOutOfTime
                              : way.kind == Kind::kAddressRefused ? MintProblem::kAddressRefused
                                                                  : unreachable;
  return {problem, std::move(way.words), {}, host};
}

/// Of a status of the registry that is neither success nor a refusal of the identity.
MintFailure judge(const Response& response, const std::string& host) {
  const std::string status = status_text(response);
  if (response.status == 403) return {MintProblem::kRegistryForbidden, status, {}, host};
  if (response.status == 429) return {MintProblem::kThrottled, {}, retry_after_of(response), host};
  if (response.status >= 500)
    return {MintProblem::kRegistryUnreachable, "it answers " + status, retry_after_of(response), host};
  return {MintProblem::kRegistryAnswerInvalid, status, {}, host};
}

Request post_form(std::string target, std::string body) {
  Request request;
  request.method = kubernetes::Method::kPost;
  request.target = std::move(target);
  request.headers = {kOurselves, {"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.body = std::move(body);
  return request;
}

/// Everything that a token of the identity depends on, as a name that tells nothing of it.
std::string name_of(const MintQuestion& question, const Cloud& cloud) {
  const nlohmann::json all = {static_cast<int>(question.identity),
                              cloud.authority,
                              cloud.audience,
                              cloud.fallback_audience,
                              question.tenant,
                              question.client,
                              question.resource_id,
                              question.subject,
                              sha256_hex(question.secret.reveal())};
  return sha256_hex(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

/// Where the registry's tokens are given out.
struct Minter::Door {
  Place realm;
  std::string service;
  bool skewed = false;  ///< its clock and ours differ
};

Minter::Minter(Settings settings, Ask ask, AskMetadata ask_metadata, const Clock& clock)
    : settings_(std::move(settings)),
      ask_(std::move(ask)),
      ask_metadata_(std::move(ask_metadata)),
      clock_(clock),
      tokens_(clock) {}

bool Minter::may_have_token(const std::string& server, const std::string& cloud) const {
  return is_allowed(server, settings_.servers) && is_allowed(server, settings_.clouds.at(cloud).servers);
}

Minting<Minter::Door> Minter::find_door(const MintQuestion& question) const {
  Request request;
  request.target = "/v2/";
  request.headers = {kOurselves};
  const auto answer = ask_(question.server, request);
  if (!answer) {
    MintFailure failure = failed_way(answer.error(), question.server, MintProblem::kRegistryUnreachable);
    failure.silent = failure.problem == MintProblem::kRegistryUnreachable;
    return tl::unexpected(std::move(failure));
  }
  if (answer->status == 200) return not_minted(MintProblem::kRegistryAnswerInvalid, "it asks for no credential");
  if (answer->status != 401) return tl::unexpected(judge(*answer, question.server));
  for (const Challenge& challenge : challenges_of(*answer)) {
    if (challenge.scheme != "bearer") continue;
    auto realm = realm_of(challenge);
    if (!realm) return not_minted(MintProblem::kRegistryAnswerInvalid, std::move(realm.error().message));
    if (realm->host != question.server && !may_have_token(realm->host, question.cloud))
      return tl::unexpected(MintFailure{MintProblem::kServerNotAllowed, {}, {}, shown_host(realm->host)});
    std::string service(challenge.get("service"));
    if (service.empty()) service = question.server;
    return Door{std::move(*realm), std::move(service), is_skewed(*answer, clock_.wall_now())};
  }
  return not_minted(MintProblem::kRegistryAnswerInvalid, "it asks for no token");
}

Minting<Token> Minter::identify(const MintQuestion& question, const std::string& audience) {
  if (question.identity == MintQuestion::Identity::kMachine) {
    const auto answer = ask_metadata_(metadata_request({{}, question.client, question.resource_id}, audience));
    if (answer) return read_metadata(*answer, question.client, clock_.wall_now());
    return tl::unexpected(failed_way(answer.error(), {}, MintProblem::kMetadataUnavailable));
  }
  Proof proof{Proof::Kind::kSecret, question.secret};
  if (question.identity == MintQuestion::Identity::kFederated) {
    auto assertion = question.assertion();
    if (!assertion) return tl::unexpected(std::move(assertion.error()));
    proof = {Proof::Kind::kAssertion, std::move(*assertion)};
  }
  const std::string& authority = settings_.clouds.at(question.cloud).authority;
  const auto answer = ask_(authority, entra_request(question.tenant, question.client, audience, proof));
  if (answer) return read_entra(*answer, clock_.wall_now());
  return tl::unexpected(failed_way(answer.error(), authority, MintProblem::kIdentityProviderUnavailable));
}

Minting<HeldToken> Minter::identity_token(const MintQuestion& question, const std::string& identity,
                                          const Cloud& cloud) {
  return tokens_.get(identity, kUsableShare, [&]() -> Minting<Token> {
    auto token = identify(question, cloud.audience);
    const bool other = !token && token.error().problem == MintProblem::kAudienceUnknown;
    if (!other || cloud.fallback_audience.empty()) return token;
    return identify(question, cloud.fallback_audience);
  });
}

Minting<Token> Minter::exchange(const MintQuestion& question, const Door& door, const std::string& identity,
                                const Cloud& cloud) {
  const auto known = identity_token(question, identity, cloud);
  if (!known) return tl::unexpected(known.error());
  std::string form = "grant_type=access_token&service=" + percent_encode(door.service);
  if (!question.tenant.empty()) form += "&tenant=" + percent_encode(question.tenant);
  form += "&access_token=" + percent_encode(known->token.value.reveal());
  auto token = hand_in(question, door, "/oauth2/exchange", std::move(form), "refresh_token");
  if (!token && token.error().problem == MintProblem::kExchangeDenied) tokens_.forget(identity);
  return token;
}

Minting<Token> Minter::narrow(const MintQuestion& question, const std::vector<std::string>& repositories,
                              const Door& door, const Token& refresh) const {
  std::string form = "grant_type=refresh_token&service=" + percent_encode(door.service);
  for (const std::string& repository : repositories)
    form += "&scope=" + percent_encode("repository:" + repository + ":pull");
  form += "&refresh_token=" + percent_encode(refresh.value.reveal());
  auto token = hand_in(question, door, door.realm.target, std::move(form), {});
  // No error tells of a role that is missing: the token has fewer rights, and would take the place of one that works.
  if (token && !grants_pull(token->value, question.repositories).value_or(true))
    return not_minted(MintProblem::kExchangeDenied, "no right to pull from the repository");
  return token;
}

Minting<Token> Minter::hand_in(const MintQuestion& question, const Door& door, const std::string& target,
                               std::string form, std::string_view member) const {
  const auto answer = ask_(door.realm.host, post_form(target, std::move(form)));
  if (!answer) return tl::unexpected(failed_way(answer.error(), door.realm.host, MintProblem::kRegistryUnreachable));
  if (answer->status == 401 || answer->status == 400)
    return not_minted(MintProblem::kExchangeDenied, status_text(*answer));
  if (answer->status != 200) return tl::unexpected(judge(*answer, door.realm.host));
  const WallTime now = clock_.wall_now();
  auto token = parse_token(Secret(answer->body), now, member);
  if (!token) return not_minted(MintProblem::kRegistryAnswerInvalid, "its answer holds no token");
  // Else it could be another registry's token that this one gets.
  const std::string& audience = door.realm.host == question.server ? door.service : question.server;
  if (auto refused = refuse_token(*token, question.server, audience, door.skewed, now))
    return tl::unexpected(std::move(*refused));
  token->expires = *parse_claims(token->value)->expires;
  return std::move(*token);
}

Minting<Minted> Minter::mint(const MintQuestion& question) {
  const auto cloud = settings_.clouds.find(question.cloud);
  if (cloud == settings_.clouds.end()) return not_minted(MintProblem::kCloudUnknown, question.cloud);
  if (!may_have_token(question.server, question.cloud))
    return not_minted(MintProblem::kServerNotAllowed, question.server);
  // Each time: what is kept of the identity goes nowhere but to where the registry says now.
  const auto door = find_door(question);
  if (!door) return tl::unexpected(door.error());
  const std::string identity = name_of(question, cloud->second);
  const std::string name = identity + " " + question.server + " " + door->realm.host + " " + door->service;
  const bool whole = question.repositories.empty();
  const auto refresh = tokens_.get(name, whole ? kHandedOutShare : kUsableShare,
                                   [&] { return exchange(question, *door, identity, cloud->second); });
  if (!refresh) return tl::unexpected(refresh.error());
  if (whole) return Minted{Secret(kNobody), refresh->token.value, refresh->obtained, refresh->token.expires};
  std::vector<std::string> all = question.repositories;
  all.insert(all.end(), question.wished.begin(), question.wished.end());
  auto narrowed = narrow(question, all, *door, refresh->token);
  const bool refused = !narrowed && narrowed.error().problem == MintProblem::kExchangeDenied;
  if (refused && !question.wished.empty()) narrowed = narrow(question, question.repositories, *door, refresh->token);
  if (!narrowed) {
    if (narrowed.error().problem == MintProblem::kExchangeDenied) tokens_.forget(name);
    return tl::unexpected(std::move(narrowed.error()));
  }
  return Minted{Secret(kNobody), std::move(narrowed->value), clock_.wall_now(), narrowed->expires};
}

std::optional<MintFailure> refuse_token(const Token& token, const std::string& server, const std::string& audience,
                                        bool skewed, WallTime now) {
  const auto invalid = [](const char* detail) { return MintFailure{MintProblem::kRegistryAnswerInvalid, detail}; };
  const auto claims = parse_claims(token.value);
  if (!claims || !claims->expires) return invalid("its token does not say when it ends");
  const auto& meant = claims->audiences;
  const bool ours = meant.empty() || std::any_of(meant.begin(), meant.end(), [&](const std::string& name) {
                      return name == server || name == audience;
                    });
  if (!ours) return invalid("its token is for another registry");
  const WallTime begin = std::min(claims->issued.value_or(claims->not_before.value_or(now)), now);
  const Duration rest = std::min<Duration>(kShortestRest, (*claims->expires - begin) / 2);
  const bool early = claims->not_before && *claims->not_before > now + kToleratedSkew;
  if (!early && *claims->expires > now + rest) return std::nullopt;
  if (skewed) return MintFailure{MintProblem::kClockSkew, server};
  return invalid(early ? "its token is not good yet" : "its token has ended already");
}

}  // namespace imageclassifier::registry
