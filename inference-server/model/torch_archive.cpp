#include "inference-server/model/torch_archive.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "inference-server/model/pickle_reader.hpp"

namespace imageclassifier::model {
namespace {

constexpr std::string_view kZipMagic("PK\x03\x04", 4);
/// A pickle of torch.serialization.MAGIC_NUMBER.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
constexpr std::size_t kMaxDimensions = 16;

using Bytes = std::span<const std::byte>;
/// The data of the storages by their keys.
using Storages = std::map<std::string_view, Bytes>;

struct ElementType {
  std::string_view storage;
  const char* dtype;
  std::uint64_t bytes;
};
constexpr std::array<ElementType, 5> kTypes{{{"torch FloatStorage", "F32", 4},
                                             {"torch HalfStorage", "F16", 2},
                                             {"torch BFloat16Storage", "BF16", 2},
                                             {"torch DoubleStorage", "F64", 8},
                                             {"torch LongStorage", "I64", 8}}};

tl::unexpected<Error> refuse(std::string why) {
  return fail(ErrorCode::kInvalidArgument, "not a usable .pth file: " + std::move(why));
}

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A storage as its persistent id describes it.
struct Storage {
  const ElementType* type = nullptr;
  std::string_view key;
  std::uint64_t elements = 0;
};

Result<Storage> read_storage(const Pickle& pickle, const PickleNode& node) {
  const auto item = [&](std::size_t i) -> const PickleNode& { return pickle.at(node.items[i]); };
  const bool fits = node.kind == PickleKind::kStorage && node.items.size() >= 5 && node.items.size() <= 6 &&
                    item(0).text == "storage" && item(1).kind == PickleKind::kGlobal &&
                    item(2).kind == PickleKind::kText && item(4).kind == PickleKind::kInteger && item(4).number >= 0;
  if (!fits) return refuse("a storage is described in a way that torch.save does not");
  if (node.items.size() == 6 && item(5).kind != PickleKind::kNone) return refuse("a storage is a part of another one");
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.storage == item(1).text; });
  if (type == kTypes.end()) return refuse("a storage has the type " + std::string(item(1).text));
  return Storage{&*type, item(2).text, static_cast<std::uint64_t>(item(4).number)};
}

std::optional<std::vector<std::uint64_t>> read_counts(const Pickle& pickle, const PickleNode& node) {
  if (node.kind != PickleKind::kTuple || node.items.size() > kMaxDimensions) return std::nullopt;
  std::vector<std::uint64_t> counts;
  for (const std::uint32_t index : node.items) {
    const PickleNode& count = pickle.at(index);
    if (count.kind != PickleKind::kInteger || count.number < 0) return std::nullopt;
    counts.push_back(static_cast<std::uint64_t>(count.number));
  }
  return counts;
}

/// Where a tensor's elements lie in its storage.
struct Layout {
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;
  std::uint64_t elements = 0;
  bool in_order = true;  ///< C order without gaps

  static std::optional<Layout> make(std::uint64_t offset, std::vector<std::uint64_t> shape,
                                    std::vector<std::uint64_t> strides, std::uint64_t available);
};

/// Nothing unless every element lies within the storage; in 64 bits.
std::optional<Layout> Layout::make(std::uint64_t offset, std::vector<std::uint64_t> shape,
                                   std::vector<std::uint64_t> strides, std::uint64_t available) {
  if (shape.size() != strides.size() || offset > available) return std::nullopt;
  Layout layout{offset, std::move(shape), std::move(strides), 1, true};
  std::uint64_t last = offset;
  for (std::size_t i = layout.shape.size(); i-- > 0;) {
    const std::uint64_t extent = layout.shape[i];
    if (extent != 1 && layout.strides[i] != layout.elements) layout.in_order = false;
    if (__builtin_mul_overflow(layout.elements, extent, &layout.elements)) return std::nullopt;
    std::uint64_t reach = 0;
    if (extent > 1 &&
        (__builtin_mul_overflow(extent - 1, layout.strides[i], &reach) || __builtin_add_overflow(last, reach, &last))) {
      return std::nullopt;
    }
  }
  if (layout.elements == 0) layout.in_order = true;
  // More elements than the storage: rows that repeat, which no weights have and which could be without bound.
  if (layout.elements > available) return std::nullopt;
  if (layout.elements > 0 && last >= available) return std::nullopt;
  return layout;
}

