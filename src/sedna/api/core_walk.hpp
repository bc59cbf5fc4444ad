// Inside api only: small reads that the validation of core kinds is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/api/field_error.hpp"
#include "sedna/api/object.hpp"

namespace sedna::api {

inline const json::object* object_in(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v == nullptr ? nullptr : v->if_object();
}

inline const json::array* array_in(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v == nullptr ? nullptr : v->if_array();
}

inline std::string_view text_in(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

inline std::optional<std::int64_t> int_in(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_int64()) return std::nullopt;
  return v->get_int64();
}

inline bool true_at(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_bool() && v->get_bool();
}

/// f(object, "path[i]") for each object of the list o[name].
template <class F>
void each_in(const json::object& o, std::string_view name, const std::string& path, F f) {
  const auto* list = array_in(o, name);
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (!(*list)[i].is_object()) continue;
    std::string here = path;
    here.append(".").append(name).append("[").append(std::to_string(i)).append("]");
    f((*list)[i].get_object(), here);
  }
}

/// "must be greater than or equal to 0" for a number that is there and negative.
inline void check_not_negative(const json::object& o, std::string_view name, const std::string& path,
                               FieldErrors& errors) {
  if (const auto n = int_in(o, name); n && *n < 0) {
    errors.push_back(invalid(path + "." + std::string(name), std::to_string(*n), "must be greater than or equal to 0"));
  }
}

inline void check_port_number(std::int64_t port, const std::string& path, FieldErrors& errors) {
  if (port < 1 || port > 65535) {
    errors.push_back(invalid(path, std::to_string(port), "must be between 1 and 65535, inclusive"));
  }
}

/// A port by number or name (targetPort, probes).
void check_port(const json::value* port, const std::string& path, FieldErrors& errors);

// One file each: validate_deployment.cpp, validate_service.cpp, validate_pod.cpp, validate_container.cpp.
void validate_pod_update(const Object& object, const Object& old, FieldErrors& errors);
void validate_containers(const json::object& spec, std::string_view list, const std::string& path,
                         std::vector<std::string_view>& names, const std::vector<std::string_view>& volumes,
                         FieldErrors& errors);
void validate_deployment(const Object& object, const Object* old, FieldErrors& errors);
void validate_autoscaler(const Object& object, FieldErrors& errors);
void validate_service(const Object& object, const Object* old, FieldErrors& errors);
void validate_endpoint_slice(const Object& object, const Object* old, FieldErrors& errors);

}  // namespace sedna::api
