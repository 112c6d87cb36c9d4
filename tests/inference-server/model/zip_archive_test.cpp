#include "inference-server/model/zip_archive.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;

namespace {

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

/// An archive with one stored record "r/a"; each member is a place where a file may lie.
struct Archive {
  std::string name = "r/a";
  std::string local_name = "r/a";
  std::string data = "abc";
  std::uint64_t flags = 0x808;
  std::uint64_t method = 0;
  std::uint64_t checksum = 0x352441C2;  // of "abc"
  std::uint64_t packed_size = 3;
  std::uint64_t size = 3;
  std::uint64_t header = 0;
  std::string extra{};
  std::uint64_t records = 1;
  std::uint64_t disk = 0;
  std::uint64_t directory_offset = 0;  ///< added to the right one
  bool zip64 = false;
  std::string comment{};

  std::vector<std::byte> bytes() const {
    const std::string local = "PK\x03\x04" + std::string(22, '\0') + number(local_name.size(), 2) + number(4, 2) +
                              local_name + std::string(4, 'x') + data;
    std::string entry = "PK\x01\x02" + std::string(4, '\0') + number(flags, 2) + number(method, 2) + number(0, 4) +
                        number(checksum, 4) + number(packed_size, 4) + number(size, 4) + number(name.size(), 2) +
                        number(extra.size(), 2) + std::string(10, '\0') + number(header, 4) + name + extra;
    std::string directory;
    for (std::uint64_t n = 0; n < (records == 2 ? 2 : std::min<std::uint64_t>(records, 1)); ++n) directory += entry;
    std::string file = local + directory;
    const std::uint64_t at = local.size() + directory_offset;
    if (zip64) {
      file += "PK\x06\x06" + number(44, 8) + number(0, 4) + number(0, 8) + number(records, 8) + number(records, 8) +
              number(directory.size(), 8) + number(at, 8);
      file += "PK\x06\x07" + number(0, 4) + number(local.size() + directory.size(), 8) + number(1, 4);
      file += "PK\x05\x06" + number(0, 4) + number(0xFFFF, 2) + number(0xFFFF, 2) + number(0xFFFFFFFF, 4) +
              number(0xFFFFFFFF, 4);
    } else {
      file += "PK\x05\x06" + number(disk, 4) + number(records, 2) + number(records, 2) + number(directory.size(), 4) +
              number(at, 4);
    }
    return test::to_bytes(file + number(comment.size(), 2) + comment);
  }
};

std::string error_of(const Archive& archive) {
  const auto bytes = archive.bytes();
  const auto read = model::read_zip(bytes);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kInvalidArgument);
  return read.error().message;
}

std::string content(const Archive& archive) {
  const auto bytes = archive.bytes();
  const auto read = model::read_zip(bytes);
  if (!read) FAIL(read.error().describe());
  const auto data = read->at("r/a").data;
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace

TEST_CASE("stored records are found by the directory, also of ZIP64, behind padding and before a comment") {
  CHECK(content({}) == "abc");
  CHECK(content({.zip64 = true}) == "abc");
  CHECK(content({.comment = "made by hand"}) == "abc");
  CHECK(content({.packed_size = 0xFFFFFFFF,
                 .size = 0xFFFFFFFF,
                 .extra = number(9, 2) + number(1, 2) + "x" + number(1, 2) + number(16, 2) + number(3, 8) +
                          number(3, 8)}) == "abc");
  const auto empty = Archive{.records = 0}.bytes();
  CHECK(model::read_zip(empty)->empty());
}

TEST_CASE("a compressed record is known as such") {
  const auto bytes = Archive{.method = 8, .size = 30}.bytes();
  const auto read = model::read_zip(bytes);
  REQUIRE(read);
  CHECK(read->at("r/a").compressed);
}

TEST_CASE("an archive that lies is refused with its own sentence") {
  const std::vector<std::pair<Archive, std::string>> cases{
      {{.local_name = "r/b"}, "another name in its header"},
      {{.flags = 1}, "encrypted"},
      {{.checksum = 1}, "its checksum differs"},
      {{.size = 4}, "two sizes"},
      {{.packed_size = 200, .size = 200}, "ends behind the end of the file"},
      {{.packed_size = 0xFFFFFFFE, .size = 0xFFFFFFFE}, "ends behind the end of the file"},
      {{.packed_size = 0xFFFFFFFF, .size = 0xFFFFFFFF}, "extra field that is damaged"},
      {{.packed_size = 0xFFFFFFFF,
        .size = 0xFFFFFFFF,
        .extra = number(1, 2) + number(16, 2) + number(~0ULL, 8) + number(~0ULL, 8)},
       "ends behind the end of the file"},
      {{.size = 0xFFFFFFFF, .extra = number(1, 2) + number(4, 2) + number(3, 4)}, "extra field that is damaged"},
      {{.header = 1}, "no header"},
      {{.header = 0xFFFFFFF0}, "no header"},
      {{.extra = number(1, 2) + number(99, 2)}, "extra field that is damaged"},
      {{.records = 2}, "appears twice"},
      {{.records = 3}, "its directory is damaged"},
      {{.records = 200'000, .zip64 = true}, "more than 100,000 records"},
      {{.disk = 1}, "several volumes"},
      {{.directory_offset = 1}, "lies outside"},
      {{.directory_offset = ~0ULL, .zip64 = true}, "directory is damaged"}};
  for (const auto& [archive, sentence] : cases) CHECK_THAT(error_of(archive), Catch::Contains(sentence));
  CHECK_FALSE(model::read_zip({}));
}

TEST_CASE("checksums can be left alone") {
  const auto bytes = Archive{.checksum = 1}.bytes();
  CHECK(model::read_zip(bytes, model::ZipChecksums::kIgnore));
}
