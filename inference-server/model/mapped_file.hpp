#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"

namespace imageclassifier::model {

/// A whole file mapped read-only; move-only, unmapped on destruction. The file must not be truncated while mapped.
class MappedFile {
 public:
  /// kNotFound: no such file; kPermissionDenied; kInvalidArgument: empty or not a regular file.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace imageclassifier::model
