#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"

namespace testing_types {

/// The least that a store accepts, and one field.
struct Thing {
  struct Metadata {
    std::string namespace_name, name, uid, resource_version, owner_uid;
  } metadata;
  std::string value;
};

inline std::shared_ptr<const Thing> make_thing(const std::string& name, const std::string& version,
                                               const std::string& uid = "uid", const std::string& owner = "") {
  return std::make_shared<const Thing>(Thing{{"ns", name, uid, version, owner}, ""});
}

}  // namespace testing_types
