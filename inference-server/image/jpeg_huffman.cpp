#include "inference-server/image/jpeg_huffman.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
// libjpeg's headers need size_t and FILE from <cstdio> above, and each other in this order.
#include <jpeglib.h>

#include <jerror.h>
#include <jpegint.h>

// GCC takes these functions for too large to inline.
#define IC_INLINE [[gnu::always_inline]] inline

namespace imageclassifier::image {
namespace {

/// Where a coefficient of the zigzag order lies in its block. A run that damaged data lets go beyond the block ends in
/// the last coefficient, as in libjpeg.
constexpr std::array<std::uint8_t, 64 + 16> kOrder{
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
    6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31,
    39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

constexpr int kLookBits = 10;
constexpr int kMaxCodeBits = 16;
constexpr int kZeroRun = 15;  // 16 zeros and no value

/// `size` bits as a coefficient (ITU T.81, F.2.2.1, EXTEND).
IC_INLINE int extend(unsigned bits, unsigned size) {
  const int value = static_cast<int>(bits);
  return value < (1 << (size - 1)) ? value - (1 << size) + 1 : value;
}

/// What the next bits mean.
struct Symbol {
  std::int16_t value = 0;  ///< 0: not among the bits that were looked at, or there is none
  std::uint8_t used = 0;   ///< bits; 0: the code is longer than kLookBits
  std::uint8_t byte = 0;   ///< zeros before the value * 16 + bits of the value
};

struct Table {
  std::array<Symbol, 1 << kLookBits> look;
  std::array<std::int32_t, kMaxCodeBits + 1> last;    ///< code of each length; -1: none
  std::array<std::int32_t, kMaxCodeBits + 1> offset;  ///< of the code in `bytes`
  const std::uint8_t* bytes;

  /// libjpeg has checked that the lengths make a code.
  void make(const JHUFF_TBL& from) {
    look.fill({});
    bytes = from.huffval;
    std::int32_t code = 0;
    std::int32_t index = 0;
    for (int length = 1; length <= kMaxCodeBits; ++length, code *= 2) {
      const int count = from.bits[length];
      offset[static_cast<std::size_t>(length)] = index - code;
      for (int i = 0; i < count; ++i, ++code, ++index) {
        if (length <= kLookBits) fill(static_cast<unsigned>(code), static_cast<unsigned>(length), bytes[index]);
      }
      last[static_cast<std::size_t>(length)] = count > 0 ? code - 1 : -1;
    }
  }

 private:
  void fill(unsigned code, unsigned length, std::uint8_t byte) {
    const unsigned rest = kLookBits - length;
    const unsigned size = byte & 15U;
    for (unsigned tail = 0; tail < 1U << rest; ++tail) {
      Symbol& symbol = look[(code << rest) + tail];
      symbol = {0, static_cast<std::uint8_t>(length), byte};
      if (size == 0 || size > rest) continue;
      symbol.value = static_cast<std::int16_t>(extend(tail >> (rest - size), size));
      symbol.used = static_cast<std::uint8_t>(length + size);
    }
  }
};

/// The next bits of the scan, the first one on top of `bits`, without the zeros that are stuffed behind 0xFF. Its
/// functions are inlined and give its address to none that is not: it has to live in registers.
struct Bits {
  const std::uint8_t* next;
  const std::uint8_t* end;
  std::uint64_t bits = 0;
  int count = 0;           ///< below 0: more were taken than the scan has
  bool at_marker = false;  ///< comes next
  bool at_end = false;     ///< of the file

  /// At least 32 bits, unless the scan ends before.
  IC_INLINE void fill() {
    if (count >= 32) return;
    if (end - next >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, next, sizeof word);
      constexpr std::uint64_t kOnes = 0x0101010101010101;
      const bool has_0xff = ((~word - kOnes) & word & (kOnes << 7)) != 0;
      if (!has_0xff) {
        if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
        const int bytes = (63 - count) / 8;
        bits |= (word >> (64 - bytes * 8) << (64 - bytes * 8)) >> count;
        next += bytes;
        count += bytes * 8;
        return;
      }
    }
    *this = filled_slowly(*this);
  }

  IC_INLINE void drop(unsigned size) {
    bits <<= size;
    count -= static_cast<int>(size);
  }

  /// Behind the byte of the last bit that was taken.
  const std::uint8_t* position() const {
    const std::uint8_t* at = next;
    for (int left = count / 8; left > 0; --left) {
      --at;
      if (*at == 0 && at[-1] == 0xFF) --at;
    }
    return at;
  }

 private:
  [[gnu::noinline]] static Bits filled_slowly(Bits from) {
    while (from.count <= 56 && !from.at_marker && !from.at_end) {
      const std::uint8_t* after = from.next;
      while (after < from.end && *after == 0xFF) ++after;
      from.at_end = after == from.end;
      from.at_marker = !from.at_end && after > from.next && *after != 0;
      if (from.at_end || from.at_marker) break;
      const std::uint8_t byte = after > from.next ? 0xFF : *from.next;
      from.bits |= std::uint64_t{byte} << (56 - from.count);
      from.count += 8;
      from.next = after + 1;
    }
    return from;
  }
};

[[noreturn]] void give_up(j_decompress_ptr info, int code) {
  info->err->msg_code = code;
  (*info->err->error_exit)(reinterpret_cast<j_common_ptr>(info));
  __builtin_unreachable();
}

}  // namespace

struct JpegHuffman::State {
  jpeg_entropy_decoder base{};  // first: what `entropy` points to
  Bits bits{};
  std::array<Table, NUM_HUFF_TBLS> dc;
  std::array<Table, NUM_HUFF_TBLS> ac;
  std::array<std::int64_t, MAX_COMPS_IN_SCAN> last_dc{};
  unsigned until_restart = 0;
  std::uint64_t left = 0;  // MCUs
  std::array<JCOEF, DCTSIZE2> unused{};

