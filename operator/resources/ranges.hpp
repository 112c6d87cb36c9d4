#pragma once

#include <string>
#include <vector>

namespace imageclassifier::resources {

/// The networks from which callers come who are let in by both lists, as CIDR, IPv4 or IPv6; an empty list lets in
/// everybody. `second` if they have none in common: an empty list could not say so. What is no network is left out.
std::vector<std::string> common_ranges(const std::vector<std::string>& first, const std::vector<std::string>& second);

}  // namespace imageclassifier::resources
