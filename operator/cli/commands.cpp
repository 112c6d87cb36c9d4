#include "operator/cli/commands.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/file.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/api/json_access.hpp"
#include "operator/cli/yaml.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/resources/builders.hpp"

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

}  // namespace

Result<std::string> render(std::string_view text) {
  const auto object = read_yaml(text);
  if (!object) return fail(object.error());
  const std::string version = api::text_of(*object, "apiVersion"), kind = api::text_of(*object, "kind");
  if (version != api::kApiVersion || kind != api::kKind) {
    return fail(ErrorCode::kInvalidArgument, std::string("The file must begin with an object of apiVersion ") +
                                                 api::kApiVersion + " and kind " + api::kKind + ", not \"" + version +
                                                 "\" and \"" + kind + "\".");
  }
  const auto classifier = api::decode_image_classifier(object->dump());
  if (!classifier) return fail(classifier.error());
  std::string out = "# Not checked against the schema: kubectl apply --dry-run=server does that.\n";
  if (const auto* basic = std::get_if<api::BasicCredential>(&classifier->spec.auth)) {
    out += "# Secret " + resources::pull_secret_name(*classifier) + " is made by the operator from Secret " +
           basic->secret_name + ".\n";
  }
  if (resources::makes_access_secret(classifier->spec)) {
    out +=
        "# Secret " + resources::access_secret_name(*classifier) + " is made by the operator with a random password.\n";
  }
  for (const resources::Manifest& manifest : resources::desired_state(*classifier)) {
    out += "---\n" + write_yaml(api::parse_or_null(manifest.body));
  }
  return out;
}

Result<std::string> render_file(const std::string& file) {
  constexpr std::uint64_t kMaximumFile = 10 * 1024 * 1024;
  const auto text = read_file(file == "-" ? "/dev/stdin" : file, kMaximumFile);
  if (!text) return fail(text.error());
  return render(*text);
}

Result<std::string> explain(std::string_view name) {
  const diagnosis::Reason* reason = diagnosis::find_reason(name);
  if (reason == nullptr) {
    return fail(ErrorCode::kNotFound, "There is no reason \"" + std::string(name) +
                                          "\". \"imageclassifier-operator explain\" lists all of them.");
  }
  std::string text = std::string(reason->name) + "\n\n  " + std::string(reason->message) + "\n";
  if (!reason->remedy.empty()) text += "  What to do: " + std::string(reason->remedy) + "\n";
  return text + "  " + outlook_text(reason->outlook) + "\n";
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
