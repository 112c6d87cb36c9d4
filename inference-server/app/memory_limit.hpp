#pragma once

#include <cstdint>
#include <string>

namespace imageclassifier::app {

/// Bytes that this process's container may use (memory.max of its cgroup, version 2); the largest number if there is no
/// limit.
std::uint64_t memory_limit(const std::string& file = "/sys/fs/cgroup/memory.max");

/// What decoding one picture may take beside a model in a container of so many bytes: an eighth, within 32 and 256 MiB.
std::uint64_t picture_memory(std::uint64_t container);

/// Makes malloc give blocks of some megabytes back to the system as soon as they are freed. By itself it keeps some
/// tens of megabytes for each thread that ever decoded a large picture. Call before other threads run.
void give_large_blocks_back();

}  // namespace imageclassifier::app
