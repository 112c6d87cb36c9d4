#include "operator/api/packed_text.hpp"

#include <zlib.h>

#include <array>
#include <memory>
#include <utility>

#include "operator/api/packed_dictionary.hpp"

namespace imageclassifier::api {
namespace {

constexpr char kPlain = 'p';
constexpr char kDeflated = 'd';
/// No zlib header and no checksum: the bytes never leave this process.
constexpr int kRawWindow = -15;
constexpr int kMemoryLevel = 8;

Bytef* bytes_of(std::string_view text) {
  // zlib's interface takes input without const, and does not write to it.
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

// A deflater takes a quarter of a megabyte and longer to set up than to use: one for each thread that packs.
class Deflater {
 public:
  Deflater() { usable_ = deflateInit2(&stream_, 6, Z_DEFLATED, kRawWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK; }
  ~Deflater() {
    if (usable_) deflateEnd(&stream_);
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  /// False if it does not become smaller.
  bool run(std::string_view text, std::string& out) {
    if (!usable_ || deflateReset(&stream_) != Z_OK) return false;
    deflateSetDictionary(&stream_, bytes_of(kPackedDictionary), static_cast<uInt>(kPackedDictionary.size()));
    out.assign(text.size() + 1, kDeflated);
    stream_.next_in = bytes_of(text);
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = bytes_of(out) + 1;
    stream_.avail_out = static_cast<uInt>(text.size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) return false;
    out.resize(1 + stream_.total_out);
    return true;
  }

 private:
  z_stream stream_{};
  bool usable_ = false;
};

std::string inflated(std::string_view packed) {
  z_stream stream{};
  std::string text;
  if (inflateInit2(&stream, kRawWindow) != Z_OK) return text;
  inflateSetDictionary(&stream, bytes_of(kPackedDictionary), static_cast<uInt>(kPackedDictionary.size()));
  stream.next_in = bytes_of(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<char, 4096> part;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = part.size();
    state = inflate(&stream, Z_NO_FLUSH);
    text.append(part.data(), part.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return text;
}

}  // namespace

PackedText::PackedText(std::string_view text) {
  if (text.empty()) return;
  thread_local const auto deflater = std::make_unique<Deflater>();
  if (std::string packed; deflater->run(text, packed)) {
    packed_ = std::string(packed);  // a copy of its exact size
  } else {
    packed_.reserve(text.size() + 1);
    packed_ += kPlain;
    packed_ += text;
  }
}

PackedText PackedText::from_packed(std::string packed) {
  PackedText text;
  text.packed_ = std::move(packed);
  return text;
}

std::string PackedText::text() const {
  if (packed_.empty()) return {};
  const std::string_view content = std::string_view(packed_).substr(1);
  return packed_.front() == kPlain ? std::string(content) : inflated(content);
}

}  // namespace imageclassifier::api