  static void start_pass(j_decompress_ptr) {}
  static boolean decode(j_decompress_ptr info, JBLOCKROW* blocks);
  static boolean decode_mcu(j_decompress_ptr info, JBLOCKROW* blocks);
#if defined(__x86_64__)
  [[gnu::target("bmi2")]] static boolean decode_mcu_bmi2(j_decompress_ptr info, JBLOCKROW* blocks);
#endif

  void open(const jpeg_decompress_struct& info) {
    bits = {info.src->next_input_byte, info.src->next_input_byte + info.src->bytes_in_buffer};
  }
  /// Gives the source back to libjpeg.
  void close(jpeg_decompress_struct& info) {
    info.src->next_input_byte = bits.position();
    info.src->bytes_in_buffer = static_cast<std::size_t>(bits.end - info.src->next_input_byte);
  }
  void restart(j_decompress_ptr info);
};

namespace {

/// A symbol whose code is longer than the table looks; nothing is used if the bits are no code.
[[gnu::noinline]] Symbol long_symbol(const Table& table, std::uint64_t bits) {
  for (unsigned length = kLookBits + 1; length <= kMaxCodeBits; ++length) {
    const auto code = static_cast<std::int32_t>(bits >> (64 - length));
    if (code <= table.last[length])
      return {0, static_cast<std::uint8_t>(length), table.bytes[code + table.offset[length]]};
  }
  return {};
}

IC_INLINE Symbol next_symbol(const Table& table, Bits& bits) {
  bits.fill();
  Symbol symbol = table.look[bits.bits >> (64 - kLookBits)];
  if (symbol.used == 0) [[unlikely]]
    symbol = long_symbol(table, bits.bits);
  bits.drop(symbol.used);
  return symbol;
}

IC_INLINE int next_value(unsigned size, Bits& bits) {
  const int value = extend(static_cast<unsigned>(bits.bits >> (64 - size)), size);
  bits.drop(size);
  return value;
}

/// False: the bits are no code.
IC_INLINE bool decode_block(const Table& dc, const Table& ac, Bits& bits, std::int64_t& last_dc, JCOEF* block) {
  const Symbol first = next_symbol(dc, bits);
  if (first.used == 0) return false;
  if (first.value != 0) {
    last_dc += first.value;
  } else if (first.byte != 0) {
    last_dc += next_value(first.byte, bits);
  }
  block[0] = static_cast<JCOEF>(last_dc);
  for (unsigned at = 1; at < DCTSIZE2; ++at) {
    const Symbol symbol = next_symbol(ac, bits);
    at += symbol.byte >> 4U;
    if (symbol.value != 0) {
      block[kOrder[at]] = symbol.value;
    } else if (const unsigned size = symbol.byte & 15U; size != 0) {
      block[kOrder[at]] = static_cast<JCOEF>(next_value(size, bits));
    } else if (symbol.byte >> 4U != kZeroRun) {
      return symbol.used != 0;
    }
  }
  return true;
}

}  // namespace

void JpegHuffman::State::restart(j_decompress_ptr info) {
  close(*info);
  info->unread_marker = 0;
  if (!(*info->marker->read_restart_marker)(info)) give_up(info, JERR_INPUT_EOF);
  open(*info);
  last_dc.fill(0);
  until_restart = info->restart_interval;
}

IC_INLINE boolean JpegHuffman::State::decode(j_decompress_ptr info, JBLOCKROW* blocks) {
  State& state = *reinterpret_cast<State*>(info->entropy);
  if (info->restart_interval != 0) {
    if (state.until_restart == 0) state.restart(info);
    --state.until_restart;
  }
  Bits bits = state.bits;
  for (int i = 0; i < info->blocks_in_MCU; ++i) {
    const int component = info->MCU_membership[i];
    const jpeg_component_info& about = *info->cur_comp_info[component];
    JCOEF* block = blocks != nullptr ? *blocks[i] : state.unused.data();
    std::int64_t& last_dc = state.last_dc[static_cast<std::size_t>(component)];
    const bool known = decode_block(state.dc[static_cast<std::size_t>(about.dc_tbl_no)],
                                    state.ac[static_cast<std::size_t>(about.ac_tbl_no)], bits, last_dc, block);
    if (!known || bits.count < 0) give_up(info, bits.at_end ? JERR_INPUT_EOF : JERR_BAD_HUFF_TABLE);
    if (last_dc != static_cast<std::int32_t>(last_dc)) give_up(info, JERR_BAD_DCT_COEF);
  }
  state.bits = bits;
  if (--state.left == 0) state.close(*info);
  return TRUE;
}

boolean JpegHuffman::State::decode_mcu(j_decompress_ptr info, JBLOCKROW* blocks) {
  return decode(info, blocks);
}

#if defined(__x86_64__)
/// Shifts by a variable number without a detour through one register.
[[gnu::target("bmi2")]] boolean JpegHuffman::State::decode_mcu_bmi2(j_decompress_ptr info, JBLOCKROW* blocks) {
  return decode(info, blocks);
}
#endif

JpegHuffman::JpegHuffman() = default;
JpegHuffman::~JpegHuffman() = default;

void JpegHuffman::take_over(jpeg_decompress_struct& info) {
  const bool sequential = info.progressive_mode == FALSE && info.arith_code == FALSE && info.Ss == 0 &&
                          info.Se == DCTSIZE2 - 1 && info.Ah == 0 && info.Al == 0;
  if (!sequential || jpeg_has_multiple_scans(&info) || info.comps_in_scan != info.num_components) return;
  state_ = std::make_unique<State>();
  for (int i = 0; i < info.comps_in_scan; ++i) {
    const auto dc = static_cast<std::size_t>(info.cur_comp_info[i]->dc_tbl_no);
    const auto ac = static_cast<std::size_t>(info.cur_comp_info[i]->ac_tbl_no);
    state_->dc[dc].make(*info.dc_huff_tbl_ptrs[dc]);
    state_->ac[ac].make(*info.ac_huff_tbl_ptrs[ac]);
  }
  state_->base.start_pass = State::start_pass;
  state_->base.decode_mcu = State::decode_mcu;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("bmi2") != 0) state_->base.decode_mcu = State::decode_mcu_bmi2;
#endif
  state_->until_restart = info.restart_interval;
  state_->left = std::uint64_t{info.MCUs_per_row} * info.MCU_rows_in_scan;
  state_->open(info);
  info.entropy = &state_->base;
}

}  // namespace imageclassifier::image
