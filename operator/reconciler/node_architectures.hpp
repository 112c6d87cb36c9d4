#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/runtime/inquiries.hpp"

namespace imageclassifier::reconciler {

/// Which processor architectures the Linux nodes have that spec.pod.nodeSelector lets pods run on, by the well-known
/// label kubernetes.io/arch ("amd64", "arm64"). Asked of the API server outside the reconcile workers, once for all
/// resources with the same selector, again every two minutes, with one object in each answer however many nodes there
/// are. Thread safe; references must outlive it.
class NodeArchitectures {
 public:
  /// Empty: there is no such node now, or nobody may ask; nothing follows from that.
  using Names = std::set<std::string>;

  NodeArchitectures(kubernetes::ApiClient& client, std::function<void(const runtime::ObjectKey&)> on_change,
                    Clock& clock);

  void start() { inquiries_.start(); }
  void stop() { inquiries_.stop(); }

  /// As Inquiries.
  void watch(const runtime::ObjectKey& key, const api::Spec& spec);
  void forget(const runtime::ObjectKey& key) { inquiries_.forget(key); }
  std::shared_ptr<const Names> answer(const runtime::ObjectKey& key, const api::Spec& spec) const;

 private:
  using Inquiries = runtime::Inquiries<std::string, Names>;
  Inquiries::Reply ask(const std::string& selector, std::stop_token stop);

  kubernetes::ApiClient& client_;
  Inquiries inquiries_;
};

}  // namespace imageclassifier::reconciler
