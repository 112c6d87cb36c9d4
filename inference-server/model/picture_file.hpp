#pragma once

#include <string>

#include "common/result.hpp"
#include "inference-server/preprocess/preprocess.hpp"

namespace imageclassifier::model {

/// The network's input of a picture file on the disk, as an upload of it is prepared. Messages do not name the path,
/// which callers show in their own way. kInvalidArgument: no regular file, or no picture; kNotFound; kTooLarge: more
/// than 256 MiB.
Result<preprocess::Input> read_picture_file(const std::string& path, const preprocess::TransformSpec& transform);

}  // namespace imageclassifier::model
