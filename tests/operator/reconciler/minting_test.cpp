#include "operator/reconciler/minting.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "operator/reconciler/events.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/reconciler/status.hpp"
#include "operator/registry/docker_config.hpp"
#include "tests/operator/reconciler/fixtures.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;
using namespace imageclassifier::reconciler::testing;
using nlohmann::json;
using registry::MintProblem;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr const char* kPrincipal = R"({"registry": {"auth": {"servicePrincipal": {
    "tenantID": "tenant", "clientID": "client", "clientSecret": {"name": "application", "key": "secret"}}}}})";
constexpr const char* kWorkload = R"({"registry": {"auth": {"workloadIdentity": {"serviceAccountName": "puller"}}}})";

/// A World whose credential is asked for.
struct Minting : World {
  registry::Settings settings;

  explicit Minting(const std::string& spec = kPrincipal) : World(spec) { secret("first", "1"); }

  Minting& secret(const std::string& value, const std::string& version) {
    observed.source_secret =
        parse_secret(json{{"metadata", {{"name", "application"}, {"uid", "u"}, {"resourceVersion", version}}},
                          {"type", "Opaque"},
                          {"data", {{"secret", registry::base64_encode(value)}}}}
                         .dump());
    return ask();
  }
  Minting& ask() {
    MintInquiry inquiry = mint_inquiry(observed, settings);
    observed.minting = {inquiry.inputs, inquiry.obstacle, nullptr};
    return *this;
  }
  Minting& minted(WallTime at, Duration life, const std::string& token = "token") {
    observed.minting.answer = std::make_shared<const MintAnswer>(
        MintAnswer{registry::Minted{Secret("nobody"), Secret(token), at, at + life}, {}});
    return *this;
  }
  Minting& failed(MintProblem problem, const std::string& detail = "AADSTS1") {
    observed.minting.answer =
        std::make_shared<const MintAnswer>(MintAnswer{{}, registry::MintFailure{problem, detail, {}}});
    return *this;
  }
  /// The answer is in the Secret, and nobody is asked any more.
  Minting& stored(WallTime now = kNow) {
    for (const Action& action : make_plan(observed, now).actions) carry_out(action);
    observed.minting.answer = nullptr;
    return *this;
  }
  CredentialAssessment at(WallTime now) const { return assess_credential(observed, now); }
  std::string reason(WallTime now = kNow) const { return std::string(at(now).finding.name()); }
};

/// Of a Minting whose resource has the uid "owner".
WallTime rotation(Duration life) {
  return rotate_at(kNow, kNow + life, "owner");
}

}  // namespace

TEST_CASE(
    "a credential is exchanged after half of its life, at most an hour, at times that differ from resource to "
    "resource") {
  for (const auto& [life, about] : {std::pair<Duration, Duration>(minutes(75), seconds(2250)),
                                    {hours(3), minutes(60)},
                                    {seconds(90), seconds(45)}}) {
    std::set<WallTime> moments;
    for (int i = 0; i < 100; ++i) {
      const WallTime moment = rotate_at(kNow, kNow + life, "uid" + std::to_string(i));
      CHECK(moment >= kNow + about * 9 / 10);
      CHECK(moment <= kNow + about * 11 / 10);
      moments.insert(moment);
    }
    CHECK(moments.size() > 90);
  }
  CHECK(rotation(hours(1)) == rotation(hours(1)));
}

TEST_CASE("the question holds what the identity shows, for the repository of the image") {
  Minting world;
  MintInquiry inquiry = mint_inquiry(world.observed, world.settings);
  CHECK(inquiry.question.server == "contoso.azurecr.io");
  CHECK(inquiry.question.repositories == std::vector<std::string>{"inference-server"});
  CHECK(inquiry.question.secret.reveal() == "first");
  CHECK(inquiry.question.tenant == "tenant");
  CHECK(inquiry.inputs.find("first") == std::string::npos);
  world.observed.classifier.spec.minting.whole_registry = true;
  CHECK(mint_inquiry(world.observed, world.settings).question.repositories.empty());
}

