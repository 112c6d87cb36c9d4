#include "operator/diagnosis/pull_error.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "operator/diagnosis/reasons.hpp"

using imageclassifier::diagnosis::classify_pull_error;
using imageclassifier::diagnosis::find_reason;

namespace {

/// As containerd 1.6 wraps every failed pull; `code` is the gRPC code that the kubelet prints.
std::string containerd(const std::string& cause, const std::string& code = "Unknown") {
  return "rpc error: code = " + code +
         " desc = failed to pull and unpack image \"contoso.azurecr.io/inference-server:demo\": failed to resolve "
         "reference \"contoso.azurecr.io/inference-server:demo\": " +
         cause;
}

struct Case {
  const char* what;
  std::string message;
  const char* reason;
};

}  // namespace

TEST_CASE("pull errors of container runtimes are classified by their text") {
  const Case cases[] = {
      {"no credential",
       containerd("failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"),
       "CredentialMissing"},
      {"newer containerd",
       containerd("failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
                  "https://contoso.azurecr.io/oauth2/token?scope=x: 401 Unauthorized"),
       "CredentialMissing"},
      {"refused credential",
       containerd("failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized"),
       "CredentialRefused"},
      {"scope",
       containerd("pull access denied, repository does not exist or may require authorization: server message: "
                  "insufficient_scope: authorization failed"),
       "InsufficientScope"},
      {"tag absent", containerd("contoso.azurecr.io/inference-server:demo: not found", "NotFound"), "ManifestUnknown"},
      {"backed off, since 1.32",
       "Back-off pulling image \"contoso.azurecr.io/inference-server:demo\": ErrImagePull: " +
           containerd("contoso.azurecr.io/inference-server:demo: not found", "NotFound"),
       "ManifestUnknown"},
      {"docker's words", "manifest for contoso.azurecr.io/x:1 not found: manifest unknown: manifest unknown",
       "ManifestUnknown"},
      {"platform",
       "rpc error: code = NotFound desc = failed to pull and unpack image \"contoso.azurecr.io/x:1\": no match for "
       "platform in manifest sha256:0123: not found",
       "PlatformMismatch"},
      {"firewall at the token",
       containerd("failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden"),
       "RegistryForbidden"},
      {"firewall at the manifest", containerd("unexpected status code [manifests demo]: 403 Forbidden"),
       "RegistryForbidden"},
      {"time-out",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/x/manifests/1\": dial tcp 10.0.0.4:443: "
                  "i/o timeout"),
       "RegistryUnreachable"},
      {"name",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/x/manifests/1\": dial tcp: lookup "
                  "contoso.azurecr.io on 10.0.0.10:53: no such host"),
       "RegistryUnreachable"},
      {"own authority",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": x509: certificate signed by unknown "
                  "authority"),
       "TLSUntrusted"},
      {"own authority, newer Go",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": tls: failed to verify certificate: "
                  "x509: certificate signed by unknown authority"),
       "TLSUntrusted"},
      {"expired certificate",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": x509: certificate has expired or is "
                  "not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z"),
       "TLSUntrusted"},
      {"plain HTTP",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": http: server gave HTTP response to "
                  "HTTPS client"),
       "TLSUntrusted"},
      {"throttled", containerd("unexpected status code [manifests demo]: 429 Too Many Requests"), "Throttled"},
      {"docker hub's limit", "toomanyrequests: You have reached your pull rate limit.", "Throttled"},
      {"refused connection",
       containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": dial tcp 10.0.0.4:443: connect: "
                  "connection refused"),
       "RegistryUnreachable"},
      {"cut connection", containerd("failed to do request: Head \"https://contoso.azurecr.io/v2/\": EOF"),
       "RegistryUnreachable"},
      {"disk",
       "rpc error: code = Unknown desc = failed to extract layer sha256:0123: write /var/lib/x: no space left on "
       "device: unknown",
       "NodeDiskFull"},
      {"wrong content",
       "rpc error: code = FailedPrecondition desc = failed commit on ref \"layer-sha256:0123\": unexpected commit "
       "digest sha256:4567, expected sha256:0123: failed precondition",
       "DigestMismatch"},
      {"a Basic registry, kubelet 1.34",
       "Back-off pulling image \"contoso.azurecr.io/x:1\": ErrImagePull: failed to pull and unpack image "
       "\"contoso.azurecr.io/x:1\": failed to resolve reference \"contoso.azurecr.io/x:1\": pulling from host "
       "contoso.azurecr.io failed with status code [manifests 1]: 401 Unauthorized",
       "CredentialRefused"},
      {"before 1.32", "Back-off pulling image \"contoso.azurecr.io/inference-server:demo\"", "ImagePullFailed"},
      {"something new", containerd("the moon is in the wrong quarter"), "ImagePullFailed"},
      {"nothing", "", "ImagePullFailed"},
  };
  for (const Case& one : cases) {
    INFO(one.what);
    CHECK(classify_pull_error(one.message, true).reason == one.reason);
    CHECK(find_reason(one.reason) != nullptr);
  }
}

