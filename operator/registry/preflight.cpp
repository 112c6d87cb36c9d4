#include "operator/registry/preflight.hpp"

#include <algorithm>

#include "common/percent_encode.hpp"
#include "operator/registry/answer.hpp"
#include "operator/registry/token.hpp"
#include "operator/registry/way.hpp"

namespace imageclassifier::registry {
namespace {

using kubernetes::Method;
using kubernetes::Request;
using kubernetes::Response;

constexpr const char* kAuthorization = "Authorization";
/// Where ACR keeps the content that it redirects to, beside its own hosts.
const std::vector<std::string> kStorage = {"blob.core.windows.net", "blob.core.usgovcloudapi.net",
                                           "blob.core.chinacloudapi.cn"};

/// Its images are named by another host than they are asked for at.
const std::string kDockerHub = "docker.io", kDockerHubApi = "registry-1.docker.io";

/// contoso.eastus.data.azurecr.io of contoso.azurecr.io: who allows one registry by its name means that too.
bool is_data_endpoint(const std::string& host, const std::string& server) {
  const std::size_t dot = server.find('.');
  return dot != std::string::npos && host.starts_with(server.substr(0, dot + 1)) &&
         host.ends_with(".data" + server.substr(dot));
}

Preflight refused(Verdict verdict, std::string detail = {}) {
  Preflight result;
  result.verdict = verdict;
  result.detail = std::move(detail);
  return result;
}

Preflight unreachable(const Error& error, const std::string& host) {
  using Kind = WayFailure::Kind;
  const WayFailure way = way_failure(error);
  const Verdict verdict = way.kind == Kind::kUntrusted        ? Verdict::kUntrusted
                          : way.kind == Kind::kOutOfTime      ? Verdict::kCertificateOutOfTime
                          : way.kind == Kind::kAddressRefused ? Verdict::kAddressRefused
                          : way.kind == Kind::kTooLarge       ? Verdict::kAnswerInvalid
                                                              : Verdict::kUnavailable;
  return refused(verdict, host + ": " + way.words);
}

/// Of a status that is neither success nor a challenge.
Preflight judge(const Response& response) {
  const std::string status = "HTTP status " + std::to_string(response.status);
  switch (response.status) {
    case 403:
      return refused(Verdict::kForbidden, status);
    case 404:
      return refused(Verdict::kManifestUnknown);
    case 429: {
      Preflight result = refused(Verdict::kThrottled);
      result.retry_after = retry_after_of(response);
      return result;
    }
    default:
      break;
  }
  if (response.status < 500) return refused(Verdict::kAnswerInvalid, status);
  Preflight result = refused(Verdict::kUnavailable, status);
  result.retry_after = retry_after_of(response);
  return result;
}

/// One look at one registry, with what it has given us for that.
class Look {
 public:
  Look(const ImageReference& reference, const std::optional<Credential>& credential,
       const std::vector<std::string>& allowed, const Ask& ask, WallTime now)
      : reference_(reference), credential_(credential), allowed_(allowed), ask_(ask), now_(now) {}

  Preflight run(const Preflight* known) {
    const std::string path = "/manifests/" + (reference_.digest.empty() ? reference_.tag : reference_.digest);
    if (known != nullptr && known->verdict == Verdict::kResolved && known->platforms) {
      if (auto result = look_again(path, *known)) return std::move(*result);
    }
    const auto answer = get(path, kManifestTypes);
    if (!answer) return answer.error();
    if (answer->status != 200) return judge(*answer);
    Preflight result;
    result.verdict = Verdict::kResolved;
    result.digest = digest_of(answer->body);
    const auto told = kubernetes::find_header(answer->headers, "Docker-Content-Digest");
    const bool promised =
        (!told || *told == result.digest) && (reference_.digest.empty() || reference_.digest == result.digest);
    if (!promised) return refused(Verdict::kDigestMismatch);
    const auto manifest =
        parse_manifest(kubernetes::find_header(answer->headers, "Content-Type").value_or(""), answer->body);
    if (!manifest) {
      const bool other = manifest.error().code == ErrorCode::kUnsupported;
      return refused(other ? Verdict::kNotAnImage : Verdict::kAnswerInvalid);
    }
    result.platforms = manifest->is_index ? manifest->platforms : platforms_of(manifest->configuration);
    return result;
  }

