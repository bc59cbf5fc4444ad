#include "sedna/api/object.hpp"

#include <array>
#include <charconv>
#include <limits>

#include "sedna/base/error.hpp"

namespace sedna::api {

namespace {

std::string_view as_view(const json::string& s) {
  return {s.data(), s.size()};
}

std::string_view metadata_string(const Object& object, std::string_view name) {
  return string_at(object, {"metadata", name});
}

bool bool_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_bool() && v->get_bool();
}

std::string string_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(as_view(v->get_string())) : std::string();
}

OwnerReference read_owner(const json::object& o) {
  OwnerReference out;
  out.api_version = string_member(o, "apiVersion");
  out.kind = string_member(o, "kind");
  out.name = string_member(o, "name");
  out.uid = string_member(o, "uid");
  out.controller = bool_member(o, "controller");
  out.block_owner_deletion = bool_member(o, "blockOwnerDeletion");
  return out;
}

}  // namespace

std::string_view name_of(const Object& object) {
  return metadata_string(object, "name");
}
std::string_view namespace_of(const Object& object) {
  return metadata_string(object, "namespace");
}
std::string_view uid_of(const Object& object) {
  return metadata_string(object, "uid");
}
std::string_view resource_version_of(const Object& object) {
  return metadata_string(object, "resourceVersion");
}
std::int64_t generation_of(const Object& object) {
  return int_at(object, {"metadata", "generation"});
}

bool is_deleting(const Object& object) {
  const auto* t = find(object, {"metadata", "deletionTimestamp"});
  return t != nullptr && !t->is_null();
}

std::string_view kind_of(const Object& object) {
  return string_at(object, {"kind"});
}
std::string_view api_version_of(const Object& object) {
  return string_at(object, {"apiVersion"});
}
const Kind* find_kind(const Object& object) {
  return find_kind(api_version_of(object), kind_of(object));
}

std::optional<std::string_view> label(const Object& object, std::string_view key) {
  const auto* v = find(object, {"metadata", "labels", key});
  if (v == nullptr || !v->is_string()) return std::nullopt;
  return as_view(v->get_string());
}

std::optional<std::string_view> annotation(const Object& object, std::string_view key) {
  const auto* v = find(object, {"metadata", "annotations", key});
  if (v == nullptr || !v->is_string()) return std::nullopt;
  return as_view(v->get_string());
}

const json::value* find(const Object& object, std::initializer_list<std::string_view> path) {
  const json::object* at = &object;
  const json::value* v = nullptr;
  for (const std::string_view name : path) {
    if (at == nullptr) return nullptr;
    v = at->if_contains(name);
    if (v == nullptr) return nullptr;
    at = v->if_object();
  }
  return v;
}

json::value* find(Object& object, std::initializer_list<std::string_view> path) {
  json::object* at = &object;
  json::value* v = nullptr;
  for (const std::string_view name : path) {
    if (at == nullptr) return nullptr;
    v = at->if_contains(name);
    if (v == nullptr) return nullptr;
    at = v->if_object();
  }
  return v;
}

std::string_view string_at(const Object& object, std::initializer_list<std::string_view> path,
                           std::string_view fallback) {
  const auto* v = find(object, path);
  return v != nullptr && v->is_string() ? as_view(v->get_string()) : fallback;
}

std::int64_t int_at(const Object& object, std::initializer_list<std::string_view> path, std::int64_t fallback) {
  const auto* v = find(object, path);
  if (v == nullptr) return fallback;
  if (v->is_int64()) return v->get_int64();
  if (v->is_uint64() && v->get_uint64() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return static_cast<std::int64_t>(v->get_uint64());
  }
  return fallback;
}

const json::object* object_at(const Object& object, std::initializer_list<std::string_view> path) {
  const auto* v = find(object, path);
  return v == nullptr ? nullptr : v->if_object();
}

const json::array* array_at(const Object& object, std::initializer_list<std::string_view> path) {
  const auto* v = find(object, path);
  return v == nullptr ? nullptr : v->if_array();
}

json::object& make_object(Object& object, std::initializer_list<std::string_view> path) {
  json::object* at = &object;
  for (const std::string_view name : path) {
    // operator[] may move the members of an object (Boost 1.81 reserves before it looks): only for what is not there.
    json::value* there = at->if_contains(name);
    json::value& v = there != nullptr ? *there : (*at)[name];
    if (v.is_null()) v.emplace_object();
    if (!v.is_object()) {
      throw Error(ErrorCode::kInvalidArgument, "must be an object, found " + std::string(json::kind_name(v)),
                  std::string(name));
    }
    at = &v.get_object();
  }
  return *at;
}

Object new_object(const Kind& kind, std::string_view ns, std::string_view name) {
  Object out;
  out["apiVersion"] = kind.api_version();
  out["kind"] = kind.kind;
  json::object& metadata = out["metadata"].emplace_object();
  metadata["name"] = name;
  if (kind.namespaced && !ns.empty()) metadata["namespace"] = ns;
  return out;
}

OwnerReference controller_reference(const Object& owner) {
  OwnerReference out;
  out.api_version = api_version_of(owner);
  out.kind = kind_of(owner);
  out.name = name_of(owner);
  out.uid = uid_of(owner);
  out.controller = true;
  out.block_owner_deletion = true;
  return out;
}

json::object to_json(const OwnerReference& reference) {
  json::object out;
  out["apiVersion"] = reference.api_version;
  out["kind"] = reference.kind;
  out["name"] = reference.name;
  out["uid"] = reference.uid;
  if (reference.controller) out["controller"] = true;
  if (reference.block_owner_deletion) out["blockOwnerDeletion"] = true;
  return out;
}

std::vector<OwnerReference> owners_of(const Object& object) {
  std::vector<OwnerReference> out;
  const auto* list = array_at(object, {"metadata", "ownerReferences"});
  if (list == nullptr) return out;
  for (const auto& entry : *list) {
    if (entry.is_object()) out.push_back(read_owner(entry.get_object()));
  }
  return out;
}

std::optional<OwnerReference> controller_of(const Object& object) {
  for (auto& owner : owners_of(object)) {
    if (owner.controller) return std::move(owner);
  }
  return std::nullopt;
}

std::string key_of(const Object& object) {
  return make_key(namespace_of(object), name_of(object));
}

std::string make_key(std::string_view ns, std::string_view name) {
  std::string out;
  if (!ns.empty()) out.append(ns).push_back('/');
  return out.append(name);
}

std::pair<std::string, std::string> split_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return {std::string(), std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

}  // namespace sedna::api
