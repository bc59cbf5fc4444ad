#include <utility>

#include "sedna/json/json.hpp"

namespace sedna::json {
namespace {

Error wrong_kind(std::string_view expected, const value& v, std::string subject) {
  return Error(ErrorCode::kInvalidArgument, "must be " + std::string(expected) + ", not " + std::string(kind_name(v)),
               std::move(subject));
}

// The conversions: nothing when the value is of another kind.
std::optional<std::string> to_string(const value& v) {
  const string* s = v.if_string();
  return s == nullptr ? std::nullopt : std::optional<std::string>(std::in_place, s->data(), s->size());
}

std::optional<std::int64_t> to_int(const value& v) {
  const std::int64_t* i = v.if_int64();
  return i == nullptr ? std::nullopt : std::optional(*i);
}

std::optional<double> to_number(const value& v) {
  if (const double* d = v.if_double()) return *d;
  if (const std::int64_t* i = v.if_int64()) return static_cast<double>(*i);
  if (const std::uint64_t* u = v.if_uint64()) return static_cast<double>(*u);
  return std::nullopt;
}

std::optional<bool> to_bool(const value& v) {
  const bool* b = v.if_bool();
  return b == nullptr ? std::nullopt : std::optional(*b);
}

std::optional<const object*> to_object(const value& v) {
  const object* o = v.if_object();
  return o == nullptr ? std::nullopt : std::optional(o);
}

std::optional<const array*> to_array(const value& v) {
  const array* a = v.if_array();
  return a == nullptr ? std::nullopt : std::optional(a);
}

template <class T>
Result<T> require(const object& o, std::string_view name, std::string_view where, std::string_view expected,
                  std::optional<T> (*convert)(const value&)) {
  const value* v = o.if_contains(name);
  if (v == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "is missing; it must be " + std::string(expected),
                 join_path(where, name));
  }
  if (std::optional<T> converted = convert(*v)) return std::move(*converted);
  return wrong_kind(expected, *v, join_path(where, name));
}

template <class T>
Result<std::optional<T>> maybe(const object& o, std::string_view name, std::string_view where,
                               std::string_view expected, std::optional<T> (*convert)(const value&)) {
  const value* v = o.if_contains(name);
  if (v == nullptr || v->is_null()) return std::optional<T>();
  if (std::optional<T> converted = convert(*v)) return converted;
  return wrong_kind(expected, *v, join_path(where, name));
}

constexpr std::string_view kString = "a string";
constexpr std::string_view kInt = "an integer";
constexpr std::string_view kNumber = "a number";
constexpr std::string_view kBool = "true or false";

}  // namespace

std::string_view kind_name(const value& v) {
  switch (v.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return v.get_bool() ? "true" : "false";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
      return "an integer";
    case boost::json::kind::double_:
      return "a number";
    case boost::json::kind::string:
      return "a string";
    case boost::json::kind::array:
      return "an array";
    case boost::json::kind::object:
      return "an object";
  }
  return "something else";
}

std::string join_path(std::string_view where, std::string_view name) {
  std::string path(where);
  if (!path.empty() && !name.starts_with('[')) path += '.';
  path += name;
  return path;
}

Result<const object*> as_object(const value& v, std::string_view where) {
  if (const object* o = v.if_object()) return o;
  return wrong_kind("an object", v, std::string(where));
}

Result<std::string> require_string(const object& o, std::string_view name, std::string_view where) {
  return require<std::string>(o, name, where, kString, &to_string);
}
Result<std::int64_t> require_int(const object& o, std::string_view name, std::string_view where) {
  return require<std::int64_t>(o, name, where, kInt, &to_int);
}
Result<double> require_number(const object& o, std::string_view name, std::string_view where) {
  return require<double>(o, name, where, kNumber, &to_number);
}
Result<bool> require_bool(const object& o, std::string_view name, std::string_view where) {
  return require<bool>(o, name, where, kBool, &to_bool);
}
Result<const object*> require_object(const object& o, std::string_view name, std::string_view where) {
  return require<const object*>(o, name, where, "an object", &to_object);
}
Result<const array*> require_array(const object& o, std::string_view name, std::string_view where) {
  return require<const array*>(o, name, where, "an array", &to_array);
}
Result<std::optional<std::string>> optional_string(const object& o, std::string_view name, std::string_view where) {
  return maybe<std::string>(o, name, where, kString, &to_string);
}
Result<std::optional<std::int64_t>> optional_int(const object& o, std::string_view name, std::string_view where) {
  return maybe<std::int64_t>(o, name, where, kInt, &to_int);
}
Result<std::optional<double>> optional_number(const object& o, std::string_view name, std::string_view where) {
  return maybe<double>(o, name, where, kNumber, &to_number);
}
Result<std::optional<bool>> optional_bool(const object& o, std::string_view name, std::string_view where) {
  return maybe<bool>(o, name, where, kBool, &to_bool);
}

}  // namespace sedna::json
