#include "common/build_info.hpp"

namespace imageclassifier {

const char* build_version() noexcept {
  return IC_VERSION;
}

}  // namespace imageclassifier
