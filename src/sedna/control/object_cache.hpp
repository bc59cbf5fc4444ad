// What is known of one kind: the newest version seen of each object, by key, with indexes. Filled by an informer (and
// by whoever has just written an object and must not read an older one); read by reconcilers from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::control {

/// Cached objects are shared and never changed: copy before you edit.
using ObjectPtr = std::shared_ptr<const api::Object>;

/// What an object is found by, for example the uid of its controller or its node: none, one or several values.
using IndexFunction = std::function<std::vector<std::string>(const api::Object& object)>;

/// Index values of objects that a controller reference points from: the owner's uid. Most controllers want it.
std::vector<std::string> index_by_controller_uid(const api::Object& object);
/// spec.nodeName.
std::vector<std::string> index_by_node(const api::Object& object);

/// Whether resourceVersion `a` is older than `b`; false when one of them is not a number.
bool is_older_version(std::string_view a, std::string_view b);

/// Thread-safe.
class ObjectCache {
 public:
  struct Change {
    ObjectPtr before;  ///< null: it was not there
    ObjectPtr after;   ///< null: it is gone
    explicit operator bool() const { return before != nullptr || after != nullptr; }
  };

  /// Before the first object is put.
  void add_index(std::string name, IndexFunction function);

  ObjectPtr get(std::string_view key) const;
  ObjectPtr get(std::string_view ns, std::string_view name) const { return get(api::make_key(ns, name)); }
  /// In order of their keys; `ns` empty: all.
  std::vector<ObjectPtr> list(std::string_view ns = {}) const;
  std::vector<ObjectPtr> by_index(std::string_view index, std::string_view value) const;
  std::vector<std::string> keys() const;
  std::size_t size() const;

  /// Takes a version in, unless a newer one (or the deletion of a newer one) is known. Nothing when nothing changed.
  Change put(api::Object object);
  /// Takes a deletion in. `resource_version` of the deletion, when known, keeps late news of the object out.
  Change erase(std::string_view key, std::string_view resource_version = {});
  /// What a list of `resource_version` says: everything else that is not newer than the list is gone.
  std::vector<Change> replace(std::vector<api::Object> objects, std::string_view resource_version);

 private:
  struct Index {
    IndexFunction function;
    std::unordered_map<std::string, std::unordered_set<std::string>> keys;  ///< value → object keys
  };
  void reindex(const std::string& key, const ObjectPtr& before, const ObjectPtr& after);
  Change put_locked(api::Object object);

  mutable std::mutex mutex_;
  std::map<std::string, ObjectPtr, std::less<>> objects_;
  std::map<std::string, std::string, std::less<>> gone_;  ///< key → resourceVersion of its deletion; cleared by replace
  std::map<std::string, Index, std::less<>> indexes_;
};

}  // namespace sedna::control
