#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "operator/app/options.hpp"
#include "operator/cli/chain.hpp"
#include "operator/cli/commands.hpp"
#include "operator/cli/yaml.hpp"
#include "operator/diagnosis/reasons.hpp"

using namespace imageclassifier;
using nlohmann::json;

TEST_CASE("YAML is read with the types that kubectl sees") {
  const auto value =
      cli::read_yaml("a: 1\nb: '1'\nc: true\nd: yes\ne: 10Mi\nf: ~\ng: [x, {h: 1.5}]\ni: \"true\"\nj: 007\n");
  REQUIRE(value);
  CHECK(*value ==
        json::parse(
            R"({"a":1,"b":"1","c":true,"d":"yes","e":"10Mi","f":null,"g":["x",{"h":1.5}],"i":"true","j":"007"})"));
  CHECK(!cli::read_yaml("a: [1"));
  CHECK(!cli::read_yaml("a: *unknown"));
}

TEST_CASE("YAML that is written is read back as the same value") {
  const json values[] = {
      json::parse(
          R"({"a":{"b":[{"c":1,"d":["x","y"]},{"e":{}}],"f":[]},"g":"true","h":"8080","i":"a: b","j":"","k":null,
                                         "l":"line\nbreak","m":"-x","n":"no","o":[[1,2],[3]],"p":1.5,"q":"ü","r":"#x","s":" x "})"),
      json::parse(R"([{"a":[{"b":1}]}])"), json("plain")};
  for (const json& value : values) {
    INFO(cli::write_yaml(value));
    const auto back = cli::read_yaml(cli::write_yaml(value));
    REQUIRE(back);
    CHECK(*back == value);
  }
}

TEST_CASE("render prints the children of every accepted example") {
  std::ifstream file("crds/examples/accepted/quickstart.yaml");
  const auto text = cli::render(std::string(std::istreambuf_iterator<char>(file), {}));
  REQUIRE(text);
  CHECK(text->objects.find("kind: Deployment") != std::string::npos);
  CHECK(text->objects.find("kind: Service") != std::string::npos);
  CHECK(text->objects.find("Secret quickstart-acr-pull is made by the operator") != std::string::npos);
}

TEST_CASE("render warns of fields that the definition does not have, and of no others") {
  for (const auto& example : std::filesystem::directory_iterator("crds/examples/accepted")) {
    std::ifstream file(example.path());
    const auto text = cli::render(std::string(std::istreambuf_iterator<char>(file), {}));
    INFO(example.path());
    REQUIRE(text);
    CHECK(text->warnings.empty());
  }
  const auto text = cli::render(
      "apiVersion: imageclassifier.dev/v1alpha1\nkind: ImageClassifier\nmetadata: {name: pets}\nspec:\n"
      "  image: contoso.azurecr.io/x:1\n  replica: 2\n  pod: {labels: {a: b}, env: [{name: A, valeu: b}]}\n");
  REQUIRE(text);
  CHECK(text->warnings ==
        "Warning: an ImageClassifier has no field spec.pod.env[].valeu, and kubectl apply would refuse it.\n"
        "Warning: an ImageClassifier has no field spec.replica, and kubectl apply would refuse it.\n");
}

TEST_CASE("render refuses what is no ImageClassifier and says what it is") {
  const auto refused = cli::render("apiVersion: v1\nkind: Pod\n");
  REQUIRE(!refused);
  CHECK(refused.error().message.find("\"Pod\"") != std::string::npos);
  CHECK(!cli::render(": ["));
  CHECK(!cli::render(""));
}

TEST_CASE("the grant for an account's tokens is printed alone, for the operator as it is installed") {
  const std::string head =
      "apiVersion: imageclassifier.dev/v1alpha1\nkind: ImageClassifier\nmetadata: {name: pets, namespace: zoo}\nspec:\n"
      "  image: contoso.azurecr.io/x:1\n";
  const std::string workload = head + "  registry: {auth: {workloadIdentity: {serviceAccountName: puller}}}\n";
  const auto text = cli::grant(workload, "mine:other");
  REQUIRE(text);
  for (const char* part : {"kind: Role\n", "kind: RoleBinding\n", "namespace: mine", "name: other", "- puller"})
    CHECK_THAT(*text, Catch::Contains(part));
  CHECK_THAT(*text, !Catch::Contains("Deployment"));
  CHECK_THAT(cli::grant(head, "mine:other").error().message, Catch::Contains("pets needs no grant"));
  for (const char* bad : {"", "mine", ":", "mine:", ":other", "mine:oth er"}) CHECK(!cli::grant(workload, bad));
}

