#pragma once

#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "operator/registry/mint.hpp"

namespace imageclassifier::app {

/// Asks the metadata service at `url` (registry::Settings::imds), through no proxy; waits five seconds. Thread safe;
/// `clock` must outlive it.
registry::AskMetadata ask_metadata(const std::string& url, Clock& clock, std::stop_token stop);

}  // namespace imageclassifier::app
