#include "operator/reconciler/mounted.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/reconciler/access.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/registry/docker_config.hpp"
#include "tests/operator/reconciler/fixtures.hpp"
#include "tests/support/test_authority.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using resources::Reference;

namespace {

constexpr const char* kLabels = R"({"model": {"labels": {"configMapKeyRef": {"name": "words", "key": "german.txt"}}}})";
constexpr const char* kVolume =
    R"({"model": {"source": {"persistentVolumeClaim": {"claimName": "models", "path": "/own.safetensors"}}}})";

std::string problem(const World& world) {
  const auto finding = unusable_reference(world.observed);
  return finding ? std::string(finding->name()) + ": " + finding->message : "";
}

World& refer(World& world, Reference::Kind kind, const std::string& name, const ObservedReference& object) {
  world.observed.references[{kind, name}] = object;
  return world;
}

constexpr const char* kTls = R"({"service": {"tls": {"secretName": "certificate"}}})";
constexpr const char* kOwnPassword = R"({"service": {"authentication": {"type": "Basic"}}})";
constexpr const char* kUsersPassword = R"({"service": {"authentication": {"type": "Basic", "secretName": "callers"}}})";

/// A Secret with these values, which are encoded here.
ObservedReference secret(const std::string& type, std::map<std::string, std::string> values) {
  for (auto& [key, value] : values) value = registry::base64_encode(value);
  ObservedReference found;
  found.secret = parse_secret(nlohmann::json{{"type", type}, {"data", values}}.dump());
  return found;
}

std::string tls_problem(const ObservedReference& object) {
  World world(kTls);
  return problem(refer(world, Reference::Kind::kSecret, "certificate", object));
}

std::string password_problem(const std::string& username, const std::string& password) {
  World world(kUsersPassword);
  const ObservedReference callers = secret("Opaque", {{"username", username}, {"password", password}});
  return problem(refer(world, Reference::Kind::kSecret, "callers", callers));
}

}  // namespace