TEST_CASE("explain knows every reason") {
  for (const diagnosis::Reason& reason : diagnosis::all_reasons()) CHECK(cli::explain(reason.name));
  CHECK(!cli::explain("Nonsense"));
  CHECK(*cli::explain("oomkilled") == *cli::explain("OOMKilled"));
  CHECK_THAT(*cli::explain("imagepullbackoff"),
             Catch::StartsWith("ImagePullBackOff") && Catch::Contains("\nImagePullFailed\n"));
  CHECK_THAT(*cli::explain("FailedMount"), Catch::Contains("\nVolumeMountFailed\n"));
  CHECK_THAT(*cli::explain("OutOfcpu"), Catch::StartsWith("OutOfcpu") && Catch::Contains("\nPodRejected\n"));
  CHECK_THAT(*cli::explain("Init:CrashLoopBackOff"), Catch::Contains("\nCrashLoop\n"));
  CHECK(!cli::explain("OutOf"));
  CHECK(!cli::explain(""));
  CHECK(cli::list_reasons().find("\nCredentialRefused   ") != std::string::npos);
}

TEST_CASE("a resource is named as kubectl takes it, or it is said what to write") {
  for (const char* argument :
       {"pets", "ic/pets", "imageclassifiers/pets", "imageclassifiers.imageclassifier.dev/pets"}) {
    CHECK(*cli::resource_name(argument) == "pets");
  }
  for (const char* argument : {"", "ic/", "pod/pets", "ic/pets/x", "pets,cats", "Pets"}) {
    const auto refused = cli::resource_name(argument);
    REQUIRE(!refused);
    CHECK_THAT(refused.error().message, Catch::Contains("ic/NAME"));
  }
}

TEST_CASE("the command line is the operator unless it names something else") {
  const auto parse = [](std::vector<const char*> words) {
    words.insert(words.begin(), "imageclassifier-operator");
    return app::parse_command_line(static_cast<int>(words.size()), words.data());
  };
  CHECK(parse({}).command == app::Command::kRun);
  CHECK(parse({"--log-level=warn"}).log_level == log::Level::kWarning);
  const auto line = parse({"--listen", "127.0.0.1:0", "--namespace", "zoo", "--workers", "2"});
  CHECK(line.run.listen_address == "127.0.0.1");
  CHECK(line.run.listen_port == 0);
  CHECK(line.run.namespace_name == "zoo");
  CHECK(parse({"--listen", ":9000"}).run.listen_port == 9000);
  for (const char* bad : {"9000", "x:", "x:99999", "x:-1", "x:1a"}) CHECK(parse({"--listen", bad}).exit_code == 2);
  CHECK(parse({"--workers", "0"}).exit_code == 2);
  CHECK(parse({"--nonsense"}).exit_code == 2);
  CHECK(parse({"render", "-f", "x.yaml"}).file == "x.yaml");
  CHECK(parse({"explain", "OOMKilled"}).command == app::Command::kExplain);
  CHECK(parse({"explain"}).command == app::Command::kReasons);
  CHECK(parse({"--help"}).exit_code == 0);
  CHECK(parse({"--version"}).command == app::Command::kNone);
}

TEST_CASE("the lease's times are taken with their units and refused where they could lead to two leaders") {
  const auto parse = [](std::vector<const char*> words) {
    words.insert(words.begin(), "operator");
    return app::parse_command_line(static_cast<int>(words.size()), words.data());
  };
  const app::CommandLine line = parse({"--leader-elect", "--leader-elect-lease-duration=1500ms",
                                       "--leader-elect-renew-deadline=1s", "--leader-elect-retry-period=200ms"});
  CHECK(line.message.empty());
  CHECK(line.run.leader.elect);
  CHECK(line.run.leader.timing.lease_duration == std::chrono::milliseconds(1500));
  CHECK(parse({}).run.leader.timing.renew_deadline == std::chrono::seconds(10));
  CHECK(parse({"--leader-elect-lease-duration=10s"}).message.find("longer than the renew deadline") !=
        std::string::npos);
  CHECK(parse({"--leader-elect-lease-duration=10"}).exit_code == 2);
  CHECK(parse({"--leader-elect-retry-period=soon"}).exit_code == 2);
}

TEST_CASE("what the operator says of the image ends with what to do, as everything that is broken does") {
  reconciler::Observed observed;
  observed.classifier = *api::decode_image_classifier(
      R"({"metadata": {"name": "pets", "namespace": "zoo"}, "spec": {"image": "contoso.azurecr.io/x:1"}})");
  const diagnosis::Finding refused = diagnosis::make_finding("InsufficientScope", {{"server", "contoso.azurecr.io"}});
  observed.classifier.status.observed_generation = observed.classifier.metadata.generation;
  observed.classifier.status.conditions = {{"ImageResolved", "False", 1, {}, "InsufficientScope", refused.text()}};
  const auto chain = cli::walk(observed, std::nullopt, {});
  REQUIRE(cli::first_fault(chain) != nullptr);
  CHECK(cli::first_fault(chain)->text == "The operator says: " + refused.message);
  CHECK_THAT(cli::format(chain, "pets"), Catch::Contains("What to do: " + refused.remedy));
}

