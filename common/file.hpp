#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"

namespace imageclassifier {

/// The content of a file (also of a pipe or of standard input as "/dev/stdin"). The message of an error names the path
/// and the cause: kNotFound for a file that is not there or may not be read, kInvalidArgument for a folder, kTooLarge
/// beyond `max_bytes`.
Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes);

/// The same of a regular file, for what is read again and again: a pipe, which would be waited for without end, is
/// kInvalidArgument.
Result<std::string> read_regular_file(const std::string& path, std::uint64_t max_bytes);

}  // namespace imageclassifier
