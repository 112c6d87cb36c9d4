#include "operator/cli/commands.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/file.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/api/json_access.hpp"
#include "operator/cli/definition.hpp"
#include "operator/cli/yaml.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/token_request_grant.hpp"

namespace imageclassifier::cli {
namespace {

constexpr std::size_t kNameWidth = 30;

const char* outlook_text(diagnosis::Outlook outlook) {
  switch (outlook) {
    case diagnosis::Outlook::kGood:
      return "All is well.";
    case diagnosis::Outlook::kWaiting:
      return "It goes on by itself.";
    case diagnosis::Outlook::kFailing:
      return "It is tried again by itself, but may need help.";
    case diagnosis::Outlook::kStalled:
      return "Waiting does not help until somebody acts.";
  }
  return "";
}

/// What `kubectl get pods` and the pods' events show, and the reason that says it here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 29> kKubernetesWords = {{
    {"BackOff", "CrashLoop"},
    {"ContainerCreating", "PodsStarting"},
    {"CrashLoopBackOff", "CrashLoop"},
    {"CreateContainerConfigError", "ContainerConfigInvalid"},
    {"CreateContainerError", "ContainerStartFailed"},
    {"ErrImageNeverPull", "ImageNotPresent"},
    {"ErrImagePull", "ImagePullFailed"},
    {"Error", "CrashLoop"},
    {"Evicted", "PodEvicted"},
    {"FailedAttachVolume", "VolumeMountFailed"},
    {"FailedCreate", "PodCreationForbidden"},
    {"FailedCreatePodSandBox", "PodSandboxFailed"},
    {"FailedMount", "VolumeMountFailed"},
    {"FailedScheduling", "Unschedulable"},
    {"ImageInspectError", "ImageUnreadable"},
    {"ImagePullBackOff", "ImagePullFailed"},
    {"InvalidImageName", "InvalidReference"},
    {"NodeAffinity", "PodRejected"},
    {"Pending", "Unschedulable"},
    {"PodInitializing", "PodsStarting"},
    {"Preempting", "PodPreempted"},
    {"RunContainerError", "ContainerStartFailed"},
    {"SignatureValidationFailed", "SignatureRefused"},
    {"StartError", "ContainerStartFailed"},
    {"Terminating", "PodsEnding"},
    {"TopologyAffinityError", "PodRejected"},
    {"UnexpectedAdmissionError", "PodRejected"},
    {"Unhealthy", "ReadinessFailing"},
    {"Unknown", "NodeLost"},
}};

bool same_word(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

using Word = std::pair<std::string_view, std::string_view>;

/// A word of Kubernetes and the reason. Kubelets put some together: OutOfcpu of what is short, and Init:Error of what
/// comes before the server.
std::optional<Word> find_word(std::string_view name) {
  constexpr std::string_view kShort = "OutOf", kBefore = "Init:";
  if (name.size() > kShort.size() && same_word(name.substr(0, kShort.size()), kShort)) return Word{name, "PodRejected"};
  if (same_word(name.substr(0, kBefore.size()), kBefore)) name.remove_prefix(kBefore.size());
  const auto found = std::find_if(kKubernetesWords.begin(), kKubernetesWords.end(),
                                  [&](const Word& each) { return same_word(each.first, name); });
  return found == kKubernetesWords.end() ? std::nullopt : std::optional(*found);
}

/// In whatever case it is written.
const diagnosis::Reason* find_reason(std::string_view name) {
  const auto all = diagnosis::all_reasons();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) { return same_word(each.name, name); });
  return found == all.end() ? nullptr : &*found;
}

std::string text_of(const diagnosis::Reason& reason) {
  std::string text = std::string(reason.name) + "\n\n  " + std::string(reason.message) + "\n";
  if (!reason.remedy.empty()) text += "  What to do: " + std::string(reason.remedy) + "\n";
  return text + "  " + outlook_text(reason.outlook) + "\n";
}

struct Read {
  nlohmann::json object;
  api::ImageClassifier classifier;
};

Result<Read> read_classifier(std::string_view text) {
  auto object = read_yaml(text);
  if (!object) return fail(object.error());
  const std::string version = api::text_of(*object, "apiVersion"), kind = api::text_of(*object, "kind");
  if (version != api::kApiVersion || kind != api::kKind) {
    return fail(ErrorCode::kInvalidArgument, std::string("The file must begin with an object of apiVersion ") +
                                                 api::kApiVersion + " and kind " + api::kKind + ", not \"" + version +
                                                 "\" and \"" + kind + "\".");
  }
  auto classifier = api::decode_image_classifier(object->dump());
  if (!classifier) return fail(classifier.error());
  return Read{std::move(*object), std::move(*classifier)};
}

/// "NAMESPACE:NAME", as kubectl writes the subjects of a RoleBinding.
Result<resources::OperatorAccount> parse_account(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view space = text.substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  for (const std::string_view part : {space, name}) {
    if (part.empty() || part.find_first_not_of(kPlain) != std::string_view::npos)
      return fail(ErrorCode::kInvalidArgument, "--operator \"" + std::string(text) +
                                                   "\" names no ServiceAccount: write NAMESPACE:NAME, as kubectl get "
                                                   "serviceaccounts -A shows them.");
  }
  return resources::OperatorAccount{std::string(space), std::string(name)};
}

