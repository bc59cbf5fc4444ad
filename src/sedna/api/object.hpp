// An API object as it is stored and sent: a JSON tree, with the access to its metadata that every controller needs.
// Typed structs (dataset.hpp, …) are views for reading and for building; what is written back is always the tree, so
// that nothing that a struct does not know is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/api/kind.hpp"
#include "sedna/json/json.hpp"

namespace sedna::api {

using Object = json::object;

/// metadata.name, "" when absent; the same for the others.
std::string_view name_of(const Object& object);
std::string_view namespace_of(const Object& object);
std::string_view uid_of(const Object& object);
std::string_view resource_version_of(const Object& object);
std::int64_t generation_of(const Object& object);
/// metadata.deletionTimestamp is set.
bool is_deleting(const Object& object);
std::string_view kind_of(const Object& object);
std::string_view api_version_of(const Object& object);
/// The table's entry for the object's apiVersion and kind; null for one we do not know.
const Kind* find_kind(const Object& object);

std::optional<std::string_view> label(const Object& object, std::string_view key);
std::optional<std::string_view> annotation(const Object& object, std::string_view key);

/// The value at a path of member names ("spec", "template"), or null. Never throws.
const json::value* find(const Object& object, std::initializer_list<std::string_view> path);
json::value* find(Object& object, std::initializer_list<std::string_view> path);
/// The same as a string / an integer, or the fallback when it is absent or of another type.
std::string_view string_at(const Object& object, std::initializer_list<std::string_view> path,
                           std::string_view fallback = {});
std::int64_t int_at(const Object& object, std::initializer_list<std::string_view> path, std::int64_t fallback = 0);
const json::object* object_at(const Object& object, std::initializer_list<std::string_view> path);
const json::array* array_at(const Object& object, std::initializer_list<std::string_view> path);
/// The object at the path, made (with those around it) when absent or null.
json::object& make_object(Object& object, std::initializer_list<std::string_view> path);

/// A new object with apiVersion, kind and metadata {name, namespace}.
Object new_object(const Kind& kind, std::string_view ns, std::string_view name);

struct OwnerReference {
  std::string api_version, kind, name, uid;
  bool controller = false;
  bool block_owner_deletion = false;
};
/// A controller reference to `owner`, as upstream's GM sets it.
OwnerReference controller_reference(const Object& owner);
json::object to_json(const OwnerReference& reference);
std::vector<OwnerReference> owners_of(const Object& object);
/// The entry with controller: true.
std::optional<OwnerReference> controller_of(const Object& object);

/// "namespace/name", or the name alone for what has no namespace: the key of work queues and caches.
std::string key_of(const Object& object);
std::string make_key(std::string_view ns, std::string_view name);
/// The two halves; the namespace is "" when there is none.
std::pair<std::string, std::string> split_key(std::string_view key);

/// RFC 3339 with seconds in UTC, as metav1.Time is written ("2026-01-31T13:05:59Z").
std::string format_time(std::chrono::system_clock::time_point t);
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text);

}  // namespace sedna::api