 private:
  using Answer = tl::expected<Response, Preflight>;

  /// Nothing: only the content can tell, as many a registry has nothing to say to HEAD. Not with If-None-Match, which
  /// saves nothing here: distribution, and what is made of it, answers 304 without looking whether it holds the
  /// manifest.
  std::optional<Preflight> look_again(const std::string& path, const Preflight& known) {
    Answer answer = get(path, kManifestTypes, Method::kHead);
    if (!answer) {
      const Verdict verdict = answer.error().verdict;
      const bool of_head =
          verdict == Verdict::kManifestUnknown || verdict == Verdict::kForbidden || verdict == Verdict::kAnswerInvalid;
      return of_head ? std::nullopt : std::optional(std::move(answer.error()));
    }
    const auto digest = kubernetes::find_header(answer->headers, "Docker-Content-Digest");
    return answer->status == 200 && digest == known.digest ? std::optional(known) : std::nullopt;
  }

  Answer send(const Place& place, const char* accept, const Secret& authorization, Method method = Method::kGet) {
    Request request;
    request.method = method;
    request.target = place.target;
    request.headers = {{"User-Agent", "imageclassifier-operator"},
                       {"X-Meta-Source-Client", "imageclassifier-operator"}};
    if (accept != nullptr) request.headers.push_back({"Accept", accept});
    if (!authorization.empty()) request.headers.push_back({kAuthorization, authorization.reveal()});
    auto response = ask_(place.host, request);
    if (!response) {
      Preflight failed = unreachable(response.error(), place.host);
      failed.silent = failed.verdict == Verdict::kUnavailable && !answered_;
      return tl::unexpected(std::move(failed));
    }
    answered_ = true;
    return std::move(*response);
  }

  Place in_repository(const std::string& path) const {
    return {reference_.server == kDockerHub ? kDockerHubApi : reference_.server, "/v2/" + reference_.repository + path};
  }

  /// 200 or a redirect. The first request bears nothing: only the challenge says what is wanted, and where it may go.
  Answer get(const std::string& path, const char* accept, Method method = Method::kGet) {
    Answer answer = send(in_repository(path), accept, authorization_, method);
    if (answer && answer->status == 401 && authorization_.empty()) {
      if (auto failed = authorize(*answer)) return tl::unexpected(std::move(*failed));
      answer = send(in_repository(path), accept, authorization_, method);
    }
    if (!answer || answer->status == 200 || answer->status == 307 || answer->status == 302) return answer;
    if (answer->status == 401) return tl::unexpected(not_let_in(*answer));
    return tl::unexpected(judge(*answer));
  }

  Preflight not_let_in(const Response& response) const {
    if (!credential_) return refused(Verdict::kCredentialMissing);
    bool wrong = !authorization_.reveal().starts_with("Bearer ");
    for (const Challenge& challenge : challenges_of(response)) {
      if (challenge.get("error") == "insufficient_scope") return refused(Verdict::kInsufficientScope);
      if (challenge.get("error") == "invalid_token") wrong = true;
    }
    // Its token server has taken the credential. ACR says no more also where there is no such repository.
    return refused(wrong ? Verdict::kCredentialRefused : Verdict::kInsufficientScope);
  }

  /// Nothing if there is something to show to the registry now.
  std::optional<Preflight> authorize(const Response& response) {
    for (const Challenge& challenge : challenges_of(response)) {
      if (challenge.scheme == "bearer") return fetch_token(challenge);
      if (challenge.scheme != "basic") continue;
      if (!credential_) return refused(Verdict::kCredentialMissing);
      authorization_ = basic();
      return std::nullopt;
    }
    return refused(Verdict::kAnswerInvalid, "HTTP status 401 without a challenge that can be answered");
  }