/// YAML documents; empty where there is nothing to grant.
std::string grant_documents(const api::ImageClassifier& classifier, const resources::OperatorAccount& account) {
  std::string out;
  const nlohmann::json list = resources::token_request_grant(classifier, account);
  if (list.is_null()) return out;
  for (const nlohmann::json& object : list["items"]) out += "---\n" + write_yaml(object);
  return out;
}

Result<std::string> read_text(const std::string& file) {
  constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;
  return read_file(file == "-" ? "/dev/stdin" : file, kMaximumFile);
}

}  // namespace

Result<Rendered> render(std::string_view text) {
  const auto read = read_classifier(text);
  if (!read) return fail(read.error());
  const api::ImageClassifier* const classifier = &read->classifier;
  std::string out = "# Not checked against the schema: kubectl apply --dry-run=server does that.\n";
  if (const auto* basic = std::get_if<api::BasicCredential>(&classifier->spec.auth)) {
    out += "# Secret " + resources::pull_secret_name(*classifier) + " is made by the operator from Secret " +
           basic->secret_name + ".\n";
  }
  if (resources::makes_access_secret(classifier->spec)) {
    out +=
        "# Secret " + resources::access_secret_name(*classifier) + " is made by the operator with a random password.\n";
  }
  if (api::is_minted(classifier->spec.auth))
    out += "# Secret " + resources::pull_secret_name(*classifier) +
           " is made by the operator with a credential that it mints.\n";
  if (const std::string grant = grant_documents(*classifier, {}); !grant.empty()) {
    out +=
        "# To be applied by you, as kubectl imageclassifier render --grant prints it: it lets the operator ask for "
        "tokens of the account.\n" +
        grant + "# What the operator makes:\n";
  }
  for (const resources::Manifest& manifest : resources::desired_state(*classifier)) {
    out += "---\n" + write_yaml(api::parse_or_null(manifest.body));
  }
  std::string warnings;
  for (const std::string& field : unknown_fields(read->object)) {
    warnings += "Warning: an ImageClassifier has no field " + field + ", and kubectl apply would refuse it.\n";
  }
  return Rendered{std::move(out), std::move(warnings)};
}

Result<Rendered> render_file(const std::string& file) {
  const auto text = read_text(file);
  if (!text) return fail(text.error());
  return render(*text);
}

Result<std::string> grant(std::string_view text, std::string_view account) {
  const auto operator_account = parse_account(account);
  if (!operator_account) return fail(operator_account.error());
  const auto read = read_classifier(text);
  if (!read) return fail(read.error());
  std::string roles = grant_documents(read->classifier, *operator_account);
  if (!roles.empty()) return roles;
  return fail(ErrorCode::kInvalidArgument,
              "ImageClassifier " + read->classifier.metadata.name +
                  " needs no grant: only spec.registry.auth.workloadIdentity has the operator ask for tokens.");
}

Result<std::string> grant_file(const std::string& file, std::string_view account) {
  const auto text = read_text(file);
  if (!text) return fail(text.error());
  return grant(*text, account);
}

Result<std::string> explain(std::string_view name) {
  if (const diagnosis::Reason* reason = find_reason(name)) return text_of(*reason);
  if (const auto known = find_word(name)) {
    return std::string(known->first) + " is a word of Kubernetes; the resource says this, or the cause:\n\n" +
           text_of(*diagnosis::find_reason(known->second));
  }
  return fail(ErrorCode::kNotFound,
              "There is no reason \"" + std::string(name) + "\"; \"explain\" without one lists all of them.");
}

Result<std::string> resource_name(std::string_view argument) {
  constexpr std::array<std::string_view, 5> kTypes = {"ic", "imageclassifier", "imageclassifiers",
                                                      "imageclassifiers.imageclassifier.dev",
                                                      "imageclassifiers.v1alpha1.imageclassifier.dev"};
  const std::size_t slash = argument.find('/');
  const std::string_view type = argument.substr(0, slash);
  const std::string_view name = slash == std::string_view::npos ? argument : argument.substr(slash + 1);
  const bool known = slash == std::string_view::npos || std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
  const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
  if (known && plain && !name.empty()) return std::string(name);
  return fail(ErrorCode::kInvalidArgument, "\"" + std::string(argument) +
                                               "\" names no ImageClassifier: write its name alone, or ic/NAME; "
                                               "kubectl get imageclassifiers -A lists them.");
}

std::string list_reasons() {
  std::string text;
  for (const diagnosis::Reason& reason : diagnosis::all_reasons()) {
    text += std::string(reason.name) + std::string(kNameWidth - std::min(kNameWidth, reason.name.size()), ' ') + "  " +
            outlook_text(reason.outlook) + "\n";
  }
  return text;
}

}  // namespace imageclassifier::cli
