#include "operator/registry/entra.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/percent_encode.hpp"
#include "operator/registry/answer.hpp"

namespace imageclassifier::registry {
namespace {

using kubernetes::Request;
using kubernetes::Response;
using nlohmann::json;

constexpr Duration kToleratedSkew = std::chrono::minutes(5);
constexpr long kAssertionOutOfTime = 700024;

struct KnownError {
  long code;  ///< of AADSTS<code>
  MintProblem problem;
};

/// Microsoft advises against relying on these numbers: they choose the words for people, nothing else but whether to
/// ask again at once, which a number that is not here leaves as it is.
constexpr std::array kKnownErrors = {
    KnownError{50001, MintProblem::kAudienceUnknown},
    KnownError{500011, MintProblem::kAudienceUnknown},
    KnownError{70021, MintProblem::kFederationNotFound},
    KnownError{700211, MintProblem::kFederationNotFound},
    KnownError{700212, MintProblem::kFederationNotFound},
    KnownError{700213, MintProblem::kFederationNotFound},
    KnownError{7002138, MintProblem::kFederationNotFound},
    KnownError{700016, MintProblem::kIdentityNotFound},
    KnownError{90002, MintProblem::kIdentityNotFound},
    KnownError{kAssertionOutOfTime, MintProblem::kAssertionExpired},
    KnownError{7000215, MintProblem::kClientSecretInvalid},
    KnownError{7000222, MintProblem::kClientSecretExpired},
};

/// 0: it names none.
long error_code(const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  if (!answer.is_object()) return 0;
  const auto codes = answer.find("error_codes");
  if (codes != answer.end() && codes->is_array() && !codes->empty() && codes->front().is_number_integer()) {
    return codes->front().get<long>();
  }
  const auto description = answer.find("error_description");
  if (description == answer.end() || !description->is_string()) return 0;
  constexpr std::string_view kPrefix = "AADSTS";
  const std::string& text = description->get_ref<const std::string&>();
  long code = 0;
  if (const std::size_t at = text.find(kPrefix); at != std::string::npos) {
    std::from_chars(text.data() + at + kPrefix.size(), text.data() + text.size(), code);
  }
  return code;
}

std::string status_text(const Response& response) {
  return "HTTP status " + std::to_string(response.status);
}

bool is_ill(const Response& response) {
  return response.status == 429 || response.status >= 500 || response.status < 400;
}

MintFailure refusal(const Response& response, WallTime now) {
  const long code = error_code(response.body);
  if (code <= 0) return {MintProblem::kIdentityRefused, status_text(response)};
  if (code == kAssertionOutOfTime && is_skewed(response, now)) return {MintProblem::kClockSkew, "Entra"};
  const auto* known = std::find_if(kKnownErrors.begin(), kKnownErrors.end(),
                                   [code](const KnownError& error) { return error.code == code; });
  const MintProblem problem = known == kKnownErrors.end() ? MintProblem::kIdentityRefused : known->problem;
  return {problem, "AADSTS" + std::to_string(code)};
}

Minting<Token> read_token(const Response& response, WallTime now, MintProblem unavailable) {
  auto token = parse_token(Secret(response.body), now);
  if (!token) return not_minted(unavailable, "its answer holds no token");
  return std::move(*token);
}

/// Whom a metadata service gives a token for; empty: it does not say.
std::string identity_in(const Response& response) {
  const nlohmann::json answer = nlohmann::json::parse(response.body, nullptr, false);
  return answer.is_object() && answer.contains("client_id") && answer["client_id"].is_string()
             ? answer["client_id"].get<std::string>()
             : std::string();
}

}  // namespace

Request entra_request(const std::string& tenant, const std::string& client, const std::string& audience,
                      const Proof& proof) {
  Request request;
  request.method = kubernetes::Method::kPost;
  request.target = "/" + percent_encode(tenant) + "/oauth2/v2.0/token";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.body = "grant_type=client_credentials&client_id=" + percent_encode(client) +
                 "&scope=" + percent_encode(audience + "/.default");
  request.body +=
      proof.kind == Proof::Kind::kSecret
          ? "&client_secret="
          : "&client_assertion_type=" + percent_encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") +
                "&client_assertion=";
  request.body += percent_encode(proof.value.reveal());
  return request;
}

Request metadata_request(const ManagedIdentity& identity, const std::string& audience) {
  Request request;
  request.target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + percent_encode(audience);
  if (!identity.client_id.empty()) request.target += "&client_id=" + percent_encode(identity.client_id);
  // Not mi_res_id: where that is not known the machine's own identity would answer.
  if (!identity.resource_id.empty()) request.target += "&msi_res_id=" + percent_encode(identity.resource_id);
  request.headers = {{"Metadata", "true"}};
  return request;
}

Minting<Token> read_entra(const Response& response, WallTime now) {
  if (response.status == 200) return read_token(response, now, MintProblem::kIdentityProviderUnavailable);
  if (is_ill(response)) {
    return not_minted(MintProblem::kIdentityProviderUnavailable, status_text(response), retry_after_of(response));
  }
  return tl::unexpected(refusal(response, now));
}

Minting<Token> read_metadata(const Response& response, const std::string& client, WallTime now) {
  const std::string told = response.status == 200 ? identity_in(response) : std::string();
  if (!client.empty() && !told.empty() && !is_same_identity(client, told)) {
    return not_minted(MintProblem::kIdentityNotAssigned, "it answers for another identity");
  }
  if (response.status == 200) return read_token(response, now, MintProblem::kMetadataBusy);
  // 404 and 410 are told while it is updated.
  if (is_ill(response) || response.status == 404 || response.status == 410) {
    return not_minted(MintProblem::kMetadataBusy, status_text(response), retry_after_of(response));
  }
  const MintFailure failure = refusal(response, now);
  if (failure.problem == MintProblem::kAudienceUnknown) return tl::unexpected(failure);
  return not_minted(MintProblem::kIdentityNotAssigned, failure.detail);
}

bool is_skewed(const Response& response, WallTime now) {
  const auto date = date_of(response);
  return date && (*date > now + kToleratedSkew || *date < now - kToleratedSkew);
}

}  // namespace imageclassifier::registry
