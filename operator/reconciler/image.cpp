#include "operator/reconciler/image.hpp"

#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using diagnosis::make_finding;
using diagnosis::Outlook;
using registry::Preflight;
using registry::Verdict;

std::string digest_of(std::initializer_list<std::string_view> texts) {
  Sha256 digest;
  for (const std::string_view text : texts) {
    digest.update(std::to_string(text.size()) + ":");
    digest.update(text);
  }
  return digest.hex_digest();
}

/// What the Deployment says of its image.
struct Deployed {
  std::string pinned;    ///< ImageClassifier::pinned_image
  bool by_name = false;  ///< pods run spec.image as it is written, and some are up
};

Deployed deployed(const Observed& observed) {
  const api::Deployment* deployment = observed.deployment.get();
  if (deployment == nullptr || deployment->metadata.owner_uid != observed.classifier.metadata.uid) return {};
  const nlohmann::json owned = api::parse_or_null(deployment->owned.text());
  Deployed found;
  const bool pins = observed.classifier.spec.image_check.pin;
  if (pins) found.pinned = api::text_of(api::member_at(owned, {"metadata", "annotations"}), api::kPinnedAnnotation);
  for (const auto& container : api::member_at(owned, {"spec", "template", "spec", "containers"})) {
    const bool server = api::text_of(container, "name") == resources::kContainerName;
    if (server) found.by_name = api::text_of(container, "image") == observed.classifier.spec.image;
  }
  found.by_name = found.by_name && deployment->available_replicas > 0;
  return found;
}

/// The digest, if that is what spec.image is pinned to.
std::string kept_digest(const std::string& pinned, const std::string& image) {
  return pinned.starts_with(image + "@") ? pinned.substr(image.size() + 1) : std::string();
}

/// Why an image is not known, and what to do about that.
struct Obstacle {
  std::string why;
  std::string advice;
};

constexpr const char* kCheckTheWay =
    "check DNS (the zone of a private endpoint must be linked to the cluster's network), routes and firewalls between "
    "the operator and the registry; it is asked again by itself.";

/// Of verdicts that say nothing about the image.
Obstacle obstacle(const Preflight& found, const std::string& server) {
  switch (found.verdict) {
    case Verdict::kCredentialMissing:
      return {"it answers nobody without a credential, and that of the nodes is not the operator's",
              "set another member of spec.registry.auth than nodeIdentity."};
    case Verdict::kForbidden:
      return {"it, or a firewall in front of it, forbids the operator to ask (" + found.detail + ")",
              "allow the cluster's network in the registry's firewall, or check the private endpoint's DNS."};
    case Verdict::kThrottled:
      return {"it was asked too often (HTTP status 429)",
              "wait, or use a larger registry tier; it is asked again by itself."};
    case Verdict::kUntrusted:
      return {"the operator does not trust the certificate of " + (found.detail.empty() ? server : found.detail),
              "name its authority in spec.registry.caBundle, or give the registry a valid certificate."};
    case Verdict::kCertificateOutOfTime:
      return {"the operator cannot trust the certificate of " + found.detail,
              "set the clock of the operator's node, for example by NTP; if that is right, have the certificate "
              "renewed."};
    case Verdict::kAddressRefused:
      return {found.detail, "correct the DNS entry, for example in the private DNS zone of the private endpoint."};
    case Verdict::kServerNotAllowed:
      return {"it names " + found.detail + " as its token server, which the operator may not ask",
              "have that added to the chart's value registry.servers if it is to be trusted."};
    case Verdict::kUnavailable:
      return {found.detail, kCheckTheWay};
    default:
      return {found.detail.empty() ? "its answer cannot be understood" : found.detail,
              "check that spec.image names a registry, and that no proxy answers in its place."};
  }
}

Finding inconclusive(const std::string& server, const std::string& image, const Obstacle& obstacle) {
  return make_finding("Inconclusive",
                      {{"server", server}, {"image", image}, {"detail", obstacle.why}, {"advice", obstacle.advice}});
}

/// Of a verdict against the image; nothing for all others.
std::optional<Finding> rejection(const Preflight& found, const Observed& observed,
                                 const CredentialAssessment& credential) {
  const std::string& image = observed.classifier.spec.image;
  const std::string& server = credential.server;
  switch (found.verdict) {
    case Verdict::kManifestUnknown:
      return make_finding("ManifestUnknown", {{"server", server}, {"image", image}});
    case Verdict::kNotAnImage:
      return make_finding("NotAnImage", {{"server", server}, {"image", image}});
    case Verdict::kDigestMismatch:
      return make_finding("DigestMismatch", {{"server", server}, {"image", image}});
    case Verdict::kCredentialRefused:
      if (api::is_minted(observed.classifier.spec.auth))
        return make_finding("MintedCredentialRefused",
                            {{"server", server}, {"image", image}, {"source", credential.source}});
      return make_finding("CredentialRefused", {{"server", server}, {"image", image}, {"source", credential.source}});
    case Verdict::kInsufficientScope:
      return make_finding("InsufficientScope", {{"server", server}, {"image", image}});
    default:
      return std::nullopt;
  }
}

