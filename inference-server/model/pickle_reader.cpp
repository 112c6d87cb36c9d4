#include "inference-server/model/pickle_reader.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace imageclassifier::model {
namespace {

constexpr std::size_t kMaxValues = 1'000'000;
constexpr std::size_t kMaxBytes = 16 * 1024 * 1024;
/// Of what is called; these are copied, and a file may repeat that at will.
constexpr std::size_t kMaxArguments = 8;

constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::array<std::string_view, 8> kAllowed{kOrderedDict,         kRebuildTensor,         kRebuildParameter,
                                                   "torch FloatStorage", "torch HalfStorage",    "torch DoubleStorage",
                                                   "torch LongStorage",  "torch BFloat16Storage"};

/// Names from a file are shown, but neither whole nor with control characters.
std::string shown(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, 120)) text.push_back(c >= ' ' && c <= '~' ? c : '?');
  return text;
}

tl::unexpected<Error> malformed(const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "the pickle is malformed: " + why);
}

tl::unexpected<Error> cut_off() {
  return fail(ErrorCode::kInvalidArgument, "the pickle is cut off");
}

tl::unexpected<Error> too_few() {
  return malformed("an opcode finds too few values");
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

  Result<Pickle> run();

 private:
  using Status = Result<void>;

  Status step(unsigned char opcode);
  Status read_protocol();
  Status read_global();
  Status read_text();
  Status read_long();
  Status read_integer(std::size_t size);
  Status put(std::size_t size);
  Status get(std::size_t size);
  Status make(PickleKind kind, std::size_t count);
  Status make_from_mark(PickleKind kind);
  Status extend(PickleKind kind, std::optional<std::size_t> count);
  Status call();
  Status build();
  Status make_storage();

  Status push(PickleNode node) {
    if (pickle_.nodes.size() >= kMaxValues) {
      return fail(ErrorCode::kTooLarge, "the pickle has more than a million values");
    }
    stack_.push_back(static_cast<std::uint32_t>(pickle_.nodes.size()));
    pickle_.nodes.push_back(std::move(node));
    return {};
  }
  /// Values above the last mark.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  PickleNode& top() { return pickle_.nodes[stack_.back()]; }
  std::vector<std::uint32_t> pop(std::size_t count) {
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<std::uint32_t> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }
  std::optional<std::size_t> pop_mark() {
    if (marks_.empty()) return std::nullopt;
    const std::size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
  }
  std::optional<std::string_view> take(std::size_t size) {
    if (size > text_.size() - at_) return std::nullopt;
    const std::string_view taken = text_.substr(at_, size);
    at_ += size;
    return taken;
  }
  std::optional<std::string_view> take_line() {
    const auto end = text_.find('\n', at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }
  /// Little endian, at most 8 bytes.
  std::optional<std::uint64_t> take_number(std::size_t size) {
    const auto bytes = take(size);
    if (!bytes) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>((*bytes)[i]);
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Pickle pickle_;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::unordered_map<std::uint64_t, std::uint32_t> memo_;
};

Result<Pickle> Reader::run() {
  constexpr unsigned char kStop = '.';
  for (;;) {
    const auto opcode = take_number(1);
    if (!opcode) return cut_off();
    if (*opcode == kStop) break;
    if (at_ > kMaxBytes) return fail(ErrorCode::kTooLarge, "the pickle has more than 16 MiB");
    if (auto done = step(static_cast<unsigned char>(*opcode)); !done) return tl::unexpected(done.error());
  }
  if (stack_.size() != 1 || !marks_.empty()) return malformed("it does not end with one value");
  pickle_.root = stack_.back();
  pickle_.size = at_;
  return std::move(pickle_);
}

Result<void> Reader::step(unsigned char opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      return read_protocol();
    case '(':  // MARK
      marks_.push_back(stack_.size());
      return {};
    case 'N':  // NONE
      return push({});
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      return push({.kind = PickleKind::kBoolean, .number = opcode == 0x88 ? 1 : 0});
    case 'K':  // BININT1
      return read_integer(1);
    case 'M':  // BININT2
      return read_integer(2);
    case 'J':  // BININT
      return read_integer(4);
    case 0x8a:  // LONG1
      return read_long();
    case 'G':  // BINFLOAT
      return take(8) ? push({.kind = PickleKind::kFloat}) : cut_off();
    case 'X':  // BINUNICODE
      return read_text();
    case 'c':  // GLOBAL
      return read_global();
    case 'q':  // BINPUT
      return put(1);
    case 'r':  // LONG_BINPUT
      return put(4);
    case 'h':  // BINGET
      return get(1);
    case 'j':  // LONG_BINGET
      return get(4);
    case ')':  // EMPTY_TUPLE
      return make(PickleKind::kTuple, 0);
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      return make(PickleKind::kTuple, opcode - 0x84U);
    case 't':  // TUPLE
      return make_from_mark(PickleKind::kTuple);
    case ']':  // EMPTY_LIST
      return make(PickleKind::kList, 0);
    case '}':  // EMPTY_DICT
      return make(PickleKind::kDict, 0);
    case 'a':  // APPEND
      return extend(PickleKind::kList, 1);
    case 'e':  // APPENDS
      return extend(PickleKind::kList, std::nullopt);
    case 's':  // SETITEM
      return extend(PickleKind::kDict, 2);
    case 'u':  // SETITEMS
      return extend(PickleKind::kDict, std::nullopt);
    case 'R':  // REDUCE
      return call();
    case 'b':  // BUILD
      return build();
    case 'Q':  // BINPERSID
      return make_storage();
    default:
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "0x%02x", opcode);
      return fail(ErrorCode::kUnsupported, std::string("the pickle has the opcode ") + hex.data() +
                                               ", which a state_dict that torch.save wrote does not have");
  }
}

