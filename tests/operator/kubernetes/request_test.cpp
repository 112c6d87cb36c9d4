#include "operator/kubernetes/request.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier::kubernetes;

namespace {

const GroupVersionResource kSecrets{"", "v1", "secrets"};
const GroupVersionResource kDeployments{"apps", "v1", "deployments"};
const GroupVersionResource kNamespaces{"", "v1", "namespaces", false};

std::string content_type(const Request& request) {
  return std::string(find_header(request.headers, "content-type").value_or(""));
}

}  // namespace

TEST_CASE("core and grouped, namespaced and cluster-wide collections have their paths") {
  CHECK(list_request(kSecrets, "a", {}).target == "/api/v1/namespaces/a/secrets");
  CHECK(list_request(kDeployments, "", {}).target == "/apis/apps/v1/deployments");
  CHECK(get_request(kDeployments, {"a", "b"}).target == "/apis/apps/v1/namespaces/a/deployments/b");
  CHECK(get_request(kNamespaces, {"ignored", "b"}).target == "/api/v1/namespaces/b");
  CHECK(to_string(kSecrets) == "secrets");
  CHECK(to_string(kDeployments) == "deployments.apps");
}

TEST_CASE("names and selectors are percent-encoded") {
  CHECK(get_request(kSecrets, {"a", "../b?c"}).target == "/api/v1/namespaces/a/secrets/..%2Fb%3Fc");
  const Request list = list_request(kSecrets, "a", {.selectors = {"app=x,tier!=y", "metadata.name=z"}});
  CHECK(list.target ==
        "/api/v1/namespaces/a/secrets?labelSelector=app%3Dx%2Ctier%21%3Dy&fieldSelector=metadata.name%3Dz");
}

TEST_CASE("a list that continues sends no resource version") {
  const Request list = list_request(
      kSecrets, "", {.limit = 500, .continue_token = "t=", .resource_version = "5", .resource_version_match = "Exact"});
  CHECK(list.target == "/api/v1/secrets?limit=500&continue=t%3D");
}

TEST_CASE("a watch asks for bookmarks and its time-out") {
  const Request watch = watch_request(kSecrets, "", {.resource_version = "42", .timeout = std::chrono::seconds(301)});
  CHECK(watch.target == "/api/v1/secrets?watch=1&resourceVersion=42&allowWatchBookmarks=true&timeoutSeconds=301");
  const Request initial = watch_request(kSecrets, "", {.send_initial_events = true});
  CHECK(initial.target ==
        "/api/v1/secrets?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
}

TEST_CASE("reads ask for whole objects as JSON") {
  for (const Request& read :
       {get_request(kSecrets, {"space", "name"}), list_request(kSecrets, "", {}), watch_request(kSecrets, "", {})}) {
    CHECK(find_header(read.headers, "Accept") == "application/json");
  }
}

TEST_CASE("a collection can be read as metadata alone") {
  CHECK(find_header(list_request(kSecrets, "", {.content = Content::kMetadata}).headers, "Accept") ==
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  CHECK(find_header(watch_request(kSecrets, "", {.content = Content::kMetadata}).headers, "Accept") ==
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

TEST_CASE("server-side apply is a forced patch with a field manager") {
  const Request apply = apply_request(kDeployments, {"a", "b"}, "{}", {.field_manager = "me"});
  CHECK(apply.method == Method::kPatch);
  CHECK(apply.target == "/apis/apps/v1/namespaces/a/deployments/b?fieldManager=me&force=true");
  CHECK(content_type(apply) == "application/apply-patch+yaml");
  const Request status =
      apply_request(kDeployments, {"a", "b"}, "{}", {.field_manager = "me", .force = false, .dry_run = true}, "status");
  CHECK(status.target == "/apis/apps/v1/namespaces/a/deployments/b/status?fieldManager=me&force=false&dryRun=All");
}

TEST_CASE("creates go to the collection, updates and patches to the object") {
  const Request create = create_request(kSecrets, "a", "{}", "me");
  CHECK(create.method == Method::kPost);
  CHECK(create.target == "/api/v1/namespaces/a/secrets?fieldManager=me");
  CHECK(update_request(kSecrets, {"a", "b"}, "{}", "me").method == Method::kPut);
  CHECK(content_type(patch_request(kSecrets, {"a", "b"}, PatchType::kJson, "[]", "me")) ==
        "application/json-patch+json");
  CHECK(content_type(patch_request(kSecrets, {"a", "b"}, PatchType::kMerge, "{}", "me")) ==
        "application/merge-patch+json");
}

TEST_CASE("a delete carries its preconditions") {
  const Request plain = delete_request(kSecrets, {"a", "b"}, {});
  CHECK(plain.method == Method::kDelete);
  CHECK(plain.body == R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"})");
  const Request guarded = delete_request(kSecrets, {"a", "b"}, {.uid = "u", .resource_version = "5"});
  CHECK_THAT(guarded.body, Catch::Contains(R"("preconditions":{"resourceVersion":"5","uid":"u"})"));
}