TEST_CASE("whatever the credential depends on changes its inputs, and what it is for their first part") {
  const std::string before = Minting().observed.minting.inputs;
  const auto after = [](auto change) {
    Minting world;
    change(world);
    return world.ask().observed.minting.inputs;
  };
  const auto first = [](const std::string& inputs) { return inputs.substr(0, inputs.find('-')); };
  for (const std::string& inputs :
       {Minting().secret("second", "2").observed.minting.inputs,
        after([](Minting& world) { world.settings.clouds["Public"].authority = "other.example"; }),
        after([](Minting& world) {
          std::get<api::ServicePrincipal>(world.observed.classifier.spec.auth).client_id = "x";
        }),
        after([](Minting& world) { world.observed.classifier.spec.minting.cloud = "China"; })}) {
    CHECK(inputs != before);
    CHECK(first(inputs) == first(before));
  }
  CHECK(first(after([](Minting& world) { world.observed.classifier.spec.image = "contoso.azurecr.io/other:1"; })) !=
        first(before));
  CHECK(after([](Minting& world) { world.observed.classifier.spec.image = "contoso.azurecr.io/inference-server:2"; }) ==
        before);
  // Who may have it is no part of it.
  CHECK(after([](Minting& world) { world.settings.clouds["Public"].servers.push_back("other.example"); }) == before);
}

TEST_CASE("a workload's identity comes from the specification or from its account") {
  Minting world(kWorkload);
  CHECK(world.reason() == "ServiceAccountNotFound");
  world.observed.account = ObservedAccount{"account-uid", "", ""};
  CHECK(world.ask().reason() == "IdentityIncomplete");
  world.observed.account = ObservedAccount{"account-uid", "client", "tenant"};
  const MintInquiry inquiry = mint_inquiry(world.observed, world.settings);
  CHECK(inquiry.question.client == "client");
  CHECK(inquiry.question.tenant == "tenant");
  CHECK(inquiry.question.subject == "account-uid");
  CHECK(world.ask().reason() == "MintPending");
  world.observed.account.reset();
  world.observed.account_forbidden = "cannot get";
  CHECK(world.ask().reason() == "ServiceAccountForbidden");
}

TEST_CASE("a machine's identity is one that the operator's owner has listed for the namespace") {
  Minting world(R"({"registry": {"auth": {"managedIdentity": {}}}})");
  CHECK(world.reason() == "IdentityNotListed");
  world.settings.identities = {{"zoo", "listed", ""}, {"other", "foreign", ""}};
  CHECK(mint_inquiry(world.observed, world.settings).question.client == "listed");
  auto& managed = std::get<api::ManagedIdentity>(world.observed.classifier.spec.auth);
  managed.client_id = "foreign";
  CHECK(world.ask().reason() == "IdentityNotListed");
  managed.client_id = "LISTED";
  CHECK(world.ask().reason() == "MintPending");
  managed.client_id.clear();
  world.settings.identities.push_back({"zoo", "", "/second"});
  CHECK(world.ask().reason() == "IdentityAmbiguous");
  managed.resource_id = "/second";
  CHECK(mint_inquiry(world.observed, world.settings).question.resource_id == "/second");
}

TEST_CASE("no pod is started before there is a credential, and what is wrong with its source is said") {
  Minting world;
  CHECK(world.reason() == "MintPending");
  CHECK(make_plan(world.observed, kNow).deployment_held);
  CHECK(summary(make_plan(world.observed, kNow)).find("Secret") == std::string::npos);
  world.observed.source_secret.reset();
  CHECK(world.ask().reason() == "SecretNotFound");
  world.observed.source_secret = parse_secret(R"({"type": "Opaque", "data": {}})");
  CHECK(world.ask().reason() == "SecretMalformed");
}

TEST_CASE("a minted credential is in the Secret before the Deployment is made, with when it ends") {
  Minting world;
  world.minted(kNow, minutes(75));
  const Plan plan = make_plan(world.observed, kNow);
  CHECK_THAT(summary(plan), Catch::StartsWith("create Secret pets-acr-pull, "));
  CHECK(plan.credential.finding.name() == "Minted");
  CHECK(plan.credential.finding.text().find("token") == std::string::npos);
  const auto report = make_report(world.observed, plan, {}, kNow);
  CHECK(report.status.pull_secret.name == "pets-acr-pull");
  CHECK(report.status.pull_secret.expires_at == "2026-01-31T09:15:10Z");
  CHECK(report.status.pull_secret.rotate_at == format_rfc3339(rotation(minutes(75))));
  world.stored();
  const json config = json::parse(*registry::base64_decode(world.at(kNow).docker_config->reveal()));
  CHECK(config["auths"]["contoso.azurecr.io"]["password"] == "token");
}

