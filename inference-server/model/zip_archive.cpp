#include "inference-server/model/zip_archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace imageclassifier::model {
namespace {

constexpr std::uint64_t kMaxRecords = 100'000;
constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::size_t kDirectoryHeaderBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kZip64EndBytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::uint64_t kInExtraField = 0xFFFFFFFF;

tl::unexpected<Error> refuse(const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "not a usable ZIP archive: " + why);
}

/// Little-endian numbers at given places; nothing is read outside.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  std::uint64_t number(std::uint64_t offset, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = (value << 8) | std::to_integer<std::uint64_t>(bytes_[offset + i]);
    return value;
  }
  bool starts(std::uint64_t offset, std::uint32_t signature, std::size_t header) const {
    return has(offset, header) && number(offset, 4) == signature;
  }
  std::string_view text(std::uint64_t offset, std::size_t size) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + offset, size};
  }
  std::span<const std::byte> part(std::uint64_t offset, std::uint64_t size) const {
    return bytes_.subspan(offset, size);
  }
  std::uint64_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

struct Directory {
  std::uint64_t records = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
};

std::optional<std::uint64_t> find_end(const Bytes& file) {
  constexpr std::uint64_t kMaxComment = 0xFFFF;
  if (file.size() < kEndBytes) return std::nullopt;
  const std::uint64_t last = file.size() - kEndBytes;
  for (std::uint64_t comment = 0; comment <= std::min(last, kMaxComment); ++comment) {
    const std::uint64_t at = last - comment;
    if (file.number(at, 4) == kEnd && file.number(at + 20, 2) == comment) return at;
  }
  return std::nullopt;
}

Result<Directory> find_directory(const Bytes& file) {
  const auto end = find_end(file);
  if (!end) return refuse("its end record is missing (is it cut off?)");
  Directory directory{file.number(*end + 10, 2), file.number(*end + 12, 4), file.number(*end + 16, 4)};
  std::uint64_t disks = file.number(*end + 4, 2) | file.number(*end + 6, 2);
  std::uint64_t behind = *end;
  if (*end >= kLocatorBytes && file.number(*end - kLocatorBytes, 4) == kZip64Locator) {
    const std::uint64_t zip64 = file.number(*end - kLocatorBytes + 8, 8);
    if (!file.starts(zip64, kZip64End, kZip64EndBytes)) return refuse("its ZIP64 end record is missing");
    directory = {file.number(zip64 + 32, 8), file.number(zip64 + 40, 8), file.number(zip64 + 48, 8)};
    disks = file.number(zip64 + 16, 4) | file.number(zip64 + 20, 4);
    behind = zip64;
  }
  if (disks != 0) return refuse("it has several volumes");
  if (directory.offset > behind || directory.size > behind - directory.offset) {
    return refuse("its directory lies outside of the file");
  }
  if (directory.records > kMaxRecords) return refuse("it has more than 100,000 records");
  return directory;
}

struct Record {
  std::string_view name;
  std::uint64_t method = 0;
  std::uint64_t flags = 0;
  std::uint32_t checksum = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t header = 0;  ///< where its local header begins
  std::uint64_t entry_bytes = 0;
};

/// Sizes that do not fit into 32 bits stand in the extra field 1, in this order, only those.
bool read_zip64_sizes(const Bytes& extra, Record& record) {
  for (std::uint64_t at = 0; extra.has(at, 4);) {
    const std::uint64_t size = extra.number(at + 2, 2);
    if (!extra.has(at + 4, size)) return false;
    if (extra.number(at, 2) == 1) {
      std::uint64_t value = at + 4;
      const std::uint64_t end = value + size;
      for (std::uint64_t* const field : {&record.size, &record.packed_size, &record.header}) {
        if (*field != kInExtraField) continue;
        if (value + 8 > end) return false;
        *field = extra.number(value, 8);
        value += 8;
      }
      return true;
    }
    at += 4 + size;
  }
  return record.size != kInExtraField && record.packed_size != kInExtraField && record.header != kInExtraField;
}

Result<Record> read_entry(const Bytes& directory, std::uint64_t at) {
  if (!directory.starts(at, kDirectoryHeader, kDirectoryHeaderBytes)) return refuse("its directory is damaged");
  const auto name = static_cast<std::size_t>(directory.number(at + 28, 2));
  const std::uint64_t extra = directory.number(at + 30, 2);
  const std::uint64_t comment = directory.number(at + 32, 2);
  Record record;
  record.entry_bytes = kDirectoryHeaderBytes + name + extra + comment;
  if (!directory.has(at, record.entry_bytes)) return refuse("its directory is damaged");
  record.name = directory.text(at + kDirectoryHeaderBytes, name);
  record.flags = directory.number(at + 8, 2);
  record.method = directory.number(at + 10, 2);
  record.checksum = static_cast<std::uint32_t>(directory.number(at + 16, 4));
  record.packed_size = directory.number(at + 20, 4);
  record.size = directory.number(at + 24, 4);
  record.header = directory.number(at + 42, 4);
  if (!read_zip64_sizes(Bytes(directory.part(at + kDirectoryHeaderBytes + name, extra)), record)) {
    return refuse("the record " + std::string(record.name) + " has an extra field that is damaged");
  }
  return record;
}

std::uint32_t checksum_of(std::span<const std::byte> data) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

Result<ZipRecord> read_data(const Bytes& file, const Record& record, ZipChecksums checksums) {
  const std::string name = "the record " + std::string(record.name);
  if ((record.flags & 1) != 0) return refuse(name + " is encrypted");
  const bool compressed = record.method != 0;
  if (!compressed && record.packed_size != record.size) return refuse(name + " has two sizes");
  if (!file.starts(record.header, kLocalHeader, kLocalHeaderBytes)) return refuse(name + " has no header");
  const auto name_bytes = static_cast<std::size_t>(file.number(record.header + 26, 2));
  const std::uint64_t begin = record.header + kLocalHeaderBytes + name_bytes + file.number(record.header + 28, 2);
  if (!file.has(begin, record.packed_size)) return refuse(name + " ends behind the end of the file");
  if (file.text(record.header + kLocalHeaderBytes, name_bytes) != record.name) {
    return refuse(name + " has another name in its header");
  }
  const ZipRecord read{file.part(begin, record.packed_size), compressed};
  if (!compressed && checksums == ZipChecksums::kCheck && checksum_of(read.data) != record.checksum) {
    return refuse(name + " is damaged: its checksum differs");
  }
  return read;
}

}  // namespace

Result<ZipRecords> read_zip(std::span<const std::byte> file, ZipChecksums checksums) {
  const Bytes bytes(file);
  const auto directory = find_directory(bytes);
  if (!directory) return tl::unexpected(directory.error());
  const Bytes entries(bytes.part(directory->offset, directory->size));
  ZipRecords records;
  std::uint64_t at = 0;
  for (std::uint64_t n = 0; n < directory->records; ++n) {
    const auto record = read_entry(entries, at);
    if (!record) return tl::unexpected(record.error());
    const auto data = read_data(bytes, *record, checksums);
    if (!data) return tl::unexpected(data.error());
    if (!records.emplace(record->name, *data).second) {
      return refuse("the record " + std::string(record->name) + " appears twice");
    }
    at += record->entry_bytes;
  }
  return records;
}

}  // namespace imageclassifier::model
