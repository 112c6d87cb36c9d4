#include "operator/reconciler/image.hpp"

#include "tests/operator/reconciler/cluster.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using registry::Preflight;
using registry::Verdict;

namespace {

const std::string kOne = "sha256:" + std::string(64, '1'), kTwo = "sha256:" + std::string(64, '2');
constexpr const char* kEnforced =
    R"({"registry": {"preflight": "Enforce", "auth": {"basic": {"secretName": "acr-credentials"}}}})";
constexpr const char* kFollowing =
    R"({"registry": {"tagRefresh": "30m", "auth": {"basic": {"secretName": "acr-credentials"}}}})";

Preflight found(const std::string& digest) {
  Preflight found;
  found.verdict = Verdict::kResolved;
  found.digest = digest;
  found.platforms = {{"linux", "amd64", ""}, {"linux", "arm64", "v8"}};
  return found;
}

Preflight refused(Verdict verdict, const std::string& detail = "") {
  Preflight refused;
  refused.verdict = verdict;
  refused.detail = detail;
  return refused;
}

/// A cluster whose registry may be asked.
class Registry : public Cluster {
 public:
  explicit Registry(const std::string& spec = kBasic) : Cluster(spec) {
    basic_secret("p");
    observed.image.allowed = true;
    nodes({});
    image("1.0");
  }
  Registry& nodes(std::set<std::string> architectures) {
    observed.image.architectures = std::make_shared<const std::set<std::string>>(std::move(architectures));
    return *this;
  }
  Registry& answers(const Preflight& named, std::optional<Preflight> pinned = std::nullopt) {
    observed.image.answer = std::make_shared<ImageAnswer>(ImageAnswer{named, std::move(pinned), 0});
    return pass();
  }
  Registry& silent() {
    observed.image.answer = nullptr;
    return pass();
  }
  Registry& tag(const std::string& tag) {
    image(tag);
    return silent();
  }
  /// As observe() does, then passes and rollouts until neither changes anything.
  Registry& pass() {
    for (int i = 0; i < 8; ++i) {
      decide();
      const Plan plan = make_plan(observed, kNow);
      for (const Action& action : plan.actions) carry_out(action);
      show(make_report(observed, plan, {}, kNow).status);
      if (observed.deployment && observed.deployment->observed_generation == 0) roll();
      if (plan.actions.empty()) return *this;
    }
    FAIL("the operator does not come to rest");
    return *this;
  }
  std::string runs() const { return observed.deployment ? running_image_in_full() : "nothing"; }
  std::string message(const std::string& type) const {
    return api::find_condition(observed.classifier.status.conditions, type)->message;
  }

 private:
  void decide() { observed.classifier.pinned_image = assess_image(observed, assess_credential(observed, kNow)).pinned; }
  std::string running_image_in_full() const {
    const json owned = json::parse(observed.deployment->owned.text());
    return owned["spec"]["template"]["spec"]["containers"][0]["image"].get<std::string>();
  }
};

const std::string kByOne = "contoso.azurecr.io/inference-server@" + kOne;
const std::string kByTwo = "contoso.azurecr.io/inference-server@" + kTwo;

}  // namespace

TEST_CASE("no pod is made before the registry has answered, and pods run what the tag stood for then") {
  Registry registry;
  registry.silent();
  CHECK(registry.runs() == "nothing");
  CHECK(registry.state("ImageResolved") == "Unknown/CheckingImage");
  CHECK(registry.state("Ready") == "Unknown/CheckingImage");
  registry.answers(found(kOne));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "True/Resolved");
  CHECK_THAT(registry.message("ImageResolved"), Catch::Contains("linux/amd64, linux/arm64/v8"));
  const auto& image = registry.observed.classifier.status.image;
  CHECK(image->resolved == kByOne);
  CHECK(image->digest == kOne);
  CHECK(image->platforms.size() == 2);
}

TEST_CASE("a tag that moves is told and does not move the pods") {
  Registry registry;
  Preflight other = found(kTwo);
  other.platforms = {{"linux", "arm64", ""}};
  registry.answers(found(kOne)).answers(other, found(kOne));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "True/TagMoved");
  CHECK(registry.observed.classifier.status.image->platforms.size() == 2);
  CHECK(registry.observed.classifier.status.image->tag_digest == kTwo);
  registry.answers(found(kOne));
  CHECK(registry.state("ImageResolved") == "True/Resolved");
  CHECK(registry.observed.classifier.status.image->tag_digest.empty());
}