TEST_CASE("a bare 401 is a refused credential where the pod has one, a missing one otherwise") {
  const std::string message = containerd("unexpected status code [manifests demo]: 401 Unauthorized");
  CHECK(classify_pull_error(message, true).reason == "CredentialRefused");
  CHECK(classify_pull_error(message, false).reason == "CredentialMissing");
}

TEST_CASE("of the kubelet's aggregate the error of the pull Secret counts, not the anonymous try") {
  const std::string anonymous =
      "code = Unknown desc = failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized";
  const std::string refused =
      "code = Unknown desc = failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized";
  CHECK(classify_pull_error("[rpc error: " + refused + ", rpc error: " + anonymous + "]", true).reason ==
        "CredentialRefused");
  CHECK(classify_pull_error("[rpc error: " + anonymous + ", rpc error: " + refused + "]", true).reason ==
        "CredentialRefused");
  CHECK(classify_pull_error("[rpc error: " + anonymous + ", rpc error: " + anonymous + "]", true).reason ==
        "CredentialMissing");
}

TEST_CASE("details are stable: no addresses, ports or times of the message get into them") {
  const auto first = classify_pull_error(containerd("dial tcp 10.0.0.4:443: i/o timeout"), true);
  const auto second = classify_pull_error(containerd("dial tcp 10.0.0.5:443: i/o timeout"), true);
  CHECK(first.detail == second.detail);
  CHECK(first.detail == "the connection timed out");
}

TEST_CASE("where a registry redirects to is named, as a firewall may allow the registry and not that") {
  const auto detail = [](const std::string& host) {
    return classify_pull_error(
               containerd("failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://" + host +
                          "/a//b?sig=c\": dial tcp 10.0.0.4:443: i/o timeout"),
               true)
        .detail;
  };
  const auto expected = [](const std::string& host) {
    return "the connection timed out, on the way to " + host +
           ", where the image's content lies and which a firewall must allow too";
  };
  CHECK(detail("contoso.westeurope.data.azurecr.io") == expected("contoso.westeurope.data.azurecr.io"));
  CHECK(detail("weurmanaged12.blob.core.windows.net") == expected("*.blob.core.windows.net"));
  CHECK(detail(std::string(500, 'a') + ".data.azurecr.io") == expected("*.data.azurecr.io"));
  CHECK(detail("contoso.azurecr.io") == "the connection timed out");
}

TEST_CASE("of an unknown error the innermost part is shown") {
  CHECK(classify_pull_error(containerd("the moon is in the wrong quarter"), true).detail ==
        ": the moon is in the wrong quarter");
  CHECK(classify_pull_error("ErrImagePull: failed to pull and unpack image \"x\": it rains", true).detail ==
        ": it rains");
  CHECK(classify_pull_error("Back-off pulling image \"x\"", true).detail.empty());
  CHECK(classify_pull_error("", true).detail.empty());
  for (const char* words : {"it rains", "Back-off pulling image \"x\": ErrImagePull: it rains"}) {
    CHECK(classify_pull_error(words, true).detail == ": it rains");
  }
  for (const char* words : {"pull QPS exceeded", "Back-off pulling image \"x\": ErrImagePull: pull QPS exceeded"}) {
    const auto cause = classify_pull_error(words, true);
    CHECK(cause.reason == "ImagePullFailed");
    CHECK_THAT(cause.detail, Catch::Contains("(pull QPS exceeded)"));
  }
}