  std::optional<Preflight> fetch_token(const Challenge& challenge) {
    auto realm = realm_of(challenge);
    if (!realm) return refused(Verdict::kAnswerInvalid, std::move(realm.error().message));
    if (realm->host != reference_.server && !is_allowed(realm->host, allowed_)) {
      return refused(Verdict::kServerNotAllowed, shown_host(realm->host));
    }
    realm->target += realm->target.find('?') == std::string::npos ? '?' : '&';
    realm->target += "service=" + percent_encode(challenge.get("service")) +
                     "&scope=" + percent_encode("repository:" + reference_.repository + ":pull");
    Answer answer = send(*realm, nullptr, credential_ ? basic() : Secret());
    if (!answer) return std::move(answer.error());
    if (answer->status == 400 || answer->status == 401) {
      return refused(credential_ ? Verdict::kCredentialRefused : Verdict::kCredentialMissing);
    }
    if (answer->status == 404) return refused(Verdict::kAnswerInvalid, "HTTP status 404 of its token server");
    if (answer->status != 200) return judge(*answer);
    auto token = parse_token(Secret(std::move(answer->body)), now_);
    if (!token) return refused(Verdict::kAnswerInvalid, "the answer of its token server holds no token");
    authorization_ = Secret("Bearer " + token->value.reveal());
    return std::nullopt;
  }

  Secret basic() const {
    return Secret("Basic " + base64_encode(credential_->username.reveal() + ":" + credential_->password.reveal()));
  }

  /// Where that cannot be read it is not known, which stops nobody.
  std::optional<std::vector<Platform>> platforms_of(const std::string& configuration) {
    Answer answer = get("/blobs/" + configuration, nullptr);
    if (answer && answer->status != 200) {
      const auto place = place_of(kubernetes::find_header(answer->headers, "Location").value_or(""));
      if (!place || !may_hold_content(place->host)) return std::nullopt;
      answer = send(*place, nullptr, {});
    }
    if (!answer || answer->status != 200 || digest_of(answer->body) != configuration) return std::nullopt;
    auto platform = parse_configuration(answer->body);
    if (!platform) return std::nullopt;
    return std::vector<Platform>{std::move(*platform)};
  }

  bool may_hold_content(const std::string& host) const {
    return is_allowed(host, allowed_) || is_allowed(host, kStorage) || is_data_endpoint(host, reference_.server);
  }

  const ImageReference& reference_;
  const std::optional<Credential>& credential_;
  const std::vector<std::string>& allowed_;
  const Ask& ask_;
  WallTime now_;
  Secret authorization_;
  bool answered_ = false;  ///< once at least: what comes after that may be due to who asks
};

}  // namespace

const char* to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kResolved:
      return "Resolved";
    case Verdict::kManifestUnknown:
      return "ManifestUnknown";
    case Verdict::kNotAnImage:
      return "NotAnImage";
    case Verdict::kDigestMismatch:
      return "DigestMismatch";
    case Verdict::kCredentialMissing:
      return "CredentialMissing";
    case Verdict::kCredentialRefused:
      return "CredentialRefused";
    case Verdict::kInsufficientScope:
      return "InsufficientScope";
    case Verdict::kForbidden:
      return "Forbidden";
    case Verdict::kThrottled:
      return "Throttled";
    case Verdict::kUntrusted:
      return "Untrusted";
    case Verdict::kCertificateOutOfTime:
      return "CertificateOutOfTime";
    case Verdict::kAddressRefused:
      return "AddressRefused";
    case Verdict::kUnavailable:
      return "Unavailable";
    case Verdict::kServerNotAllowed:
      return "ServerNotAllowed";
    case Verdict::kAnswerInvalid:
      return "AnswerInvalid";
  }
  return "";
}

bool is_allowed(const std::string& server, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& host) {
    return server == host || (server.size() > host.size() && server.ends_with("." + host));
  });
}

Preflight look_up(const ImageReference& reference, const std::optional<Credential>& credential,
                  const std::vector<std::string>& allowed, const Ask& ask, WallTime now, const Preflight* known) {
  if (!is_allowed(reference.server, allowed)) return refused(Verdict::kServerNotAllowed, reference.server);
  return Look(reference, credential, allowed, ask, now).run(known);
}

}  // namespace imageclassifier::registry
