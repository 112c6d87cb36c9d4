#pragma once

#include <string>

namespace imageclassifier {

/// A random UUID (RFC 9562, version 4), "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx". For telling things apart, not a secret:
/// the generator is seeded from the system, but can be predicted from its output. Thread safe.
std::string random_uuid();

}  // namespace imageclassifier