TEST_CASE("a certificate's Secret must have the type, both keys, and a pair that belongs together") {
  const imageclassifier::testing::TestAuthority authority("authority");
  const auto first = authority.issue("server"), second = authority.issue("server");
  const auto pair = [](const std::string& certificate, const std::string& key, const char* type = "kubernetes.io/tls") {
    return secret(type, {{"tls.crt", certificate}, {"tls.key", key}});
  };
  CHECK(problem(World(kTls)).starts_with("SecretNotFound: Secret certificate"));
  CHECK(tls_problem(pair(first.certificate_pem, first.key_pem)).empty());
  CHECK(tls_problem(pair(first.certificate_pem, first.key_pem, "Opaque")) ==
        "SecretMalformed: Secret certificate cannot be used for spec.service.tls: its type must be kubernetes.io/tls.");
  CHECK(tls_problem(secret("kubernetes.io/tls", {{"tls.crt", "x"}})).find("no key tls.key") != std::string::npos);
  CHECK(
      tls_problem(pair(first.certificate_pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----")).find("tls.key is encrypted") !=
      std::string::npos);
  for (const auto& bad : {pair(first.certificate_pem, second.key_pem), pair("x", first.key_pem)}) {
    CHECK(tls_problem(bad).find("not a certificate and its key") != std::string::npos);
  }
}

TEST_CASE("of a certificate's chain only the server's own is to be shown") {
  const imageclassifier::testing::TestAuthority authority("authority");
  const std::string own = authority.issue("server").certificate_pem;
  World world(kTls);
  CHECK(served_certificate(world.observed, "certificate").empty());
  refer(world, Reference::Kind::kSecret, "certificate",
        secret("kubernetes.io/tls", {{"tls.crt", own + authority.certificate_pem()}}));
  CHECK(served_certificate(world.observed, "certificate") == own);
}

TEST_CASE("a Secret with the callers' password must be one that the server can use") {
  CHECK(password_problem("pets", "secret\n").empty());
  CHECK(password_problem("pe:ts", "secret").find("colon") != std::string::npos);
  CHECK(password_problem("pets", "two\nlines").find("key password has more than one line") != std::string::npos);
  CHECK(
      password_problem("pets", "").starts_with("SecretMalformed: Secret callers cannot be used for spec.service.auth"));
  CHECK(password_problem("pets", "two\nlines").find("two") == std::string::npos);
}

TEST_CASE("the operator's own password is made once, made anew when it is gone or unusable, and goes with the option") {
  World world(kOwnPassword);
  world.observed.drawn_password = *random_password();
  CHECK(summary(make_plan(world.observed, kNow)).starts_with("create Secret pets-access, "));
  world.settle();
  const Secret first = *value_of(*world.observed.access_secret, "password");
  CHECK(first.reveal().size() == 32);
  CHECK(first == world.observed.drawn_password);

  world.observed.drawn_password = *random_password();
  CHECK(first != world.observed.drawn_password);
  CHECK(make_plan(world.observed, kNow).actions.empty());
  world.observed.access_secret->data["password"] = Secret("");
  CHECK(summary(make_plan(world.observed, kNow)) == "apply Secret pets-access");
  world.observed.access_secret.reset();
  world.settle();
  CHECK(*value_of(*world.observed.access_secret, "password") == world.observed.drawn_password);

  World without;
  without.settle();
  without.observed.access_secret = world.observed.access_secret;
  CHECK(summary(make_plan(without.observed, kNow)) == "delete Secret pets-access");
}

TEST_CASE("a foreign Secret of the name is left alone, and no pod gets its password") {
  World world(kOwnPassword);
  world.observed.access_secret = secret("Opaque", {{"username", "u"}, {"password", "p"}}).secret;
  CHECK(problem(world).starts_with("NameConflict: Secret pets-access"));
  CHECK(summary(make_plan(world.observed, kNow)).empty());

  World open;
  open.settle();
  open.observed.classifier.spec = world.observed.classifier.spec;
  open.observed.access_secret = world.observed.access_secret;
  CHECK(summary(make_plan(open.observed, kNow)) == "create ControllerRevision");
}

TEST_CASE("an object that pods would mount and that is not there is named, with the field that names it") {
  CHECK(problem(World()).empty());
  CHECK(problem(World(kLabels)) ==
        "ConfigMapNotFound: ConfigMap words, which spec.model.labels names, does not exist in namespace zoo.");
  CHECK(problem(World(kVolume)).starts_with("VolumeClaimNotFound: PersistentVolumeClaim models"));
}

TEST_CASE("a ConfigMap must hold the key, a claim just be there") {
  World labels(kLabels), volume(kVolume);
  CHECK(problem(refer(labels, Reference::Kind::kConfigMap, "words", {{}, {"english.txt"}, {}})) ==
        "ConfigMapMalformed: ConfigMap words has no key german.txt, which spec.model.labels names.");
  CHECK(problem(refer(labels, Reference::Kind::kConfigMap, "words", {{}, {"german.txt"}, {}})).empty());
  CHECK(problem(refer(volume, Reference::Kind::kPersistentVolumeClaim, "models", {})).empty());
}

TEST_CASE("an object that may not be read is told in the server's words") {
  World world(kLabels);
  CHECK(problem(refer(world, Reference::Kind::kConfigMap, "words", {"cannot get resource", {}, {}}))
            .starts_with("ReadForbidden: The operator may not read ConfigMap words"));
}

TEST_CASE("nothing is started before what it mounts is there, and what runs is kept") {
  World world(kLabels);
  CHECK(summary(make_plan(world.observed, kNow)).empty());
  refer(world, Reference::Kind::kConfigMap, "words", {{}, {"german.txt"}, {}}).settle();
  REQUIRE(world.observed.deployment);
  world.deployment_status(1, 1, 1).settle().observed.references.clear();
  const Plan plan = make_plan(world.observed, kNow);
  CHECK(plan.actions.empty());
  CHECK(plan.unusable_reference->name() == "ConfigMapNotFound");
  world.observed.classifier.spec.serving.top_k = 7;
  CHECK(summary(make_plan(world.observed, kNow)) == "create ControllerRevision");
  world.observed.classifier.spec.replicas = 0;
  CHECK(summary(make_plan(world.observed, kNow)) == "create ControllerRevision, apply Deployment pets");
}
