#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::model {

struct ZipRecord {
  std::span<const std::byte> data;  ///< as it stands in the file
  bool compressed = false;          ///< then the data must be inflated first, which nothing here does
};

/// The records of a ZIP file by their names; names and data point into the file.
using ZipRecords = std::map<std::string_view, ZipRecord>;

enum class ZipChecksums { kCheck, kIgnore };

/// Reads a ZIP file of one volume by its central directory (PKWARE APPNOTE 6.3, 4.3 to 4.5; also ZIP64). Encrypted,
/// repeated, overlong or damaged records are refused with a sentence of their own, kInvalidArgument. Checksums are
/// those of records that are not compressed. Allocates in proportion to the directory; 100,000 records at most.
Result<ZipRecords> read_zip(std::span<const std::byte> file, ZipChecksums checksums = ZipChecksums::kCheck);

}  // namespace imageclassifier::model