TEST_CASE("with tagRefresh the pods follow the tag") {
  Registry registry(kFollowing);
  registry.answers(found(kOne)).answers(found(kTwo), found(kOne));
  CHECK(registry.runs() == kByTwo);
  CHECK(registry.state("ImageResolved") == "True/Resolved");
}

TEST_CASE("after a rollback the status tells what runs, and which digest of the tag it was that failed") {
  Registry registry(kFollowing);
  registry.answers(found(kOne)).answers(found(kTwo), found(kOne)).deployment_status(2, 1, 1);
  const std::string failed = registry.observed.deployment->metadata.pod_revision;
  for (auto& revision : registry.observed.revisions) {
    if (revision->metadata.name != failed) continue;
    auto marked = std::make_shared<api::Revision>(*revision);
    marked->marks.failure = R"({"reason": "ModelInvalid", "message": "It is so.", "remedy": "Do this."})";
    revision = marked;
  }
  registry.pass();
  CHECK(registry.runs() == kByOne);
  const auto& image = registry.observed.classifier.status.image;
  CHECK(image->resolved == kByOne);
  CHECK(image->digest == kOne);
  CHECK(image->tag_digest == kTwo);
  CHECK(registry.state("ImageResolved") == "True/ResolvedNotRun");
  CHECK_THAT(registry.message("ImageResolved"), Catch::Contains("1.0, which is " + kTwo) &&
                                                    Catch::Contains("the pods run " + kByOne) &&
                                                    Catch::EndsWith("follows needs another push and nothing else."));
  CHECK_THAT(registry.message("RolledBack"), Catch::Contains(failed + " (" + kByTwo + ") failed"));
  // An operator that has just started says the same.
  const api::Status before = registry.observed.classifier.status;
  registry.silent();
  CHECK(registry.observed.classifier.status == before);
  const std::string three = "sha256:" + std::string(64, '3');
  registry.answers(found(three));
  CHECK(image->digest == three);
  CHECK(image->tag_digest.empty());
  CHECK(registry.state("ImageResolved") == "True/Resolved");
  CHECK(registry.state("RolledBack") == "False/NotRolledBack");
}

TEST_CASE("after a rollback of pods that run by name the digest is what those tell that run now") {
  Cluster cluster = serving();
  const auto tells = [&](const std::string& digest) {
    for (auto& pod : cluster.observed.pods) {
      if (pod->metadata.owner_uid != cluster.observed.deployment->metadata.pod_revision) continue;
      auto changed = std::make_shared<api::Pod>(*pod);
      changed->containers.resize(1);
      changed->containers.front().name = "server";
      changed->containers.front().image_digest = digest;
      pod = changed;
    }
    cluster.show(make_report(cluster.observed, make_plan(cluster.observed, kNow), {}, kNow).status);
    return cluster.observed.classifier.status.image->digest;
  };
  CHECK(tells(kOne) == kOne);
  cluster.image("bad").settle(1).roll();
  CHECK(tells(kTwo) == kTwo);
  cluster.live();
  CHECK(cluster.running_image() == "good");
  CHECK(tells(kOne) == kOne);
  CHECK(cluster.observed.classifier.status.image->requested == kServer + "bad");
}

TEST_CASE("another tag is resolved before anything is exchanged, and the pods before go on meanwhile") {
  Registry registry;
  registry.answers(found(kOne)).tag("2.0");
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("Ready") == "Unknown/CheckingImage");
  CHECK(registry.observed.revisions.size() == 1);
  registry.answers(found(kTwo));
  CHECK(registry.runs() == kByTwo);
  CHECK(registry.observed.revisions.size() == 2);
}

TEST_CASE("an operator that has just started asks anew and changes nothing, also where the status was wiped") {
  Registry registry;
  registry.answers(found(kOne));
  const api::Status before = registry.observed.classifier.status;
  registry.silent();
  CHECK(registry.observed.classifier.status == before);
  registry.observed.classifier.status = {};
  registry.silent();
  CHECK(registry.runs() == kByOne);
  CHECK(registry.observed.classifier.status.image->digest == kOne);
}

TEST_CASE("what the registry does not hold is told at once") {
  Registry registry;
  registry.answers(refused(Verdict::kManifestUnknown));
  CHECK(registry.runs() == kServer + "1.0");
  CHECK(registry.state("ImageResolved") == "False/ManifestUnknown");
  CHECK_THAT(registry.message("ImageResolved"), Catch::Contains("contoso.azurecr.io/inference-server:1.0"));
}