Result<void> Reader::read_protocol() {
  const auto protocol = take_number(1);
  if (!protocol) return cut_off();
  if (*protocol == 2) return {};
  return fail(ErrorCode::kUnsupported, "the pickle has the protocol " + std::to_string(*protocol) +
                                           "; save it with torch.save's own, which is 2");
}

Result<void> Reader::read_global() {
  const auto module = take_line();
  const auto name = module ? take_line() : std::nullopt;
  if (!name) return cut_off();
  const std::string both = std::string(*module) + " " + std::string(*name);
  const auto allowed = std::find(kAllowed.begin(), kAllowed.end(), both);
  if (allowed != kAllowed.end()) return push({.kind = PickleKind::kGlobal, .text = *allowed});
  return fail(ErrorCode::kUnsupported, "the pickle asks for " + shown(*module) + "." + shown(*name) +
                                           ", which may be code and is not run; save the weights alone, with "
                                           "torch.save(model.state_dict(), FILE)");
}

Result<void> Reader::read_text() {
  const auto size = take_number(4);
  const auto text = size ? take(*size) : std::nullopt;
  if (!text) return cut_off();
  return push({.kind = PickleKind::kText, .text = *text});
}

Result<void> Reader::read_integer(std::size_t size) {
  const auto value = take_number(size);
  if (!value) return cut_off();
  const auto number =
      size == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(*value)) : static_cast<std::int64_t>(*value);
  return push({.kind = PickleKind::kInteger, .number = number});
}

/// Two's complement of any length; here up to 64 bits.
Result<void> Reader::read_long() {
  const auto size = take_number(1);
  if (!size) return cut_off();
  if (*size > 8) return malformed("an integer has more than 64 bits");
  const auto value = take_number(*size);
  if (!value) return cut_off();
  const auto unused = static_cast<unsigned>(64 - 8 * *size);
  const std::int64_t number = *size == 0 ? 0 : static_cast<std::int64_t>(*value << unused) >> unused;
  return push({.kind = PickleKind::kInteger, .number = number});
}

Result<void> Reader::put(std::size_t size) {
  const auto key = take_number(size);
  if (!key) return cut_off();
  if (available() == 0) return too_few();
  memo_[*key] = stack_.back();
  return {};
}

Result<void> Reader::get(std::size_t size) {
  const auto key = take_number(size);
  if (!key) return cut_off();
  const auto found = memo_.find(*key);
  if (found == memo_.end()) return malformed("it refers to a value that it never stored");
  stack_.push_back(found->second);
  return {};
}

Result<void> Reader::make(PickleKind kind, std::size_t count) {
  if (available() < count) return too_few();
  auto items = pop(count);
  return push({.kind = kind, .items = std::move(items)});
}

Result<void> Reader::make_from_mark(PickleKind kind) {
  const auto count = pop_mark();
  if (!count) return malformed("a mark is missing");
  return make(kind, *count);
}

/// Moves values from the stack into the container below them; without a count all above the last mark.
Result<void> Reader::extend(PickleKind kind, std::optional<std::size_t> count) {
  if (!count) count = pop_mark();
  if (!count) return malformed("a mark is missing");
  if (available() < *count + 1) return too_few();
  if (kind == PickleKind::kDict && *count % 2 != 0) return malformed("a key has no value");
  const auto items = pop(*count);
  if (top().kind != kind) return malformed("items are put into what is no container of theirs");
  top().items.insert(top().items.end(), items.begin(), items.end());
  return {};
}

Result<void> Reader::call() {
  if (available() < 2) return too_few();
  const auto popped = pop(2);
  const PickleNode& callee = pickle_.at(popped[0]);
  const PickleNode& arguments = pickle_.at(popped[1]);
  if (callee.kind != PickleKind::kGlobal || arguments.kind != PickleKind::kTuple ||
      arguments.items.size() > kMaxArguments) {
    return malformed("it calls what is no function of torch");
  }
  if (callee.text == kRebuildTensor) return push({.kind = PickleKind::kTensor, .items = arguments.items});
  if (callee.text == kRebuildParameter) return push({.kind = PickleKind::kParameter, .items = arguments.items});
  if (callee.text == kOrderedDict && arguments.items.empty()) return push({.kind = PickleKind::kDict});
  return malformed("it calls " + std::string(callee.text) + " in a way that torch.save does not");
}

/// A state_dict has the attribute _metadata, which holds the versions of its layers; nothing of it is needed.
Result<void> Reader::build() {
  if (available() < 2) return too_few();
  const auto popped = pop(1);
  if (top().kind != PickleKind::kDict || pickle_.at(popped[0]).kind != PickleKind::kDict) {
    return malformed("it gives attributes to what cannot have them");
  }
  return {};
}

Result<void> Reader::make_storage() {
  if (available() < 1) return too_few();
  const auto popped = pop(1);
  const PickleNode& id = pickle_.at(popped[0]);
  if (id.kind != PickleKind::kTuple || id.items.size() > kMaxArguments) {
    return malformed("a persistent id is not one of a storage");
  }
  return push({.kind = PickleKind::kStorage, .items = id.items});
}

}  // namespace

Result<Pickle> read_pickle(std::span<const std::byte> bytes) {
  return Reader(bytes).run();
}

}  // namespace imageclassifier::model
