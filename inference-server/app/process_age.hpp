#pragma once

#include "common/clock.hpp"

namespace imageclassifier::app {

/// How long ago the operating system started this process, loading its libraries included, in steps of 10 ms; zero
/// where /proc does not tell.
Duration process_age();

}  // namespace imageclassifier::app