TEST_CASE("Enforce starts no pod with what the registry does not hold, and ends none for it") {
  Registry registry(kEnforced);
  registry.answers(refused(Verdict::kManifestUnknown));
  CHECK(registry.runs() == "nothing");
  CHECK(registry.state("Ready") == "False/ManifestUnknown");
  CHECK(registry.state("Stalled") == "True/ManifestUnknown");
  registry.answers(found(kOne));
  CHECK(registry.runs() == kByOne);
  registry.tag("2.0").answers(refused(Verdict::kManifestUnknown));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("Ready") == "False/ManifestUnknown");
  CHECK(registry.observed.revisions.size() == 1);
  registry.image("1.0");
  registry.answers(found(kOne));
  CHECK(registry.runs() == kByOne);
}

TEST_CASE("a registry that cannot be asked holds up nothing") {
  for (const char* spec : {kBasic, kEnforced}) {
    Registry registry(spec);
    registry.answers(refused(Verdict::kUnavailable, "no connection to contoso.azurecr.io"));
    CHECK(registry.runs() == kServer + "1.0");
    CHECK(registry.state("ImageResolved") == "Unknown/Inconclusive");
    CHECK_THAT(registry.message("ImageResolved"), Catch::Contains("no connection to contoso.azurecr.io"));
  }
}

TEST_CASE("a registry that cannot be asked any more changes nothing about what runs") {
  Registry registry;
  registry.answers(found(kOne)).answers(refused(Verdict::kThrottled));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.observed.classifier.status.image->digest == kOne);
}

TEST_CASE("a registry that the operator may not ask any more changes nothing about what runs") {
  Registry registry;
  registry.answers(found(kOne));
  registry.observed.image.allowed = false;
  registry.silent();
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "Unknown/ServerNotAllowed");
  registry.tag("2.0");
  CHECK(registry.runs() == kServer + "2.0");
}

TEST_CASE("pods that run by tag are not exchanged for the same by digest") {
  Registry registry;
  registry.answers(refused(Verdict::kUnavailable)).answers(found(kOne));
  CHECK(registry.runs() == kServer + "1.0");
  CHECK(registry.state("ImageResolved") == "True/Resolved");
  CHECK(registry.observed.classifier.status.image->digest.empty());  // that of the pods, which their nodes tell
  Registry following(kFollowing);
  following.answers(refused(Verdict::kUnavailable)).answers(found(kOne));
  CHECK(following.runs() == kByOne);
}

TEST_CASE("a tag that never was there is pinned when it is pushed, as no pod runs yet") {
  Registry registry;
  registry.answers(refused(Verdict::kManifestUnknown)).deployment_status(1, 1, 0);
  registry.answers(found(kOne));
  CHECK(registry.runs() == kByOne);
}

TEST_CASE("what runs and is gone from the registry is told before a node needs it") {
  Registry registry;
  registry.answers(found(kOne)).answers(found(kTwo), refused(Verdict::kManifestUnknown));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "False/PinnedDigestMissing");
  CHECK(registry.state("WorkloadAvailable") == "True/Available");
  registry.answers(refused(Verdict::kManifestUnknown), found(kOne));
  CHECK(registry.state("ImageResolved") == "True/TagRemoved");
}

TEST_CASE("a digest in the specification is looked up and left as it is") {
  Registry registry;
  registry.observed.classifier.spec.image = kByOne;
  registry.answers(found(kOne));
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "True/DigestGiven");
  CHECK(registry.observed.classifier.pinned_image.empty());
}

TEST_CASE("an image that no node is built for is told before a node meets it, and with Enforce makes no pod") {
  Registry warned;
  warned.nodes({"s390x"}).answers(found(kOne));
  CHECK(warned.state("ImageResolved") == "False/PlatformMismatch");
  CHECK_THAT(
      warned.message("ImageResolved"),
      Catch::Contains("It is built for linux/amd64, linux/arm64/v8; the nodes that it may run on are linux/s390x."));
  CHECK(warned.runs() == kByOne);
  Registry enforced(kEnforced);
  enforced.nodes({"s390x"}).answers(found(kOne));
  CHECK(enforced.state("Ready") == "False/PlatformMismatch");
  CHECK(enforced.runs() == "nothing");
  enforced.nodes({"arm64", "s390x"}).answers(found(kOne));
  CHECK(enforced.runs() == kByOne);
}

