#pragma once

namespace imageclassifier {

/// The project's version, for example "0.1.0".
const char* build_version() noexcept;

}  // namespace imageclassifier
