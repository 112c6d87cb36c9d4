#include "operator/reconciler/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "operator/reconciler/prober.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using imageclassifier::reconciler::testing::World;

namespace {

std::optional<Address> address_in(const World& world, const api::Service& service) {
  return address_of(world.observed.classifier, world.observed.classifier.spec.service, service);
}

/// Of an IP address as it stands in a Service, and as it is connected to.
bool allowed(const char* address) {
  sockaddr_storage resolved{};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&resolved);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&resolved);
  resolved.ss_family = std::string_view(address).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  void* const place = resolved.ss_family == AF_INET ? static_cast<void*>(&v4->sin_addr) : &v6->sin6_addr;
  REQUIRE(inet_pton(resolved.ss_family, address, place) == 1);
  CHECK(may_connect(reinterpret_cast<const sockaddr&>(resolved)) == may_probe(address));
  return may_probe(address);
}

}  // namespace

TEST_CASE("the operator asks no address that could be its own or the cloud's, however it is written") {
  for (const char* good : {"10.0.0.7", "172.18.0.200", "203.0.113.9", "fd00::7", "64:ff9b::10.0.0.7", "2002:0a00:7::1",
                           "::ffff:10.0.0.7", "2603:1020::1"}) {
    INFO(good);
    CHECK(allowed(good));
  }
  for (const char* bad : {"127.0.0.1",
                          "169.254.169.254",
                          "168.63.129.16",
                          "0.0.0.0",
                          "224.0.0.1",
                          "255.255.255.255",
                          "::1",
                          "::",
                          "::127.0.0.1",
                          "fe80::1",
                          "ff02::1",
                          "::ffff:127.0.0.1",
                          "::ffff:169.254.169.254",
                          "64:ff9b::127.0.0.1",
                          "64:ff9b::169.254.169.254",
                          "64:ff9b:1::a9fe:a9fe",
                          "2002:7f00:1::",
                          "2002:a9fe:a9fe::1",
                          "fd00:ec2::254",
                          "fd20:ce::254"}) {
    INFO(bad);
    CHECK(!allowed(bad));
  }
  CHECK(may_probe("abc.elb.amazonaws.com"));
  for (const char* bad : {"host/path", "user@host", "a b"}) CHECK(!may_probe(bad));
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
  const auto address = address_in(world, *world.observed.service);
  CHECK(address->endpoint.url == "https://10.0.0.7/");
  CHECK(address->probe_url == "https://10.0.0.7");
}

TEST_CASE("the address is the load balancer's, or inside the cluster the Service's name") {
  World world(R"({"service": {"port": 8000}})");
  world.settle();
  CHECK(!address_in(world, *world.observed.service));
  CHECK(address_in(world, *world.address("fd00::7").observed.service)->endpoint.url == "http://[fd00::7]:8000/");
  CHECK(address_in(world, *world.address("169.254.0.1").observed.service)->probe_url.empty());
  auto balanced = std::make_shared<api::Service>(*world.observed.service);
  for (const auto& [cluster_ip, url] : {std::pair{"10.96.0.9", "http://10.96.0.9:8000"}, {"None", ""}, {"", ""}}) {
    balanced->cluster_ip = cluster_ip;
    CHECK(address_in(world, *balanced)->inside_url == url);
  }

  World inside(R"({"service": {"type": "ClusterIP"}})");
  inside.settle();
  auto service = std::make_shared<api::Service>(*inside.observed.service);
  service->cluster_ip = "10.96.0.9";
  const auto address = address_in(inside, *service);
  REQUIRE(address);
  CHECK(address->endpoint.url == "http://pets.zoo.svc/");
  CHECK(address->endpoint.scope == "Cluster");
  CHECK(address->probe_url == "http://10.96.0.9");
}

TEST_CASE("the way to an address is another one when what decides on who gets through is") {
  World world;
  world.settle().address("10.0.0.7");
  const auto way = [&] { return address_in(world, *world.observed.service)->way; };
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
