#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "operator/runtime/object_key.hpp"

namespace imageclassifier::runtime {

/// One difference that a store has gone through. Exactly one of the two is null for an addition or a deletion. The
/// object of a deletion is the last one known: deletions found by a new list carry no newer state.
template <typename T>
struct Change {
  std::shared_ptr<const T> before;
  std::shared_ptr<const T> after;
  /// Part of the first list: nobody has just edited this object.
  bool initial = false;
};

/// The objects of one kind, by key and by uid of the controlling owner. Objects are immutable; a pointer that was got
/// stays valid and unchanged. Both indexes read keys and owners from the objects themselves and hold no text of their
/// own. Thread safe: one writer (the informer's thread), any number of readers; a replacement of the whole content is
/// atomic for readers.
template <StoredObject T>
class Store {
 public:
  using Object = std::shared_ptr<const T>;

  Object get(const ObjectKey& key) const {
    std::shared_lock hold(mutex_);
    const auto found = objects_.find(View(key));
    return found == objects_.end() ? nullptr : *found;
  }

  /// In no particular order.
  std::vector<Object> list() const {
    std::shared_lock hold(mutex_);
    return {objects_.begin(), objects_.end()};
  }

  /// Objects whose controlling owner has this uid, in the order of their names.
  std::vector<Object> owned_by(const std::string& owner_uid) const {
    std::vector<Object> owned;
    {
      std::shared_lock hold(mutex_);
      const auto [first, last] = by_owner_.equal_range(std::string_view(owner_uid));
      owned.assign(first, last);
    }
    std::sort(owned.begin(), owned.end(), [](const Object& a, const Object& b) { return View(*a) < View(*b); });
    return owned;
  }

  std::size_t size() const {
    std::shared_lock hold(mutex_);
    return objects_.size();
  }

  /// Adds or replaces. An object whose uid differs from the known one (deleted and recreated unseen) is reported as a
  /// deletion followed by an addition.
  std::vector<Change<T>> upsert(Object object);
  /// Removes; the change carries `last` if given, else the object known before. Nothing if the key is unknown.
  std::vector<Change<T>> remove(const ObjectKey& key, Object last = nullptr);
  /// Takes `objects` as the whole content. Objects with an unchanged resourceVersion cause no change.
  std::vector<Change<T>> replace(std::vector<Object> objects);

 private:
  struct View {
    explicit View(const ObjectKey& key) : namespace_name(key.namespace_name), name(key.name) {}
    explicit View(const T& object) : View(identity_of(object)) {}
    explicit View(const ObjectIdentity& identity) : namespace_name(identity.namespace_name), name(identity.name) {}
    friend auto operator<=>(const View&, const View&) = default;
    std::string_view namespace_name;
    std::string_view name;
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(const View& key) const noexcept {
      const std::size_t first = std::hash<std::string_view>()(key.namespace_name);
      return first ^ (std::hash<std::string_view>()(key.name) + 0x9e3779b97f4a7c15U + (first << 6) + (first >> 2));
    }
    std::size_t operator()(const Object& object) const noexcept { return (*this)(View(*object)); }
  };
  struct SameKey {
    using is_transparent = void;
    bool operator()(const Object& a, const Object& b) const { return View(*a) == View(*b); }
    bool operator()(const View& a, const Object& b) const { return a == View(*b); }
    bool operator()(const Object& a, const View& b) const { return View(*a) == b; }
  };
  static std::string_view owner_of(const Object& object) { return identity_of(*object).owner_uid; }
  struct OwnerHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view uid) const noexcept { return std::hash<std::string_view>()(uid); }
    std::size_t operator()(const Object& object) const noexcept { return (*this)(owner_of(object)); }
  };
  struct SameOwner {
    using is_transparent = void;
    bool operator()(const Object& a, const Object& b) const { return owner_of(a) == owner_of(b); }
    bool operator()(std::string_view a, const Object& b) const { return a == owner_of(b); }
    bool operator()(const Object& a, std::string_view b) const { return owner_of(a) == b; }
  };
  using Set = std::unordered_set<Object, KeyHash, SameKey>;
  using OwnerIndex = std::unordered_multiset<Object, OwnerHash, SameOwner>;

  static void index(OwnerIndex& owners, const Object& object);
  static void unindex(OwnerIndex& owners, const Object& object);
  static void append_difference(std::vector<Change<T>>& changes, const Object& before, const Object& after);

  mutable std::shared_mutex mutex_;
  Set objects_;
  OwnerIndex by_owner_;
};

// ---- implementation ----

template <StoredObject T>
void Store<T>::index(OwnerIndex& owners, const Object& object) {
  if (!owner_of(object).empty()) owners.insert(object);
}

template <StoredObject T>
void Store<T>::unindex(OwnerIndex& owners, const Object& object) {
  const auto [first, last] = owners.equal_range(owner_of(object));
  const auto found = std::find(first, last, object);
  if (found != last) owners.erase(found);
}

template <StoredObject T>
void Store<T>::append_difference(std::vector<Change<T>>& changes, const Object& before, const Object& after) {
  if (before && after && identity_of(*before).uid != identity_of(*after).uid) {
    changes.push_back({before, nullptr});
    changes.push_back({nullptr, after});
  } else if (!before || !after || identity_of(*before).resource_version != identity_of(*after).resource_version) {
    changes.push_back({before, after});
  }
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::upsert(Object object) {
  std::vector<Change<T>> changes;
  std::unique_lock hold(mutex_);
  Object before;
  if (const auto found = objects_.find(View(*object)); found != objects_.end()) {
    before = *found;
    unindex(by_owner_, before);
    objects_.erase(found);
  }
  append_difference(changes, before, object);
  index(by_owner_, object);
  objects_.insert(std::move(object));
  return changes;
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::remove(const ObjectKey& key, Object last) {
  std::unique_lock hold(mutex_);
  const auto found = objects_.find(View(key));
  if (found == objects_.end()) return {};
  Object before = *found;
  unindex(by_owner_, before);
  objects_.erase(found);
  return {{last ? std::move(last) : std::move(before), nullptr}};
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::replace(std::vector<Object> objects) {
  Set fresh;
  OwnerIndex owners;
  fresh.reserve(objects.size());
  for (Object& object : objects) {
    const auto [place, added] = fresh.insert(std::move(object));
    if (added) index(owners, *place);
  }
  objects = {};
  std::vector<Change<T>> changes;
  std::unique_lock hold(mutex_);
  for (const Object& before : objects_) {
    if (fresh.find(before) == fresh.end()) changes.push_back({before, nullptr});
  }
  for (const Object& after : fresh) {
    const auto known = objects_.find(after);
    append_difference(changes, known == objects_.end() ? nullptr : *known, after);
  }
  objects_.swap(fresh);
  by_owner_.swap(owners);
  return changes;
}

}  // namespace imageclassifier::runtime
