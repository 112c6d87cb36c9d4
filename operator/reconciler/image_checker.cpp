#include "operator/reconciler/image_checker.hpp"

#include <algorithm>
#include <utility>

namespace imageclassifier::reconciler {
namespace {

using registry::Preflight;
using registry::Verdict;

/// Images whose content need not be sent again; beyond that many they are forgotten.
constexpr std::size_t kRemembered = 8192;
/// Of one that gives no answer: whatever made it so may concern one image alone.
constexpr Duration kLongestClosed = std::chrono::seconds(10);
constexpr Duration kRejectedAgain = std::chrono::seconds(30);
/// What nobody has mended for ten minutes.
constexpr Duration kRejectedLong = std::chrono::minutes(2);
constexpr int kSoon = 20;
constexpr Duration kFirstRetry = std::chrono::seconds(5);
constexpr Duration kLastRetry = std::chrono::minutes(5);

/// The registry has said something about the image, or about who asks.
bool is_answer(Verdict verdict) {
  switch (verdict) {
    case Verdict::kResolved:
    case Verdict::kManifestUnknown:
    case Verdict::kNotAnImage:
    case Verdict::kDigestMismatch:
    case Verdict::kCredentialMissing:
    case Verdict::kCredentialRefused:
    case Verdict::kInsufficientScope:
      return true;
    default:
      return false;
  }
}

Duration part_of(Duration wait, const std::string& id) {
  const auto share = static_cast<Duration::rep>(std::hash<std::string>()(id) % 1000);
  return wait / 1000 * share;
}

}  // namespace

ImageChecker::ImageChecker(Options options, LookUp look_up, OnChange on_change, Clock& clock, MetricsRegistry& metrics)
    : options_(std::move(options)),
      look_up_(std::move(look_up)),
      clock_(clock),
      metrics_(metrics),
      seconds_(metrics.histogram("imageclassifier_preflight_duration_seconds",
                                 "How long it took to look an image up in its registry.",
                                 {0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30})),
      turnstile_(Pace{}, clock),
      inquiries_(
          options_.threads,
          [this](const ImageQuestion& question, const std::shared_ptr<const ImageAnswer>& before,
                 std::stop_token stop) { return ask(question, before, std::move(stop)); },
          std::move(on_change), clock) {
  for (auto verdict = Verdict::kResolved; verdict <= Verdict::kAnswerInvalid;
       verdict = static_cast<Verdict>(static_cast<int>(verdict) + 1)) {
    lookups(verdict);
  }
}

void ImageChecker::watch(const runtime::ObjectKey& key, const ImageQuestion& question, bool waited_for) {
  if (!may_ask(question.reference.server)) return;
  const std::string id = question.id();
  // The pods have been pinned to what was found.
  const auto still = [&](ImageQuestion before, const ImageAnswer& answer) {
    before.pinned = question.pinned;
    return answer.named.verdict == Verdict::kResolved && answer.named.digest == question.pinned && before.id() == id;
  };
  inquiries_.watch(key, id, question, waited_for ? Duration::zero() : part_of(options_.again, id), still);
}

std::shared_ptr<const ImageAnswer> ImageChecker::answer(const runtime::ObjectKey& key,
                                                        const ImageQuestion& question) const {
  return inquiries_.answer(key, question.id());
}

ImageChecker::Inquiries::Reply ImageChecker::ask(const ImageQuestion& question,
                                                 const std::shared_ptr<const ImageAnswer>& before,
                                                 std::stop_token stop) {
  const std::string& server = question.reference.server;
  const std::string credential = question.credential_id();
  ImageAnswer answer;
  const auto turn = turnstile_.enter(server, credential, before != nullptr);
  if (!turn.pass) {
    // Who has an answer keeps it.
    if (before || !turn.why) return {std::nullopt, turn.wait};
    answer.named = *turn.why;
    return {std::move(answer), turn.wait};
  }
  answer.named = look_up(question.reference, question, stop);
  const bool vanished = !question.pinned.empty() && is_answer(answer.named.verdict) &&
                        (answer.named.verdict != Verdict::kResolved || answer.named.digest != question.pinned);
  if (vanished) {
    registry::ImageReference pinned = question.reference;
    pinned.digest = question.pinned;
    answer.pinned = look_up(pinned, question, stop);
  }
  const Verdict verdict = answer.named.verdict;
  if (verdict == Verdict::kResolved || verdict == Verdict::kCredentialMissing) {
    return {std::move(answer), std::min(options_.again, question.again.value_or(options_.again))};
  }
  answer.failures = before ? before->failures + 1 : 1;
  if (is_answer(verdict)) {
    return {std::move(answer), std::min(options_.again, answer.failures <= kSoon ? kRejectedAgain : kRejectedLong)};
  }
  const Duration usual = std::min(kLastRetry, kFirstRetry * (1 << std::min(answer.failures - 1, 10)));
  const Duration pause = std::max<Duration>(usual, answer.named.retry_after);
  const Duration closed = verdict == Verdict::kThrottled ? pause : std::min(pause, kLongestClosed);
  if (answer.named.silent) {
    turnstile_.close(server, answer.named, closed);
  } else if (verdict == Verdict::kUnavailable || verdict == Verdict::kThrottled) {
    turnstile_.close_to(server, credential, answer.named, closed);
  }
  return {std::move(answer), pause};
}

Preflight ImageChecker::look_up(const registry::ImageReference& reference, const ImageQuestion& question,
                                const std::stop_token& stop) {
  const SteadyTime begin = clock_.steady_now();
  const std::string name = reference.server + "/" + reference.repository +
                           (reference.digest.empty() ? ":" + reference.tag : "@" + reference.digest);
  std::optional<Preflight> known;
  {
    const auto resolved = resolved_.lock();
    if (const auto entry = resolved->find(name); entry != resolved->end()) known = entry->second;
  }
  Preflight found = look_up_(reference, question, known ? &*known : nullptr, stop);
  if (found.verdict == Verdict::kResolved && found != known) {
    auto resolved = resolved_.lock();
    if (resolved->size() >= kRemembered) resolved->clear();
    (*resolved)[name] = found;
  }
  seconds_.observe(std::chrono::duration<double>(clock_.steady_now() - begin).count());
  lookups(found.verdict).increment();
  return found;
}

Counter& ImageChecker::lookups(Verdict verdict) {
  return metrics_.counter("imageclassifier_preflight_total",
                          "Images looked up in their registries, by what came of it.",
                          {{"result", to_string(verdict)}});
}

}  // namespace imageclassifier::reconciler