TEST_CASE("what who asks may not read is not taken for a fault of the operator's") {
  reconciler::Observed observed;
  observed.classifier = *api::decode_image_classifier(
      R"({"metadata": {"name": "pets", "namespace": "zoo"}, "spec": {"image": "contoso.azurecr.io/x:1",
          "model": {"labels": {"configMapKeyRef": {"name": "words", "key": "en"}}}}})");
  observed.references[{resources::Reference::Kind::kConfigMap, "words"}].forbidden = "User \"jane\" cannot get it";
  const auto pods = [&] { return cli::walk(observed, std::nullopt, {})[3]; };
  CHECK(pods().state == cli::Link::State::kUnknown);
  CHECK(
      pods().text ==
      "You lack the right to get ConfigMap words in namespace zoo, which its administrator can grant you; the operator "
      "has said nothing.");
  observed.classifier.status.conditions = {{"WorkloadAvailable", "False", 1, {}, "ConfigMapNotFound", "It is gone."}};
  CHECK(pods().state == cli::Link::State::kBroken);
  CHECK(pods().reason == "ConfigMapNotFound");
  CHECK_THAT(pods().text, Catch::EndsWith("the operator says: It is gone."));
}

TEST_CASE("what the API server has refused is the fault, before what waits for it or merely waits") {
  const auto verdict = [](const char* type, const char* reason) {
    reconciler::Observed observed;
    observed.classifier = *api::decode_image_classifier(
        R"({"metadata": {"name": "pets", "namespace": "zoo"}, "spec": {"image": "contoso.azurecr.io/x:1"}})");
    observed.classifier.status.observed_generation = observed.classifier.metadata.generation;
    observed.classifier.status.conditions = {{"Ready", "False", 1, {}, reason, "No."}};
    if (std::string_view(type) != "Ready") {
      observed.classifier.status.conditions.push_back({type, "False", 1, {}, reason, "No."});
    }
    const std::vector<cli::Link> chain = cli::walk(observed, std::nullopt, {});
    const cli::Link* fault = cli::first_fault(chain);
    REQUIRE(fault != nullptr);
    return fault->name + ": " + fault->reason + ": " + fault->text;
  };
  CHECK(verdict("WorkloadAvailable", "PodTemplateInvalid") == "pods: PodTemplateInvalid: The operator says: No.");
  CHECK(verdict("EndpointReady", "ObjectRefused") == "load balancer: ObjectRefused: The operator says: No.");
  CHECK(verdict("CredentialReady", "RightMissing") == "secret: RightMissing: The operator says: No.");
  CHECK(verdict("Ready", "ObjectInvalid") == "the rest: ObjectInvalid: The operator says: No.");
}

TEST_CASE("what the operator has found in the registry is told while no node has pulled the image") {
  const auto image_link = [](const std::string& status, const std::string& reason) {
    reconciler::Observed observed;
    observed.classifier = *api::decode_image_classifier(
        R"({"metadata": {"name": "pets", "namespace": "zoo"}, "spec": {"image": "contoso.azurecr.io/x:1"}})");
    observed.classifier.status.conditions = {{"ImageResolved", status, 0, {}, reason, "Told."}};
    for (const cli::Link& link : cli::walk(observed, std::nullopt, {})) {
      if (link.name == "image") return std::string(cli::to_string(link.state)) + " " + link.reason;
    }
    return std::string();
  };
  CHECK(image_link("False", "ManifestUnknown") == "BROKEN ManifestUnknown");
  CHECK(image_link("True", "Resolved") == "ok Resolved");
  CHECK(image_link("Unknown", "CheckingImage") == "waiting ");
  CHECK(image_link("Unknown", "ServerNotAllowed") == "? ");
}

TEST_CASE("what a specification will be sorry for is noted and is no fault") {
  reconciler::Observed observed;
  observed.classifier = *api::decode_image_classifier(
      R"({"metadata": {"name": "pets", "namespace": "zoo"}, "spec": {"image": "contoso.azurecr.io/x:1", "replicas": 2,
          "availability": {"minAvailable": 2}}})");
  const cli::Link link = cli::walk(observed, std::nullopt, {}).back();
  CHECK(link.state == cli::Link::State::kNote);
  CHECK(link.reason == "EvictionForbidden");
  CHECK(cli::first_fault({link}) == nullptr);
}

TEST_CASE("the first broken link is the fault, before an earlier one that only waits") {
  using State = cli::Link::State;
  std::vector<cli::Link> chain = {{"resource", State::kGood, "", "Seen.", ""},
                                  {"secret", State::kUnknown, "", "Nobody knows.", ""},
                                  {"image", State::kWaiting, "", "On its way.", ""}};
  CHECK(cli::first_fault(chain) == &chain[2]);
  chain.push_back({"pods", State::kBroken, "CrashLoop", "It ends.", "Read the log."});
  chain.push_back({"http", State::kBroken, "", "No answer.", "Look."});
  REQUIRE(cli::first_fault(chain) == &chain[3]);
  CHECK(cli::format(chain, "ImageClassifier zoo/pets") ==
        "ImageClassifier zoo/pets: broken at pods\n"
        "  resource       ok       Seen.\n"
        "  secret         ?        Nobody knows.\n"
        "  image          waiting  On its way.\n"
        "  pods           BROKEN   CrashLoop: It ends.\n"
        "  http           BROKEN   No answer.\n"
        "What to do: Read the log.\n");
  chain.resize(2);
  CHECK(cli::first_fault(chain) == nullptr);
  CHECK_THAT(cli::format(chain, "x"), Catch::StartsWith("x: all is well\n"));
}