/// The elements in C order.
std::vector<std::byte> copy_in_order(const Layout& layout, Bytes storage, std::uint64_t element_bytes) {
  std::vector<std::byte> copy(layout.elements * element_bytes);
  std::vector<std::uint64_t> position(layout.shape.size(), 0);
  std::uint64_t from = layout.offset;
  for (std::uint64_t n = 0; n < layout.elements; ++n) {
    std::memcpy(copy.data() + n * element_bytes, storage.data() + from * element_bytes, element_bytes);
    for (std::size_t i = layout.shape.size(); i-- > 0;) {
      from += layout.strides[i];
      if (++position[i] < layout.shape[i]) break;
      from -= layout.strides[i] * layout.shape[i];
      position[i] = 0;
    }
  }
  return copy;
}

class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const Storages& storages) : pickle_(pickle), storages_(storages) {}

  Result<NamedTensors> run() {
    const PickleNode& root = pickle_.at(pickle_.root);
    if (root.kind != PickleKind::kDict) return refuse("it is not a state_dict" + remedy());
    if (root.items.empty()) return refuse("its state_dict is empty");
    for (std::size_t i = 0; i < root.items.size(); i += 2) {
      if (auto added = add(pickle_.at(root.items[i]), pickle_.at(root.items[i + 1])); !added) {
        return tl::unexpected(added.error());
      }
    }
    return std::move(weights_);
  }

 private:
  static std::string remedy() { return "; save the weights alone, with torch.save(model.state_dict(), FILE)"; }

  Result<void> add(const PickleNode& key, const PickleNode& value) {
    if (key.kind != PickleKind::kText) return refuse("its dictionary has a key that is no name" + remedy());
    const std::string name(key.text);
    const bool parameter = value.kind == PickleKind::kParameter && !value.items.empty();
    const PickleNode& tensor = parameter ? pickle_.at(value.items[0]) : value;
    if (tensor.kind != PickleKind::kTensor) {
      return fail(ErrorCode::kUnsupported,
                  "the .pth file holds \"" + name.substr(0, 120) + "\", which is no tensor" + remedy());
    }
    auto view = read_tensor(name, tensor);
    if (!view) return tl::unexpected(view.error());
    if (!weights_.content.tensors.emplace(name, std::move(*view)).second) {
      return refuse("the tensor " + name + " appears twice");
    }
    return {};
  }

  Result<TensorView> read_tensor(const std::string& name, const PickleNode& tensor) {
    const auto item = [&](std::size_t i) -> const PickleNode& { return pickle_.at(tensor.items[i]); };
    if (tensor.items.size() < 4 || item(1).kind != PickleKind::kInteger || item(1).number < 0) {
      return refuse("the tensor " + name + " is described in a way that torch.save does not");
    }
    const auto storage = read_storage(pickle_, item(0));
    if (!storage) return tl::unexpected(storage.error());
    const auto data = storages_.find(storage->key);
    if (data == storages_.end()) return refuse("the data of the tensor " + name + " are missing");
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(storage->elements, storage->type->bytes, &bytes) || bytes != data->second.size()) {
      return refuse("the data of the tensor " + name + " have another size than declared");
    }
    auto shape = read_counts(pickle_, item(2));
    auto strides = read_counts(pickle_, item(3));
    if (!shape || !strides) return refuse("the tensor " + name + " has an impossible shape");
    const auto layout = Layout::make(static_cast<std::uint64_t>(item(1).number), std::move(*shape), std::move(*strides),
                                     storage->elements);
    if (!layout) return refuse("the tensor " + name + " reaches out of its data");
    return TensorView{storage->type->dtype, layout->shape, place(*layout, data->second, storage->type->bytes)};
  }

  Bytes place(const Layout& layout, Bytes storage, std::uint64_t element_bytes) {
    if (layout.in_order) return storage.subspan(layout.offset * element_bytes, layout.elements * element_bytes);
    return weights_.copies.emplace_back(copy_in_order(layout, storage, element_bytes));
  }

  const Pickle& pickle_;
  const Storages& storages_;
  NamedTensors weights_;
};

/// The folder that all records are in, with its slash.
std::optional<std::string> find_folder(const ZipRecords& records) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const auto& [name, record] : records) {
    const auto slash = name.find('/');
    if (slash != std::string_view::npos && name.substr(slash + 1) == kPickle)
      return std::string(name.substr(0, slash + 1));
  }
  return std::nullopt;
}