TEST_CASE("after a restart nothing is minted while the Secret says that it is good") {
  Minting world;
  CHECK(wants_mint(world.observed, kNow));
  world.minted(kNow, minutes(75)).stored();
  const WallTime due = rotation(minutes(75));
  CHECK_FALSE(wants_mint(world.observed, kNow));
  CHECK_FALSE(wants_mint(world.observed, due - seconds(1)));
  CHECK(wants_mint(world.observed, due));
  CHECK(wants_mint(world.observed, kNow - hours(1)));
  world.settle();
  CHECK(summary(make_plan(world.observed, due - seconds(1))).empty());
  CHECK(wants_mint(world.secret("second", "2").observed, kNow));
}

TEST_CASE(
    "while pods of another repository may come back the credential opens it too, and no longer than it lasts then") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  world.deployment_status(1, 1, 1).settle();
  CHECK(mint_inquiry(world.observed, world.settings).question.wished.empty());
  const auto question = [&] { return mint_inquiry(world.observed, world.settings).question; };
  const std::vector<std::string> before = {"inference-server"};
  world.observed.classifier.spec.image = "contoso.azurecr.io/next:1";
  CHECK(question().repositories == std::vector<std::string>{"next"});
  CHECK(question().wished == before);
  CHECK(world.ask().reason() == "MintPending");
  world.minted(kNow, minutes(75), "both").stored().settle();
  CHECK_FALSE(wants_mint(world.ask().observed, kNow));
  // The Deployment runs the next one, but may go back.
  CHECK(question().wished == before);
  const std::string both = world.observed.minting.inputs;
  world.deployment_status(1, 1, 1).settle();
  CHECK(question().wished.empty());
  CHECK(both.starts_with(world.ask().observed.minting.inputs + "-"));
  CHECK_FALSE(wants_mint(world.observed, kNow));
  CHECK(world.reason() == "Minted");
  CHECK(summary(make_plan(world.observed, kNow)).empty());
  CHECK(wants_mint(world.observed, rotation(minutes(75))));
  // What opens less than is needed is exchanged at once, and works meanwhile.
  Minting less;
  less.minted(kNow, minutes(75)).stored().settle();
  less.observed.minting.inputs += "-older";
  CHECK(wants_mint(less.observed, kNow));
  CHECK(less.at(kNow).usable);
}

TEST_CASE("another server, or whatever the identity may open, leaves no repository to be thought of") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  world.deployment_status(1, 1, 1).settle();
  world.observed.classifier.spec.image = "fabrikam.azurecr.io/next:1";
  CHECK(mint_inquiry(world.observed, world.settings).question.wished.empty());
  world.observed.classifier.spec.image = "contoso.azurecr.io/next:1";
  world.observed.classifier.spec.minting.whole_registry = true;
  CHECK(mint_inquiry(world.observed, world.settings).question.wished.empty());
}

TEST_CASE("content that somebody else has put into the Secret is not taken for ours") {
  Minting world;
  world.minted(kNow, minutes(75));
  CHECK_FALSE(held_until(world.observed));
  world.stored();
  CHECK(held_until(world.observed) == kNow + minutes(75));
  world.observed.pull_secret->data[".dockerconfigjson"] = Secret("e30=");
  CHECK(wants_mint(world.observed, kNow));
  CHECK(world.reason() == "MintPending");
  CHECK_FALSE(held_until(world.observed));
  world.observed.pull_secret->metadata.owner_uid = "somebody";
  CHECK(world.reason() == "NameConflict");
}

