#include "operator/kubernetes/line_splitter.hpp"

#include <utility>

namespace imageclassifier::kubernetes {

LineSplitter::Verdict LineSplitter::feed(std::string_view piece, LineSink& sink) {
  while (true) {
    const std::size_t end = piece.find('\n');
    if (partial_.size() + std::min(end, piece.size()) > maximum_line_) return Verdict::kLineTooLong;
    if (end == std::string_view::npos) {
      partial_ += piece;
      return Verdict::kContinue;
    }
    Verdict verdict;
    if (partial_.empty()) {
      verdict = deliver(piece.substr(0, end), sink);
    } else {
      partial_ += piece.substr(0, end);
      verdict = deliver(std::exchange(partial_, {}), sink);
    }
    if (verdict != Verdict::kContinue) return verdict;
    piece.remove_prefix(end + 1);
  }
}

LineSplitter::Verdict LineSplitter::finish(LineSink& sink) {
  return deliver(std::exchange(partial_, {}), sink);
}

LineSplitter::Verdict LineSplitter::deliver(std::string_view line, LineSink& sink) const {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return Verdict::kContinue;
  return sink.on_line(line) ? Verdict::kContinue : Verdict::kEndedBySink;
}

}  // namespace imageclassifier::kubernetes
