#include "operator/reconciler/exposure.hpp"

#include "operator/reconciler/endpoint.hpp"
#include "tests/operator/reconciler/cluster.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;

namespace {

/// A resource whose Service has an address and whose pods know no password and no certificate.
struct Exposed : Cluster {
  explicit Exposed(const std::string& spec = "{}") : Cluster(spec) {
    image("good").live();
    observed.drawn_password = Secret("drawn");
  }
  api::ServiceSpec& wanted() {
    ++observed.classifier.metadata.generation;
    return observed.classifier.spec.service;
  }
  json service() const { return json::parse(observed.service->owned.text()); }
  /// "http 80 -> http".
  std::string port() const {
    const json port = service()["spec"]["ports"][0];
    return port["name"].get<std::string>() + " " + port["port"].dump() + " -> " + port["targetPort"].get<std::string>();
  }
  bool internal() const {
    return service()["metadata"]["annotations"].contains("service.beta.kubernetes.io/azure-load-balancer-internal");
  }
  json ranges() const { return service()["spec"].value("loadBalancerSourceRanges", json::array()); }
  std::string monitored() const {
    const auto child = observed.optional_children.at(resources::Kind::kServiceMonitor);
    return json::parse(child->owned.text())["spec"]["endpoints"][0]["scheme"];
  }
};

void add_certificate(Exposed& cluster, const std::string& name) {
  cluster.observed.references[{resources::Reference::Kind::kSecret, name}] = {};
  cluster.wanted().tls_secret_name = name;
}

/// Public with a password from now on.
api::ServiceSpec& open(Exposed& cluster) {
  api::ServiceSpec& service = cluster.wanted();
  service.scope = "Public";
  service.authentication.basic = true;
  return service;
}

}  // namespace

TEST_CASE("the Service is opened to the world when all pods that answer ask for the password, not before") {
  Exposed cluster;
  open(cluster);
  CHECK_THAT(cluster.planned(), Catch::Contains("apply Deployment") && !Catch::Contains("Service"));
  cluster.settle(3);
  CHECK(cluster.planned().empty());  // the old pod answers still
  CHECK(cluster.internal());
  cluster.roll().live();
  CHECK_FALSE(cluster.internal());
  CHECK(cluster.ranges().empty());
}

TEST_CASE(
    "while pods without the password answer, the rest of the Service follows, and who may come in only gets fewer") {
  Exposed cluster(R"({"service": {"scope": "Public", "sourceRanges": ["10.1.0.0/16", "10.2.0.0/16"]}})");
  api::ServiceSpec& service = open(cluster);
  service.source_ranges = {"10.2.7.0/24", "10.3.0.0/16"};
  service.port = 8443;
  service.annotations["zoo/keeper"] = "ann";
  cluster.image("bad").live();
  REQUIRE(cluster.running_image() == "good");
  CHECK(cluster.ranges() == json({"10.2.7.0/24"}));
  CHECK(cluster.port() == "http 8443 -> http");
  CHECK(cluster.service()["metadata"]["annotations"]["zoo/keeper"] == "ann");
  CHECK_FALSE(cluster.internal());
  // Made anew there is no load balancer that could let in too many.
  cluster.observed.service = nullptr;
  cluster.live();
  CHECK(cluster.service()["spec"]["type"] == "ClusterIP");
  cluster.image("better").live();
  CHECK(cluster.service()["spec"]["type"] == "LoadBalancer");
  CHECK(cluster.ranges() == json({"10.2.7.0/24", "10.3.0.0/16"}));
}

TEST_CASE("Service and monitor speak TLS when the pods that answer do, and plain HTTP again after a rollback") {
  Exposed cluster;
  cluster.observed.serves_monitors = true;
  cluster.live();
  add_certificate(cluster, "certificate");
  cluster.settle(3);
  CHECK(cluster.port() == "http 80 -> http");
  CHECK(cluster.monitored() == "http");
  CHECK(make_plan(cluster.observed, kNow).exposure.service.tls_secret_name.empty());
  cluster.roll().live();
  CHECK(cluster.port() == "https 443 -> https");
  CHECK(cluster.monitored() == "https");
  // Another certificate, which no pod comes to show.
  add_certificate(cluster, "other");
  cluster.image("bad").live();
  REQUIRE(cluster.running_image() == "good");
  CHECK(make_plan(cluster.observed, kNow).exposure.service.tls_secret_name == "certificate");
  cluster.wanted().tls_secret_name.clear();
  cluster.image("bad-too").live();
  REQUIRE(cluster.running_image() == "good");
  CHECK(cluster.port() == "https 443 -> https");
  cluster.image("better").live();
  CHECK(cluster.port() == "http 80 -> http");
}

TEST_CASE("where no pod of the last good revision answers any more, callers are led to those that do") {
  Exposed cluster(R"({"replicas": 3})");
  add_certificate(cluster, "certificate");
  cluster.settle(3).roll().deployment_status(3, 3, 2);
  cluster.settle(3);
  CHECK(cluster.port() == "https 443 -> https");
}

TEST_CASE("the network policy lets pods of both revisions download their models until one is left") {
  Cluster cluster = serving();
  const auto from = [&](const char* url) {
    cluster.observed.classifier.spec.model.source = api::ModelUrl{url, {}};
    ++cluster.observed.classifier.metadata.generation;
  };
  const auto ports = [&] {
    const auto policy = cluster.observed.optional_children.at(resources::Kind::kNetworkPolicy);
    const json owned = json::parse(policy->owned.text());
    std::string list;
    for (const json& rule : owned["spec"]["egress"]) {
      if (!rule.contains("to")) continue;
      for (const json& port : rule["ports"]) list += port["port"].dump() + " ";
    }
    return list;
  };
  from("https://models.example.com/a");
  cluster.live();
  CHECK(ports() == "443 ");
  from("https://models.example.com:8443/b");
  cluster.settle(2);
  CHECK(ports() == "443 8443 ");
  cluster.roll().live();
  CHECK(ports() == "8443 ");
  // The last good one may have to come back, and its pods are made anew meanwhile.
  cluster.observed.classifier.spec.model.source = api::ImageFile{};
  cluster.image("bad").live();
  CHECK(cluster.running_image() == "good");
  CHECK(ports() == "8443 ");
  cluster.image("better").live();
  CHECK(ports().empty());
  CHECK(cluster.planned().empty());
}
