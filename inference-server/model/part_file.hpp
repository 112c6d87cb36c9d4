#pragma once

#include <cstdint>
#include <string>

#include "common/sha256.hpp"

namespace imageclassifier::model {

/// A download on its way to a file: the bytes so far in PATH.part and, if the server gave a validator by which the rest
/// can be asked for later (a strong entity tag, RFC 9110 8.8.3), that in PATH.part.etag. What another attempt can go on
/// with stays when this one fails, even when it is killed; everything else is removed. One thread.
class PartFile {
 public:
  /// Goes on with what an attempt at the same `address` left, or starts empty.
  PartFile(const std::string& path, const std::string& address);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  /// errno of the first failure, 0: none, EBUSY: another process is downloading to it.
  int error() const { return error_; }
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// The entity tag of the bytes so far; empty: they cannot be gone on with.
  const std::string& tag() const { return tag_; }

  bool write(const char* data, std::size_t size);
  /// Forgets everything so far; the bytes that follow have this entity tag.
  bool start_over(const std::string& tag);
  /// Leaves nothing behind.
  void discard() { discarded_ = true; }
  /// 64 hex digits of all bytes; call once, last.
  std::string hex_digest() { return digest_.hex_digest(); }
  /// On the disk before it gets its name: after a crash a file of this name is whole.
  bool keep_as(const std::string& path);

 private:
  bool lock();
  bool resume();
  void check(bool done);

  std::string path_;
  std::string tag_path_;
  std::string address_;
  std::string tag_;
  Sha256 digest_;
  std::uint64_t size_ = 0;
  int file_ = -1;
  int error_ = 0;
  bool kept_ = false;
  bool discarded_ = false;
};

}  // namespace imageclassifier::model
