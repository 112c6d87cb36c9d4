#pragma once

#include <map>
#include <span>
#include <string>

#include "common/result.hpp"
#include "inference-server/model/safetensors.hpp"

namespace imageclassifier::model {

/// The member of a file's metadata with the checksums of all else in it: {"tensors": {NAME: CHECKSUM}, "manifest":
/// {MEMBER: CHECKSUM}}, each XXH3 in 64 bits as 16 hex digits. It finds what disks, memory and copies damage, as fast
/// as the memory is read; against those who mean harm there is the file's SHA-256. A file without it is not checked.
inline constexpr char kChecksums[] = "checksums";

using Metadata = std::map<std::string, std::string>;

std::string make_checksums(std::span<const FileTensor> tensors, const Metadata& metadata);

/// Reads every tensor. kInvalidArgument names the first that is not as it was written.
Result<void> check_tensors(const Safetensors& file);

/// Whether a member of the manifest is as it was written, which one that nobody has written or noted is, too.
/// kInvalidArgument: the checksums themselves are none.
Result<bool> is_intact(const Metadata& metadata, const std::string& member);
/// kInvalidArgument names the first member, but `except`, that is not as it was written.
Result<void> check_members(const Metadata& metadata, const std::string& except);

}  // namespace imageclassifier::model