TEST_CASE("a rotation exchanges the content in place, and says nothing else meanwhile") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  const WallTime due = rotation(minutes(75));
  CHECK(world.reason(due) == "Minted");
  CHECK(summary(make_plan(world.observed, due)).empty());
  world.minted(due, minutes(75), "next");
  const Plan plan = make_plan(world.observed, due);
  CHECK(summary(plan) == "apply Secret pets-acr-pull");
  CHECK(plan.credential.expires == due + minutes(75));
}

TEST_CASE("a failed mint never takes the place of a credential that works, until that ends") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  world.failed(MintProblem::kClientSecretExpired);
  const WallTime due = rotation(minutes(75));
  const auto failing = world.at(due);
  CHECK(failing.finding.name() == "RotationFailing");
  CHECK(failing.usable);
  CHECK_THAT(failing.finding.text(), Catch::Contains("AADSTS1") && Catch::EndsWith("within 30 seconds."));
  CHECK(summary(make_plan(world.observed, due)).empty());
  const auto report = make_report(world.observed, make_plan(world.observed, due), {}, due);
  CHECK(api::find_condition(report.status.conditions, "CredentialReady")->status == "True");
  CHECK(report.due <= kNow + minutes(75) - due + seconds(1));
  // The text is the same whenever it is told.
  CHECK(world.at(due + minutes(9)).finding.text() == failing.finding.text());
  const auto ended = world.at(kNow + minutes(75));
  CHECK(ended.finding.name() == "Expired");
  CHECK_FALSE(ended.usable);
  CHECK(summary(make_plan(world.observed, kNow + minutes(75))).empty());
}

TEST_CASE(
    "a rotation that goes on failing is told anew when half, and when a fifth, of its time is left, and at the end") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  const WallTime due = rotation(minutes(75)), end = kNow + minutes(75);
  api::Status& shown = world.observed.classifier.status;
  std::vector<std::string> told;
  const auto pass = [&](WallTime now) {
    const Report report = make_report(world.observed, make_plan(world.observed, now), {}, now);
    for (const runtime::Event& event : events_of(world.observed.classifier, report.status)) {
      if (event.type == runtime::EventType::kWarning) told.push_back(event.reason);
    }
    shown = report.status;
    return report.due;
  };
  pass(due);
  told.clear();  // what is not of the credential
  std::size_t tries = 0;
  for (WallTime now = due + seconds(1); now < end + minutes(1); now += seconds(20)) {
    // Of a different cause each time; and now and then the operator is started anew, and knows none.
    world.failed(tries % 2 == 0 ? MintProblem::kExchangeDenied : MintProblem::kRegistryUnreachable, "HTTP status 503");
    if (++tries % 7 == 0 && now < end) world.observed.minting.answer = nullptr;
    pass(now);
  }
  CHECK(told == std::vector<std::string>{"RotationFailing", "RotationUrgent", "RotationCritical", "Expired"});
  world.failed(MintProblem::kExchangeDenied);
  CHECK(pass(due + seconds(1)) == end - (end - due) / 2 - due - seconds(1) + std::chrono::milliseconds(50));
}

TEST_CASE("when the end of a credential is told of") {
  const WallTime due = kNow, end = kNow + minutes(100);
  CHECK(rotation_stage(due, end, kNow - minutes(1)) == RotationStage::kBegun);
  CHECK(rotation_stage(due, end, kNow + minutes(50) - seconds(1)) == RotationStage::kBegun);
  CHECK(rotation_stage(due, end, kNow + minutes(50)) == RotationStage::kHalf);
  CHECK(rotation_stage(due, end, kNow + minutes(80)) == RotationStage::kFifth);
  CHECK(rotation_alarms(due, end) == std::array{kNow + minutes(50), kNow + minutes(80)});
  CHECK(is_rotation_failing("RotationUrgent"));
  CHECK_FALSE(is_rotation_failing("Expired"));
}

