#include "sedna/control/object_cache.hpp"

#include <algorithm>
#include <charconv>

namespace sedna::control {

namespace {

std::optional<std::uint64_t> version_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}

/// Remembered deletions: enough for the writes of the last moments, not for a day.
constexpr std::size_t kMaxGone = 4096;

}  // namespace

std::vector<std::string> index_by_controller_uid(const api::Object& object) {
  const auto controller = api::controller_of(object);
  if (!controller) return {};
  return {controller->uid};
}

std::vector<std::string> index_by_node(const api::Object& object) {
  const auto node = api::string_at(object, {"spec", "nodeName"});
  if (node.empty()) return {};
  return {std::string(node)};
}

bool is_older_version(std::string_view a, std::string_view b) {
  const auto left = version_number(a), right = version_number(b);
  return left && right && *left < *right;
}

void ObjectCache::add_index(std::string name, IndexFunction function) {
  const std::lock_guard lock(mutex_);
  indexes_[std::move(name)].function = std::move(function);
}

ObjectPtr ObjectCache::get(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second;
}

std::vector<ObjectPtr> ObjectCache::list(std::string_view ns) const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectPtr> out;
  auto it = objects_.begin();
  const std::string prefix = ns.empty() ? std::string() : std::string(ns) + "/";
  if (!prefix.empty()) it = objects_.lower_bound(prefix);
  for (; it != objects_.end() && it->first.starts_with(prefix); ++it) out.push_back(it->second);
  return out;
}

std::vector<ObjectPtr> ObjectCache::by_index(std::string_view index, std::string_view value) const {
  const std::lock_guard lock(mutex_);
  const auto found = indexes_.find(index);
  SEDNA_CHECK(found != indexes_.end());
  const auto keys = found->second.keys.find(std::string(value));
  if (keys == found->second.keys.end()) return {};
  std::vector<std::string_view> sorted(keys->second.begin(), keys->second.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<ObjectPtr> out;
  out.reserve(sorted.size());
  for (const auto key : sorted) out.push_back(objects_.find(key)->second);
  return out;
}

std::vector<std::string> ObjectCache::keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(key);
  return out;
}

std::size_t ObjectCache::size() const {
  const std::lock_guard lock(mutex_);
  return objects_.size();
}

void ObjectCache::reindex(const std::string& key, const ObjectPtr& before, const ObjectPtr& after) {
  for (auto& [name, index] : indexes_) {
    if (before) {
      for (const auto& value : index.function(*before)) {
        const auto it = index.keys.find(value);
        if (it == index.keys.end()) continue;
        it->second.erase(key);
        if (it->second.empty()) index.keys.erase(it);
      }
    }
    if (after) {
      for (auto& value : index.function(*after)) index.keys[std::move(value)].insert(key);
    }
  }
}

ObjectCache::Change ObjectCache::put_locked(api::Object object) {
  std::string key = api::key_of(object);
  const auto version = api::resource_version_of(object);
  const auto gone = gone_.find(key);
  if (gone != gone_.end()) {
    // Strictly newer than its deletion: it was made again under the same name.
    if (!is_older_version(gone->second, version)) return {};
    gone_.erase(gone);
  }
  auto it = objects_.find(key);
  if (it != objects_.end()) {
    const auto known = api::resource_version_of(*it->second);
    if (version == known || is_older_version(version, known)) return {};
  }
  Change change;
  change.after = std::make_shared<const api::Object>(std::move(object));
  if (it == objects_.end()) {
    it = objects_.emplace(std::move(key), change.after).first;
  } else {
    change.before = std::exchange(it->second, change.after);
  }
  reindex(it->first, change.before, change.after);
  return change;
}

ObjectCache::Change ObjectCache::put(api::Object object) {
  const std::lock_guard lock(mutex_);
  return put_locked(std::move(object));
}

ObjectCache::Change ObjectCache::erase(std::string_view key, std::string_view resource_version) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it != objects_.end() && !resource_version.empty() &&
      is_older_version(resource_version, api::resource_version_of(*it->second))) {
    return {};  // news of an earlier life of the name
  }
  if (!resource_version.empty()) {
    if (gone_.size() >= kMaxGone) gone_.clear();
    auto& known = gone_[std::string(key)];
    if (known.empty() || is_older_version(known, resource_version)) known = resource_version;
  }
  if (it == objects_.end()) return {};
  Change change;
  change.before = it->second;
  reindex(it->first, change.before, nullptr);
  objects_.erase(it);
  return change;
}

std::vector<ObjectCache::Change> ObjectCache::replace(std::vector<api::Object> objects,
                                                      std::string_view resource_version) {
  const std::lock_guard lock(mutex_);
  std::vector<Change> changes;
  std::unordered_set<std::string> listed;
  listed.reserve(objects.size());
  for (auto& object : objects) {
    listed.insert(api::key_of(object));
    if (auto change = put_locked(std::move(object))) changes.push_back(std::move(change));
  }
  for (auto it = objects_.begin(); it != objects_.end();) {
    // Written by ourselves after the list was made: the list could not know.
    const bool newer = is_older_version(resource_version, api::resource_version_of(*it->second));
    if (listed.contains(it->first) || newer) {
      ++it;
      continue;
    }
    Change change;
    change.before = it->second;
    reindex(it->first, change.before, nullptr);
    it = objects_.erase(it);
    changes.push_back(std::move(change));
  }
  std::erase_if(gone_, [&](const auto& entry) { return is_older_version(entry.second, resource_version); });
  return changes;
}

}  // namespace sedna::control
