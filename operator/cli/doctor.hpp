#pragma once

#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/api_client.hpp"

namespace imageclassifier::cli {

struct Verdict {
  std::string text;  ///< one screen
  bool well = false;
};

/// Looks at one ImageClassifier and all that belongs to it, with the rights of `client`, and asks its address. Changes
/// nothing. kNotFound: there is no such resource; else the errors of the client.
Result<Verdict> examine(kubernetes::ApiClient& client, const kubernetes::ObjectName& name, Clock& clock,
                        std::stop_token stop);

}  // namespace imageclassifier::cli