std::string in_words(const std::vector<registry::Platform>& platforms) {
  std::string text;
  for (const auto& platform : platforms) text += (text.empty() ? "" : ", ") + to_string(platform);
  return text.empty() ? "a platform that it does not tell" : text;
}

/// Nothing: there are nodes for it among those that its pods may use, or nobody knows.
std::optional<Finding> platform_mismatch(const Preflight& found, const Observed& observed) {
  const api::Spec& spec = observed.classifier.spec;
  const auto& architectures = observed.image.architectures;
  if (!found.platforms || found.platforms->empty() || !architectures || architectures->empty()) return std::nullopt;
  // It may leave out some of the nodes.
  if (spec.pod.affinity_json.find("nodeAffinity") != std::string::npos) return std::nullopt;
  for (const registry::Platform& platform : *found.platforms) {
    if (platform.os == "linux" && architectures->contains(platform.architecture)) return std::nullopt;
  }
  std::string nodes;
  for (const std::string& each : *architectures) nodes += (nodes.empty() ? "linux/" : ", linux/") + each;
  Finding finding = make_finding("PlatformMismatch", {{"image", spec.image}});
  finding.message +=
      " It is built for " + in_words(*found.platforms) + "; the nodes that it may run on are " + nodes + ".";
  return finding;
}

/// An operator that has just started, and has not asked yet, does not doubt what was told before.
bool remember(ImageAssessment& assessment, const Observed& observed) {
  const api::Status& before = observed.classifier.status;
  const api::Condition* condition = api::find_condition(before.conditions, "ImageResolved");
  if (condition == nullptr || !before.image || before.image->requested != observed.classifier.spec.image) return false;
  const diagnosis::Reason* reason = diagnosis::find_reason(condition->reason);
  if (reason == nullptr || reason->outlook == Outlook::kWaiting) return false;
  assessment.status = condition->status;
  assessment.finding = diagnosis::as_told(make_finding(reason->name), *condition);
  assessment.platforms = before.image->platforms;
  assessment.tag_digest = before.image->tag_digest;
  return true;
}

void reject(ImageAssessment& assessment, Finding why, const Observed& observed, const std::string& kept) {
  assessment.status = "False";
  assessment.finding = std::move(why);
  assessment.rejected = true;
  assessment.may_start = observed.classifier.spec.image_check.mode != api::ImageCheck::Mode::kEnforce || !kept.empty();
}

void judge_name(ImageAssessment& assessment, const Observed& observed, const CredentialAssessment& credential,
                const Deployed& deployed) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::string& image = classifier.spec.image;
  const std::string& digest = observed.image.answer->named.digest;
  const std::string kept = kept_digest(deployed.pinned, image);
  const bool by_digest = image.find('@') != std::string::npos;
  const bool wanted = kept.empty() || kept == digest || classifier.spec.image_check.tag_refresh.has_value();
  const auto mismatch = wanted ? platform_mismatch(observed.image.answer->named, observed) : std::nullopt;
  const bool follows = wanted && (kept.empty() || !mismatch);
  assessment.status = "True";
  // What was started by name, when nobody could be asked, is not exchanged for the same by digest.
  const bool stays = kept.empty() && deployed.by_name && !classifier.spec.image_check.tag_refresh;
  const bool pinned = classifier.spec.image_check.pin && !by_digest && !stays;
  // Of pods that run by name their nodes tell.
  if (pinned || by_digest) assessment.digest = follows ? digest : kept;
  assessment.pinned = pinned ? image + "@" + assessment.digest : std::string();
  if (pinned && !follows && kept != digest) assessment.tag_digest = digest;
  if (mismatch) return reject(assessment, *mismatch, observed, kept);
  if (!assessment.tag_digest.empty()) {
    assessment.finding = make_finding("TagMoved", {{"image", image}});
    return;
  }
  const std::string platforms = found_for(observed.image);
  assessment.finding =
      by_digest
          ? make_finding("DigestGiven", {{"server", credential.server}, {"image", image}, {"platforms", platforms}})
          : make_finding("Resolved", {{"server", credential.server}, {"image", image}, {"platforms", platforms}});
}

