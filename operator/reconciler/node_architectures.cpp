#include "operator/reconciler/node_architectures.hpp"

#include <nlohmann/json.hpp>

#include "common/log.hpp"
#include "operator/api/json_access.hpp"
#include "operator/reconciler/kinds.hpp"

namespace imageclassifier::reconciler {
namespace {

constexpr const char* kArchitecture = "kubernetes.io/arch";
constexpr Duration kAgain = std::chrono::minutes(2);
/// Kubernetes runs on fewer.
constexpr std::size_t kMost = 8;

/// Of the nodes that spec.pod.nodeSelector allows.
std::string selector_of(const api::Spec& spec) {
  std::string selector = "kubernetes.io/os=linux";
  for (const auto& [label, value] : spec.pod.node_selector) selector += "," + label + "=" + value;
  return selector;
}

std::string joined(const NodeArchitectures::Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

NodeArchitectures::NodeArchitectures(kubernetes::ApiClient& client,
                                     std::function<void(const runtime::ObjectKey&)> on_change, Clock& clock)
    : client_(client),
      inquiries_(
          1,
          [this](const std::string& selector, const std::shared_ptr<const Names>&, std::stop_token stop) {
            return ask(selector, std::move(stop));
          },
          std::move(on_change), clock) {}

void NodeArchitectures::watch(const runtime::ObjectKey& key, const api::Spec& spec) {
  const std::string selector = selector_of(spec);
  inquiries_.watch(key, selector, selector);
}

std::shared_ptr<const NodeArchitectures::Names> NodeArchitectures::answer(const runtime::ObjectKey& key,
                                                                          const api::Spec& spec) const {
  return inquiries_.answer(key, selector_of(spec));
}

NodeArchitectures::Inquiries::Reply NodeArchitectures::ask(const std::string& selector, std::stop_token stop) {
  Names names;
  while (names.size() < kMost) {
    kubernetes::ListOptions options;
    options.selectors.labels = selector + "," + kArchitecture;
    // One more architecture with each request.
    if (!names.empty()) options.selectors.labels += "," + std::string(kArchitecture) + " notin (" + joined(names) + ")";
    options.content = kubernetes::Content::kMetadata;
    options.limit = 1;
    std::string found;
    const auto page = client_.list(
        nodes(), "", options,
        [&](std::string_view node) {
          const nlohmann::json object = api::parse_or_null(node);
          found = api::text_of(api::member_at(object, {"metadata", "labels"}), kArchitecture);
        },
        stop);
    if (!page) {
      log::debug("Cannot compare images with the architectures of nodes", {{"error", page.error().describe()}});
      return {Names{}, kAgain};
    }
    if (found.empty() || !names.insert(found).second) break;
  }
  return {std::move(names), kAgain};
}

}  // namespace imageclassifier::reconciler
