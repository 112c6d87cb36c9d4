#pragma once

#include <string>
#include <string_view>

namespace imageclassifier::api {

/// Text as caches keep it: deflated against a dictionary of what such objects say, about a tenth of its size. For JSON
/// that is looked at seldom and kept for long. Immutable; packing and unpacking take tens of microseconds.
class PackedText {
 public:
  PackedText() = default;
  explicit PackedText(std::string_view text);

  /// The text that was packed.
  std::string text() const;
  bool empty() const { return packed_.empty(); }

  /// What is kept, to be put away and made a PackedText again by this process.
  const std::string& packed() const { return packed_; }
  static PackedText from_packed(std::string packed);

 private:
  std::string packed_;  ///< one byte says how, then the content
};

}  // namespace imageclassifier::api
