#pragma once

#include <string>
#include <string_view>

#include "operator/resources/manifest.hpp"

namespace imageclassifier::resources {

/// A JSON patch (RFC 6902) for where an apply is refused because it leaves what others have put beside ours: a second
/// port called "http", `valueFrom` beside `value`, `minAvailable` beside `maxUnavailable`. It brings in the whole
/// manifest, our list entries and unions without their foreign members; other containers, volumes, annotations and the
/// node port stay. What the manifest no longer names stays too, so that an apply has to follow.
///
/// `observed`: the object as the API server has it; a patch of an older version is refused (409). Empty: nothing to
/// mend.
std::string mending_patch(const Manifest& manifest, std::string_view observed);

}  // namespace imageclassifier::resources