Result<NamedTensors> parse_zip(Bytes file, ZipChecksums checksums) {
  const auto records = read_zip(file, checksums);
  if (!records) return tl::unexpected(records.error());
  const auto folder = find_folder(*records);
  if (!folder) return refuse("the ZIP archive has no data.pkl");
  if (records->contains(*folder + "constants.pkl")) {
    return fail(
        ErrorCode::kUnsupported,
        "the file holds a TorchScript program, which is code: only --allow-torchscript true runs it; or save the "
        "weights alone, with torch.save(model.state_dict(), FILE)");
  }
  const ZipRecord& pickled = records->at(*folder + "data.pkl");
  if (pickled.compressed) return refuse("its data.pkl is compressed; torch.save stores it as it is");
  const auto order = records->find(*folder + "byteorder");
  if (order != records->end() && text_of(order->second.data) != "little") {
    return refuse("its numbers are big endian; save it on a little-endian machine");
  }
  Storages storages;
  const std::string data = *folder + "data/";
  for (auto it = records->lower_bound(data); it != records->end() && it->first.starts_with(data); ++it) {
    if (!it->second.compressed) storages.emplace(it->first.substr(data.size()), it->second.data);
  }
  const auto pickle = read_pickle(pickled.data);
  if (!pickle) return tl::unexpected(pickle.error());
  return TensorReader(*pickle, storages).run();
}

/// The older format: five pickles, then the data of each storage behind its count of elements.
class LegacyFile {
 public:
  explicit LegacyFile(Bytes file) : rest_(file.subspan(kLegacyMagic.size())) {}

  Result<NamedTensors> run() {
    const auto version = next();
    const auto system = version ? next() : version;
    const auto content = system ? next() : system;
    const auto keys = content ? next() : content;
    if (!keys) return tl::unexpected(keys.error());
    if (version->at(version->root).number != 1001) return refuse("its format has an unknown version");
    if (!is_little_endian(*system)) return refuse("its numbers are big endian; save it on a little-endian machine");
    if (auto taken = take_storages(*content, *keys); !taken) return tl::unexpected(taken.error());
    return TensorReader(*content, storages_).run();
  }

 private:
  Result<Pickle> next() {
    auto pickle = read_pickle(rest_);
    if (pickle) rest_ = rest_.subspan(pickle->size);
    return pickle;
  }

  static bool is_little_endian(const Pickle& system) {
    const PickleNode& members = system.at(system.root);
    if (members.kind != PickleKind::kDict) return false;
    for (std::size_t i = 0; i < members.items.size(); i += 2) {
      if (system.at(members.items[i]).text == "little_endian") return system.at(members.items[i + 1]).number == 1;
    }
    return false;
  }

  Result<void> take_storages(const Pickle& content, const Pickle& keys) {
    std::map<std::string_view, Storage> described;
    for (const PickleNode& node : content.nodes) {
      if (node.kind != PickleKind::kStorage) continue;
      const auto storage = read_storage(content, node);
      if (!storage) return tl::unexpected(storage.error());
      described.emplace(storage->key, *storage);
    }
    const PickleNode& list = keys.at(keys.root);
    if (list.kind != PickleKind::kList) return refuse("the list of its storages is missing");
    for (const std::uint32_t index : list.items) {
      const auto storage = described.find(keys.at(index).text);
      if (storage == described.end()) return refuse("it has data that nothing refers to");
      if (!take_storage(storage->second)) return refuse("its data are cut off");
    }
    return rest_.empty() ? Result<void>() : refuse("there are bytes behind its data");
  }

  bool take_storage(const Storage& storage) {
    constexpr std::size_t kCountBytes = 8;
    std::uint64_t bytes = 0;
    if (rest_.size() < kCountBytes) return false;
    std::uint64_t count = 0;
    std::memcpy(&count, rest_.data(), kCountBytes);
    rest_ = rest_.subspan(kCountBytes);
    if (__builtin_mul_overflow(count, storage.type->bytes, &bytes) || bytes > rest_.size()) return false;
    storages_.emplace(storage.key, rest_.first(bytes));
    rest_ = rest_.subspan(bytes);
    return true;
  }

  Bytes rest_;
  Storages storages_;
};

}  // namespace

bool is_torchscript(std::span<const std::byte> file) {
  if (!text_of(file).starts_with(kZipMagic)) return false;
  const auto records = read_zip(file, ZipChecksums::kIgnore);
  const auto folder = records ? find_folder(*records) : std::nullopt;
  return folder && records->contains(*folder + "constants.pkl");
}

bool is_torch_file(std::span<const std::byte> file) {
  return text_of(file).starts_with(kZipMagic) || text_of(file).starts_with(kLegacyMagic);
}

Result<NamedTensors> parse_torch_file(std::span<const std::byte> file, ZipChecksums checksums) {
  if (text_of(file).starts_with(kLegacyMagic)) return LegacyFile(file).run();
  return parse_zip(file, checksums);
}

}  // namespace imageclassifier::model
