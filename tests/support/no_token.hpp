#pragma once

#include "operator/kubernetes/token_source.hpp"

namespace imageclassifier::testing {

/// For clients that need no credential.
class NoToken final : public kubernetes::TokenSource {
 public:
  Result<Secret> token() override { return Secret(); }
  bool reject(const Secret&, SteadyTime) override { return false; }
};

}  // namespace imageclassifier::testing