TEST_CASE("a tag that moves to what no node is built for is not followed") {
  Registry registry(kFollowing);
  Preflight other = found(kTwo);
  other.platforms = {{"linux", "s390x", ""}};
  registry.nodes({"amd64"}).answers(found(kOne)).answers(other);
  CHECK(registry.runs() == kByOne);
  CHECK(registry.state("ImageResolved") == "False/PlatformMismatch");
  CHECK(registry.state("WorkloadAvailable") == "True/Available");
  CHECK(registry.observed.classifier.status.image->tag_digest == kTwo);
}

TEST_CASE("images and nodes are compared only where both are known, and every node counts") {
  Registry unknown(kEnforced);
  unknown.nodes({});
  unknown.answers(found(kOne));
  CHECK(unknown.state("ImageResolved") == "True/Resolved");
  Registry affine(R"({"pod": {"affinity": {"nodeAffinity": {}}},
                      "registry": {"auth": {"basic": {"secretName": "acr-credentials"}}}})");
  affine.nodes({"s390x"}).answers(found(kOne));
  CHECK(affine.state("ImageResolved") == "True/Resolved");
  Registry early(kEnforced);
  early.observed.image.architectures = nullptr;
  early.answers(found(kOne));
  CHECK(early.runs() == "nothing");
  CHECK(early.state("ImageResolved") == "Unknown/CheckingImage");
}

TEST_CASE("without a pin, without a look and with a registry that may not be asked, the nodes see to the tag") {
  Registry unpinned(R"({"registry": {"pin": "None"}})");
  unpinned.answers(found(kOne));
  CHECK(unpinned.runs() == kServer + "1.0");
  Registry unseen(R"({"registry": {"preflight": "Off"}})");
  unseen.silent();
  CHECK(unseen.runs() == kServer + "1.0");
  CHECK(unseen.state("ImageResolved") == "Unknown/Skipped");
  Registry foreign;
  foreign.observed.image.allowed = false;
  foreign.silent();
  CHECK(foreign.runs() == kServer + "1.0");
  CHECK(foreign.state("ImageResolved") == "Unknown/ServerNotAllowed");
}

TEST_CASE("what hinders a look says what to do about it, and an operator that has just started says the same") {
  for (const auto& [verdict, detail, advice] :
       {std::tuple(Verdict::kForbidden, "HTTP status 403", "the registry's firewall"),
        {Verdict::kUntrusted, "contoso.azurecr.io: its issuer is not known", "spec.registry.caBundle"},
        {Verdict::kCertificateOutOfTime, "contoso.azurecr.io: its certificate has ended", "the clock"},
        {Verdict::kAddressRefused, "contoso.azurecr.io: its name stands for an address", "the DNS entry"},
        {Verdict::kServerNotAllowed, "evil.example", "registry.servers"},
        {Verdict::kUnavailable, "contoso.azurecr.io: its name does not resolve", "private endpoint"},
        {Verdict::kThrottled, "", "wait"},
        {Verdict::kCredentialMissing, "", "spec.registry.auth"}}) {
    Registry registry;
    registry.answers(refused(verdict, detail));
    const std::string told = registry.message("ImageResolved");
    CHECK_THAT(told, Catch::Contains(std::string("pinned, ")) && Catch::Contains(advice) && Catch::EndsWith("."));
    if (*detail != '\0') CHECK_THAT(told, Catch::Contains(detail));
    registry.silent();
    CHECK(registry.message("ImageResolved") == told);
  }
}

TEST_CASE("with the node's identity a private registry is no obstacle") {
  Registry registry("{}");
  registry.answers(refused(Verdict::kCredentialMissing));
  CHECK(registry.runs() == kServer + "1.0");
  CHECK(registry.state("ImageResolved") == "Unknown/Inconclusive");
}

TEST_CASE("a bundle of authorities that is missing is told and holds up nothing") {
  Registry registry;
  registry.observed.image.missing_bundle = "ConfigMap ca, which spec.registry.caBundle names, does not exist";
  registry.silent();
  CHECK(registry.runs() == kServer + "1.0");
  CHECK_THAT(registry.message("ImageResolved"), Catch::Contains("ConfigMap ca"));
}

TEST_CASE("the question holds the pods' credential and its name does not tell it") {
  Registry registry;
  const auto question = image_question(registry.observed, assess_credential(registry.observed, kNow));
  REQUIRE(question);
  CHECK(question->credential->password.reveal() == "p");
  auto other = *question;
  other.credential->password = Secret("q");
  CHECK(other.id() != question->id());
  CHECK(question->id().size() == 64);
  registry.answers(found(kOne));
  CHECK(image_question(registry.observed, assess_credential(registry.observed, kNow))->pinned == kOne);
}
