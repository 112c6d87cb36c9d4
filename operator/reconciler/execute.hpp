#pragma once

#include <optional>
#include <stop_token>

#include "common/result.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/runtime/write_barrier.hpp"

namespace imageclassifier::reconciler {

/// Does one action. Thread safe; references must outlive it.
///
/// Every action is safe to repeat and to be killed in: a creation that happened already is recognised by its owner, an
/// apply carries the uid and so neither adopts nor resurrects.
class Executor {
 public:
  Executor(kubernetes::ApiClient& client, runtime::WriteBarrier& barrier) : client_(client), barrier_(barrier) {}

  /// Nothing: done. A finding: the server refuses, and will until something changes. An error: observe again and retry.
  Result<std::optional<diagnosis::Finding>> run(const Action& action, const api::ImageClassifier& owner,
                                                std::stop_token stop);

 private:
  using Done = Result<std::optional<diagnosis::Finding>>;

  Done create(const Action& action, const api::ImageClassifier& owner, std::stop_token stop);
  Done apply(const Action& action, const api::ImageClassifier& owner, const kubernetes::ApplyOptions& options,
             std::stop_token stop);
  /// After a refused apply: takes away what others have put into fields of ours that hold one thing only. False:
  /// nothing to take away, or that is refused as well.
  Result<bool> mend(const Action& action, const api::ImageClassifier& owner, std::stop_token stop);
  Done take_manager(const Action& action, const api::ImageClassifier& owner, std::stop_token stop);
  Done remove(const Action& action, std::stop_token stop);
  /// An object of the name is there: ours (then brought into shape) or foreign.
  Done meet_existing(const Action& action, const api::ImageClassifier& owner, std::stop_token stop);
  /// Turns our Update entry in the object's managedFields, if there is one, into an Apply entry; beside one, it goes.
  Done convert(const Action& action, const api::ImageClassifier& owner, const std::string& object,
               std::stop_token stop);
  void record(const Action& action, const api::ImageClassifier& owner, const std::string& resource_version);

  kubernetes::ApiClient& client_;
  runtime::WriteBarrier& barrier_;
};

}  // namespace imageclassifier::reconciler
