#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/metrics.hpp"
#include "operator/reconciler/image_answer.hpp"
#include "operator/reconciler/turnstile.hpp"
#include "operator/runtime/inquiries.hpp"

namespace imageclassifier::reconciler {

/// Asks registries for images, outside the reconcile workers, once for all resources that have the same question, as
/// often as a Turnstile lets it: while a registry is closed (10 s at most if it is no more than ill), its images, or
/// those with the credential that it is closed to, have what it was closed for as their answer in common.
///
/// Asked again: what is there after Options::again, what is wrong with an image after 30 s, and after ten minutes every
/// two minutes, a registry that is of no
/// help after 5 s at first, doubling up to 5 min, or when it says. Thread safe.
class ImageChecker {
 public:
  struct Options {
    std::vector<std::string> servers;  ///< that may be asked, as is_allowed() takes them
    Duration again = std::chrono::minutes(10);
    int threads = 16;
  };
  /// registry::look_up(), over the network.
  using LookUp =
      std::function<registry::Preflight(const registry::ImageReference& reference, const ImageQuestion& question,
                                        const registry::Preflight* known, std::stop_token stop)>;
  using OnChange = std::function<void(const runtime::ObjectKey&)>;

  ImageChecker(Options options, LookUp look_up, OnChange on_change, Clock& clock, MetricsRegistry& metrics);

  void start() { inquiries_.start(); }
  void stop() { inquiries_.stop(); }

  bool may_ask(const std::string& server) const { return registry::is_allowed(server, options_.servers); }
  /// As Inquiries; nothing is asked of a server that may not be. Questions for which no pod waits or fails begin at
  /// some time within Options::again: those of an operator that has just started hold up none of a new resource.
  void watch(const runtime::ObjectKey& key, const ImageQuestion& question, bool waited_for);
  void forget(const runtime::ObjectKey& key) { inquiries_.forget(key); }
  std::shared_ptr<const ImageAnswer> answer(const runtime::ObjectKey& key, const ImageQuestion& question) const;

 private:
  using Inquiries = runtime::Inquiries<ImageQuestion, ImageAnswer>;

  Inquiries::Reply ask(const ImageQuestion& question, const std::shared_ptr<const ImageAnswer>& before,
                       std::stop_token stop);
  registry::Preflight look_up(const registry::ImageReference& reference, const ImageQuestion& question,
                              const std::stop_token& stop);
  Counter& lookups(registry::Verdict verdict);

  const Options options_;
  const LookUp look_up_;
  Clock& clock_;
  MetricsRegistry& metrics_;
  Histogram& seconds_;
  Turnstile<registry::Preflight> turnstile_;
  Guarded<std::map<std::string, registry::Preflight>> resolved_;  ///< by reference, whoever asked last
  Inquiries inquiries_;
};

}  // namespace imageclassifier::reconciler