TEST_CASE("also another secret that turns out to be wrong leaves what works, but not what opens another repository") {
  Minting world;
  world.minted(kNow, minutes(75)).stored().settle();
  world.secret("wrong", "2").failed(MintProblem::kClientSecretInvalid);
  CHECK(world.reason() == "RotationFailing");
  CHECK(world.at(kNow).usable);
  // Nobody has answered for the next one yet.
  world.observed.classifier.status.conditions =
      make_report(world.observed, make_plan(world.observed, kNow), {}, kNow).status.conditions;
  CHECK(world.secret("another", "3").ask().reason() == "RotationFailing");
  world.observed.source_secret.reset();
  CHECK(world.ask().reason() == "RotationFailing");
  Minting other;
  other.minted(kNow, minutes(75)).stored().settle();
  other.observed.classifier.spec.image = "contoso.azurecr.io/other:1";
  CHECK(other.ask().reason() == "MintPending");
  CHECK(summary(make_plan(other.observed, kNow)).find("Deployment") == std::string::npos);
  other.observed.source_secret.reset();
  CHECK(other.ask().reason() == "SecretNotFound");
  other.secret("first", "1").failed(MintProblem::kExchangeDenied);
  CHECK(other.reason() == "ExchangeDenied");
}

TEST_CASE("each failure has its reason, which names the object and what to do") {
  const auto [problem, reason] = GENERATE(table<MintProblem, const char*>({
      {MintProblem::kServerNotAllowed, "RegistryNotAllowed"},
      {MintProblem::kCloudUnknown, "CloudUnknown"},
      {MintProblem::kServiceAccountNotFound, "ServiceAccountNotFound"},
      {MintProblem::kTokenRequestForbidden, "TokenRequestForbidden"},
      {MintProblem::kFederationNotFound, "FederationNotFound"},
      {MintProblem::kAssertionExpired, "AssertionExpired"},
      {MintProblem::kIdentityNotFound, "IdentityNotFound"},
      {MintProblem::kClientSecretInvalid, "ClientSecretInvalid"},
      {MintProblem::kClientSecretExpired, "ClientSecretExpired"},
      {MintProblem::kAudienceUnknown, "AudienceUnknown"},
      {MintProblem::kIdentityRefused, "IdentityRefused"},
      {MintProblem::kIdentityProviderUnavailable, "IdentityProviderUnavailable"},
      {MintProblem::kMetadataUnavailable, "IMDSUnavailable"},
      {MintProblem::kExchangeDenied, "ExchangeDenied"},
      {MintProblem::kAddressRefused, "RegistryAddressRefused"},
      {MintProblem::kIdentityNotAssigned, "IdentityNotAssigned"},
      {MintProblem::kMetadataBusy, "IMDSBusy"},
      {MintProblem::kRegistryForbidden, "RegistryForbidden"},
      {MintProblem::kRegistryUnreachable, "RegistryUnreachable"},
      {MintProblem::kRegistryAnswerInvalid, "RegistryAnswerInvalid"},
      {MintProblem::kUntrusted, "TLSUntrusted"},
      {MintProblem::kCertificateOutOfTime, "CertificateOutOfTime"},
      {MintProblem::kThrottled, "Throttled"},
      {MintProblem::kClockSkew, "ClockSkew"},
  }));
  for (const char* spec : {kPrincipal, kWorkload}) {
    Minting world(spec);
    world.observed.account = ObservedAccount{"u", "client", "tenant"};
    const std::string text = world.ask().failed(problem).at(kNow).finding.text();
    INFO(text);
    CHECK(world.reason() == reason);
    CHECK((text.ends_with('.') || text.ends_with('}')));
    CHECK(text.size() <= api::kMaxMessageBytes);
    CHECK(text.find("  ") == std::string::npos);
    CHECK(text.find(" .") == std::string::npos);
  }
}

TEST_CASE("what lets the operator ask for tokens is told as YAML, for the account that was refused, if it has room") {
  Minting world(kWorkload);
  world.observed.account = ObservedAccount{"u", "client", "tenant"};
  const auto remedy = [&](const std::string& account) {
    world.ask().observed.minting.answer =
        std::make_shared<const MintAnswer>(MintAnswer{{}, {{MintProblem::kTokenRequestForbidden, account}}});
    return world.at(kNow).finding.remedy;
  };
  CHECK_THAT(remedy("mine:another"), Catch::Contains("resources: [serviceaccounts/token]") &&
                                         Catch::Contains("{kind: ServiceAccount, name: another, namespace: \"mine\"}"));
  CHECK_THAT(remedy(""), Catch::Contains("name: imageclassifier-operator, namespace: imageclassifier-system"));
  std::get<api::WorkloadIdentity>(world.observed.classifier.spec.auth).service_account_name = std::string(253, 'a');
  CHECK_THAT(remedy(""), Catch::EndsWith("it is tried again by itself."));
  CHECK_THAT(remedy(""), Catch::Contains("render --grant"));
}

