#include "operator/reconciler/endpoint.hpp"

#include <catch2/catch.hpp>

#include "operator/reconciler/prober.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using imageclassifier::reconciler::testing::World;

TEST_CASE("the operator asks no address that could be its own or the cloud's") {
  for (const char* good : {"10.0.0.7", "172.18.0.200", "203.0.113.9", "fd00::7", "abc.elb.amazonaws.com"}) {
    INFO(good);
    CHECK(may_probe(good));
  }
  for (const char* bad :
       {"127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "host/path", "user@host", "a b"}) {
    INFO(bad);
    CHECK(!may_probe(bad));
  }
}

TEST_CASE("addresses of the internet are told from all others") {
  for (const char* global : {"20.61.99.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2603:1020::1"}) {
    INFO(global);
    CHECK(is_global(global));
  }
  for (const char* other :
       {"10.0.0.7", "172.31.255.255", "192.168.1.1", "100.64.0.1", "203.0.113.9", "198.18.0.1", "169.254.169.254",
        "127.0.0.1", "240.0.0.1", "fd00::7", "fe80::1", "2001:db8::1", "::1", "abc.elb.amazonaws.com"}) {
    INFO(other);
    CHECK(!is_global(other));
  }
}

TEST_CASE("with a certificate the address is https") {
  World world(R"({"service": {"tls": {"secretName": "certificate"}}})");
  world.observed.references[{resources::Reference::Kind::kSecret, "certificate"}] = {};
  world.settle().address("10.0.0.7");
  const auto address = address_of(world.observed.classifier, *world.observed.service);
  CHECK(address->endpoint.url == "https://10.0.0.7/");
  CHECK(address->probe_url == "https://10.0.0.7");
}

TEST_CASE("the address is the load balancer's, or inside the cluster the Service's name") {
  World world(R"({"service": {"port": 8000}})");
  world.settle();
  CHECK(!address_of(world.observed.classifier, *world.observed.service));
  CHECK(address_of(world.observed.classifier, *world.address("fd00::7").observed.service)->endpoint.url ==
        "http://[fd00::7]:8000/");
  CHECK(address_of(world.observed.classifier, *world.address("169.254.0.1").observed.service)->probe_url.empty());
  auto balanced = std::make_shared<api::Service>(*world.observed.service);
  for (const auto& [cluster_ip, url] : {std::pair{"10.96.0.9", "http://10.96.0.9:8000"}, {"None", ""}, {"", ""}}) {
    balanced->cluster_ip = cluster_ip;
    CHECK(address_of(world.observed.classifier, *balanced)->inside_url == url);
  }

  World inside(R"({"service": {"type": "ClusterIP"}})");
  inside.settle();
  auto service = std::make_shared<api::Service>(*inside.observed.service);
  service->cluster_ip = "10.96.0.9";
  const auto address = address_of(inside.observed.classifier, *service);
  REQUIRE(address);
  CHECK(address->endpoint.url == "http://pets.zoo.svc/");
  CHECK(address->endpoint.scope == "Cluster");
  CHECK(address->probe_url == "http://10.96.0.9");
}

TEST_CASE("the way to an address is another one when what decides on who gets through is") {
  World world;
  world.settle().address("10.0.0.7");
  const auto way = [&] { return address_of(world.observed.classifier, *world.observed.service)->way; };
  const std::string before = way();
  world.observed.classifier.spec.replicas = 3;
  CHECK(way() == before);
  world.observed.classifier.spec.service.source_ranges = {"203.0.113.0/24"};
  CHECK(way() != before);
}

TEST_CASE("the model is read from the answer of /readyz, whatever else stands there") {
  const auto model = model_in_readiness(
      R"({"ready": true, "model": {"name": "x", "architecture": "resnet101", "precision": "float32", "weights_sha256": "ab"}})");
  REQUIRE(model);
  CHECK(*model == api::ModelStatus{"resnet101", "ab", "float32"});
  CHECK(!model_in_readiness("ok"));
  CHECK(!model_in_readiness(R"({"model": 3})"));
}
