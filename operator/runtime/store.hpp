#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
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
/// stays valid and unchanged. Thread safe: one writer (the informer's thread), any number of readers; a replacement of
/// the whole content is atomic for readers.
template <StoredObject T>
class Store {
 public:
  using Object = std::shared_ptr<const T>;

  Object get(const ObjectKey& key) const {
    std::shared_lock hold(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }

  /// In no particular order.
  std::vector<Object> list() const {
    std::shared_lock hold(mutex_);
    std::vector<Object> all;
    all.reserve(objects_.size());
    for (const auto& [key, object] : objects_) all.push_back(object);
    return all;
  }

  /// Objects whose controlling owner has this uid, in the order of their names.
  std::vector<Object> owned_by(const std::string& owner_uid) const {
    std::vector<Object> owned;
    {
      std::shared_lock hold(mutex_);
      const auto [first, last] = by_owner_.equal_range(owner_uid);
      for (auto it = first; it != last; ++it) owned.push_back(objects_.at(it->second));
    }
    std::sort(owned.begin(), owned.end(), [](const Object& a, const Object& b) { return key_of(*a) < key_of(*b); });
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
  using Map = std::unordered_map<ObjectKey, Object>;
  using OwnerIndex = std::unordered_multimap<std::string, ObjectKey>;

  static void index(OwnerIndex& owners, const T& object);
  static void unindex(OwnerIndex& owners, const T& object);
  static void append_difference(std::vector<Change<T>>& changes, const Object& before, const Object& after);

  mutable std::shared_mutex mutex_;
  Map objects_;
  OwnerIndex by_owner_;
};

// ---- implementation ----

template <StoredObject T>
void Store<T>::index(OwnerIndex& owners, const T& object) {
  const std::string owner(object.metadata.owner_uid);
  if (!owner.empty()) owners.emplace(owner, key_of(object));
}

template <StoredObject T>
void Store<T>::unindex(OwnerIndex& owners, const T& object) {
  const auto [first, last] = owners.equal_range(std::string(object.metadata.owner_uid));
  const ObjectKey key = key_of(object);
  for (auto it = first; it != last; ++it) {
    if (it->second == key) {
      owners.erase(it);
      return;
    }
  }
}

template <StoredObject T>
void Store<T>::append_difference(std::vector<Change<T>>& changes, const Object& before, const Object& after) {
  if (before && after && before->metadata.uid != after->metadata.uid) {
    changes.push_back({before, nullptr});
    changes.push_back({nullptr, after});
  } else if (!before || !after || before->metadata.resource_version != after->metadata.resource_version) {
    changes.push_back({before, after});
  }
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::upsert(Object object) {
  std::vector<Change<T>> changes;
  const ObjectKey key = key_of(*object);
  std::unique_lock hold(mutex_);
  Object& slot = objects_[key];
  append_difference(changes, slot, object);
  if (slot) unindex(by_owner_, *slot);
  index(by_owner_, *object);
  slot = std::move(object);
  return changes;
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::remove(const ObjectKey& key, Object last) {
  std::unique_lock hold(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return {};
  Object before = std::move(found->second);
  unindex(by_owner_, *before);
  objects_.erase(found);
  return {{last ? std::move(last) : std::move(before), nullptr}};
}

template <StoredObject T>
std::vector<Change<T>> Store<T>::replace(std::vector<Object> objects) {
  Map fresh;
  OwnerIndex owners;
  for (Object& object : objects) {
    const auto [place, added] = fresh.try_emplace(key_of(*object), object);
    if (added) index(owners, *object);
  }
  std::vector<Change<T>> changes;
  std::unique_lock hold(mutex_);
  for (const auto& [key, before] : objects_) {
    if (fresh.find(key) == fresh.end()) changes.push_back({before, nullptr});
  }
  for (auto& [key, after] : fresh) {
    const auto known = objects_.find(key);
    append_difference(changes, known == objects_.end() ? nullptr : known->second, after);
  }
  objects_.swap(fresh);
  by_owner_.swap(owners);
  return changes;
}

}  // namespace imageclassifier::runtime
