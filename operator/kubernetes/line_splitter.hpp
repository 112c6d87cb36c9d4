#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

/// Cuts a byte stream, arriving in pieces of any size, into lines ("\n" or "\r\n"; empty lines are dropped). A line
/// that lies within one piece is not copied. Not thread safe.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t maximum_line) : maximum_line_(maximum_line) {}

  enum class Verdict { kContinue, kEndedBySink, kLineTooLong };
  Verdict feed(std::string_view piece, LineSink& sink);
  /// The stream is over: a last line without its end is delivered too.
  Verdict finish(LineSink& sink);

 private:
  Verdict deliver(std::string_view line, LineSink& sink) const;

  std::size_t maximum_line_;
  std::string partial_;
};

}  // namespace imageclassifier::kubernetes