void judge(ImageAssessment& assessment, const Observed& observed, const CredentialAssessment& credential,
           const Deployed& deployed) {
  const ImageAnswer& answer = *observed.image.answer;
  const std::string& image = observed.classifier.spec.image;
  const std::string kept = kept_digest(deployed.pinned, image);
  const auto platforms_of = [&](const Preflight& found) {
    for (const auto& platform : found.platforms.value_or(std::vector<registry::Platform>{}))
      assessment.platforms.push_back(to_string(platform));
  };
  if (answer.named.verdict == Verdict::kResolved) {
    judge_name(assessment, observed, credential, deployed);
    // Of what the pods run.
    if (assessment.tag_digest.empty()) platforms_of(answer.named);
    if (!assessment.tag_digest.empty() && answer.pinned) platforms_of(*answer.pinned);
  }
  if (answer.pinned && answer.pinned->verdict == Verdict::kResolved && answer.named.verdict != Verdict::kResolved) {
    // Somebody has removed the tag; the pods do not need it.
    platforms_of(*answer.pinned);
    assessment.status = "True";
    assessment.finding = make_finding("TagRemoved", {{"server", credential.server}, {"image", image}});
    return;
  }
  if (answer.pinned && answer.pinned->verdict == Verdict::kManifestUnknown && assessment.pinned == deployed.pinned) {
    assessment.status = "False";
    assessment.finding = make_finding("PinnedDigestMissing", {{"server", credential.server}, {"image", image}});
    assessment.rejected = true;
    return;
  }
  if (answer.named.verdict == Verdict::kResolved) return;
  assessment.pinned = kept.empty() ? std::string() : deployed.pinned;
  if (auto rejected = rejection(answer.named, observed, credential)) {
    return reject(assessment, std::move(*rejected), observed, kept);
  }
  assessment.status = "Unknown";
  assessment.finding = inconclusive(credential.server, image, obstacle(answer.named, credential.server));
}

}  // namespace

std::string ImageQuestion::id() const {
  return digest_of({reference.server, reference.repository, reference.tag, reference.digest, pinned, authorities,
                    std::to_string(again.value_or(Duration::zero()).count()), credential_id()});
}

std::string ImageQuestion::credential_id() const {
  if (!credential) return {};
  return digest_of({credential->username.reveal(), credential->password.reveal()});
}

std::optional<ImageQuestion> image_question(const Observed& observed, const CredentialAssessment& credential) {
  const api::Spec& spec = observed.classifier.spec;
  if (spec.image_check.mode == api::ImageCheck::Mode::kOff || !observed.image.allowed || !credential.usable ||
      !observed.image.missing_bundle.empty()) {
    return std::nullopt;
  }
  auto reference = registry::parse_image_reference(spec.image);
  if (!reference) return std::nullopt;
  ImageQuestion question;
  question.reference = std::move(*reference);
  question.credential = credential.credential;
  question.authorities = observed.image.authorities;
  question.pinned = kept_digest(deployed(observed).pinned, spec.image);
  question.again = spec.image_check.tag_refresh;
  return question;
}

std::string found_for(const ImageLookup& lookup) {
  if (!lookup.answer || lookup.answer->named.verdict != Verdict::kResolved) return {};
  return in_words(lookup.answer->named.platforms.value_or(std::vector<registry::Platform>{}));
}

Finding resolved_not_run(const Observed& observed, const CredentialAssessment& credential, const std::string& digest,
                         const std::string& running) {
  return make_finding("ResolvedNotRun", {{"server", credential.server},
                                         {"image", observed.classifier.spec.image},
                                         {"digest", digest},
                                         {"running", running}});
}

ImageAssessment assess_image(const Observed& observed, const CredentialAssessment& credential) {
  const api::Spec& spec = observed.classifier.spec;
  ImageAssessment assessment;
  if (const auto reference = registry::parse_image_reference(spec.image); !reference) {
    assessment.status = "False";
    assessment.finding = make_finding("InvalidReference", {{"detail", reference.error().message}});
    return assessment;
  }
  if (spec.image_check.mode == api::ImageCheck::Mode::kOff) {
    assessment.finding = make_finding("Skipped");
    return assessment;
  }
  const Deployed now = deployed(observed);
  const std::string kept = kept_digest(now.pinned, spec.image);
  assessment.pinned = now.pinned;
  assessment.digest = kept;
  if (!observed.image.allowed) {
    assessment.finding = make_finding("ServerNotAllowed", {{"server", credential.server}});
    if (kept.empty()) assessment.pinned.clear();
    return assessment;
  }
  if (!credential.usable || !observed.image.missing_bundle.empty()) {
    assessment.finding =
        credential.usable ? inconclusive(credential.server, spec.image,
                                         {observed.image.missing_bundle,
                                          "correct spec.registry.caBundle; it is looked at again within 30 seconds."})
                          : make_finding("ImageNotAsked", {{"server", credential.server}, {"image", spec.image}});
    if (kept.empty()) assessment.pinned.clear();
  } else if (observed.image.answer && (observed.image.architectures || observed.image.asks_nobody)) {
    judge(assessment, observed, credential, now);
  } else {
    assessment.may_start = !kept.empty() || now.by_name || observed.image.asks_nobody;
    const bool remembered = remember(assessment, observed);
    if (!remembered || (!assessment.may_start && assessment.finding.reason->outlook == Outlook::kGood)) {
      assessment.status = "Unknown";
      assessment.finding = make_finding("CheckingImage", {{"server", credential.server}});
    }
  }
  return assessment;
}

}  // namespace imageclassifier::reconciler
