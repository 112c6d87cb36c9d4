#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::model {

enum class PickleKind {
  kNone,
  kBoolean,
  kInteger,
  kFloat,      ///< the value is not kept: nothing that is read needs one
  kText,       ///< `text`
  kTuple,      ///< `items`
  kList,       ///< `items`
  kDict,       ///< `items`: key, value, key, value ...; also an OrderedDict
  kGlobal,     ///< `text`: "module name", one of the allowed
  kStorage,    ///< `items` of the persistent id: "storage", type, key, location, elements
  kTensor,     ///< `items`: the arguments of torch._utils._rebuild_tensor_v2
  kParameter,  ///< `items`: the arguments of torch._utils._rebuild_parameter
};

/// Values refer to each other by their index in Pickle::nodes: a file may make cycles and any depth.
struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  std::int64_t number = 0;
  std::string_view text{};
  std::vector<std::uint32_t> items{};
};

struct Pickle {
  std::vector<PickleNode> nodes;
  std::uint32_t root = 0;
  std::size_t size = 0;  ///< bytes up to and with STOP; others may follow

  const PickleNode& at(std::uint32_t index) const { return nodes[index]; }
};

/// Reads a pickle of protocol 2 (Python: Lib/pickletools.py) as torch.save writes it of tensors in plain containers.
/// Nothing is ever called: a pickle is a program, and only the opcodes that build such data are known. Of the names
/// that it may import only collections.OrderedDict, torch._utils._rebuild_tensor_v2 and _rebuild_parameter and the
/// storage types of torch are let through; any other is refused by name. Text points into the bytes. kInvalidArgument:
/// malformed or cut off; kUnsupported: another name, opcode or protocol; kTooLarge: more than a million values or 16
/// MiB.
Result<Pickle> read_pickle(std::span<const std::byte> bytes);

}  // namespace imageclassifier::model
