#pragma once

#include <string_view>

namespace imageclassifier {

/// Who an object of the API server is: views into it. `owner_uid` is the uid of the owner with controller: true, or
/// empty.
struct ObjectIdentity {
  std::string_view namespace_name;
  std::string_view name;
  std::string_view uid;
  std::string_view resource_version;
  std::string_view owner_uid;
};

}  // namespace imageclassifier