TEST_CASE("a failure names the server that it is about, and who meets it") {
  Minting world;
  const auto text = [&](registry::MintFailure failure) {
    world.ask().observed.minting.answer = std::make_shared<const MintAnswer>(MintAnswer{{}, std::move(failure)});
    return world.at(kNow).finding.message;
  };
  CHECK(text({MintProblem::kServerNotAllowed, {}, {}, "evil.example"}) ==
        "The operator sends no token of cloud Public to evil.example (the token server that contoso.azurecr.io names), "
        "which its configuration does not list for that.");
  CHECK(text({MintProblem::kServerNotAllowed}) ==
        "The operator sends no token of cloud Public to contoso.azurecr.io, which its configuration does not list for "
        "that.");
  CHECK(text({MintProblem::kUntrusted, "it was issued for another name", {}, "login.microsoftonline.com"}) ==
        "The certificate of login.microsoftonline.com is not trusted by the operator: it was issued for another name.");
  CHECK(text({MintProblem::kRegistryUnreachable, "its name does not resolve", {}, "contoso.azurecr.io"}) ==
        "The registry contoso.azurecr.io cannot be reached by the operator: its name does not resolve.");
  CHECK(
      text({MintProblem::kIdentityProviderUnavailable, "its name does not resolve", {}, "login.microsoftonline.com"}) ==
      "Entra gives no token: login.microsoftonline.com: its name does not resolve.");
}

TEST_CASE("while a credential is on its way nothing warns, no Secret is named, and no node is said to pull") {
  Minting world;
  const Plan plan = make_plan(world.observed, kNow);
  Report made = make_report(world.observed, plan, {}, kNow);
  for (const api::Condition& condition : made.status.conditions) {
    const auto* reason = diagnosis::find_reason(condition.reason);
    CHECK((reason == nullptr || reason->outlook < diagnosis::Outlook::kFailing));
  }
  CHECK(api::find_condition(made.status.conditions, "WorkloadAvailable")->reason == "CredentialPending");
  CHECK(made.status.pull_secret.name.empty());
  world.observed.image.allowed = true;
  made = make_report(world.observed, make_plan(world.observed, kNow), {}, kNow);
  CHECK(api::find_condition(made.status.conditions, "ImageResolved")->reason == "ImageNotAsked");
}

TEST_CASE("failures are tried again with growing pauses, sooner while little is left, not before one was asked to") {
  const auto pause = [](MintProblem problem, int attempt, Duration left = {}, seconds retry_after = {}) {
    return mint_pause({problem, {}, retry_after}, attempt, left, 1000);
  };
  constexpr MintProblem kIll = MintProblem::kRegistryUnreachable;
  CHECK(pause(kIll, 0) == seconds(15));
  CHECK(pause(kIll, 3) == seconds(120));
  CHECK(pause(kIll, 1000) == minutes(10));
  CHECK(mint_pause({kIll, {}, {}}, 0, {}, 0) == std::chrono::milliseconds(7500));
  CHECK(pause(kIll, 9, minutes(10)) == seconds(60));
  CHECK(pause(kIll, 9, minutes(20)) == minutes(5));
  CHECK(pause(kIll, 0, seconds(16)) == seconds(4));
  CHECK(pause(kIll, 0, seconds(1)) == seconds(1));
  CHECK(pause(kIll, 0, {}, seconds(90)) == seconds(90));
  CHECK(pause(MintProblem::kFederationNotFound, 9) == seconds(30));
  CHECK(pause(MintProblem::kFederationNotFound, 10) == minutes(10));
  CHECK(pause(MintProblem::kClientSecretInvalid, 0) == minutes(10));
  CHECK(pause(MintProblem::kTokenRequestForbidden, 9) == seconds(60));
}
