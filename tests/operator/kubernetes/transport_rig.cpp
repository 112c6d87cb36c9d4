#include "tests/operator/kubernetes/transport_rig.hpp"

namespace imageclassifier::testing {
namespace {

#ifndef __SANITIZE_THREAD__
[[maybe_unused]] const bool kPrepared = (kubernetes::initialize_cpprest_process(), true);
#endif

}  // namespace

const TestAuthority& cluster_authority() {
  static const TestAuthority authority("cluster");
  return authority;
}

}  // namespace imageclassifier::testing
