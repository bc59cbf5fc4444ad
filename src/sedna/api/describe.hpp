// How a struct of this module says what it is: one list of its fields, from which its codec and its schema come. Only
// the .cpp files of the kinds include this.
//
//   template <>
//   const StructInfo<DatasetSpec>& struct_info() {
//     static const auto info = StructInfo<DatasetSpec>("DatasetSpec", "Where the samples are.")
//         .field("url", &DatasetSpec::url, "Path of the index file …", kRequired);
//     return info;
//   }
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sedna/api/field_error.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/api/typed.hpp"
#include "sedna/base/result.hpp"
#include "sedna/json/json.hpp"

namespace sedna::api {

/// A pod template, and what else stays as it was written.
using RawObject = json::object;

template <class T>
class StructInfo;
template <class T>
const StructInfo<T>& struct_info();

struct FieldOptions {
  bool required = false;
  bool additive = false;
  std::optional<json::value> default_value{};
  std::optional<double> minimum{};
  const Schema* schema = nullptr;  ///< instead of the one that the type has
};

inline const FieldOptions kRequired{.required = true};
inline const FieldOptions kOptional{};
inline const FieldOptions kAdditive{.additive = true};
inline FieldOptions with_schema(const Schema* schema, bool required) {
  return {.required = required, .schema = schema};
}

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

Error type_fault(const std::string& where, std::string_view wanted, const json::value& found);
Result<void> read_text(const json::value& v, const std::string& where, std::string& out);
Result<void> read_bool(const json::value& v, const std::string& where, bool& out);
Result<void> read_int(const json::value& v, const std::string& where, std::int64_t low, std::int64_t high,
                      std::int64_t& out);
Result<void> read_double(const json::value& v, const std::string& where, double& out);

template <class T>
Result<void> read(const json::value& v, const std::string& where, T& out) {
  if constexpr (IsOptional<T>::value) {
    return read(v, where, out.emplace());
  } else if constexpr (IsVector<T>::value) {
    if (!v.is_array()) return type_fault(where, "a list", v);
    out.clear();
    for (std::size_t i = 0; i < v.get_array().size(); ++i) {
      if (auto r = read(v.get_array()[i], where + "[" + std::to_string(i) + "]", out.emplace_back()); !r) return r;
    }
    return {};
  } else if constexpr (IsMap<T>::value) {
    if (!v.is_object()) return type_fault(where, "an object", v);
    for (const auto& member : v.get_object()) {
      const std::string key(member.key());
      if (auto r = read(member.value(), where + "." + key, out[key]); !r) return r;
    }
    return {};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return read_text(v, where, out);
  } else if constexpr (std::is_same_v<T, bool>) {
    return read_bool(v, where, out);
  } else if constexpr (std::is_integral_v<T>) {
    std::int64_t wide = 0;
    auto r = read_int(v, where, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), wide);
    out = static_cast<T>(wide);
    return r;
  } else if constexpr (std::is_same_v<T, double>) {
    return read_double(v, where, out);
  } else if constexpr (std::is_same_v<T, json::object>) {
    if (!v.is_object()) return type_fault(where, "an object", v);
    out = v.get_object();
    return {};
  } else if constexpr (std::is_same_v<T, json::value>) {
    out = v;
    return {};
  } else {
    if (!v.is_object()) return type_fault(where, "an object", v);
    return struct_info<T>().read(v.get_object(), where, out);
  }
}

template <class T>
json::value write(const T& v) {
  if constexpr (IsVector<T>::value) {
    json::array out;
    for (const auto& item : v) out.push_back(write(item));
    return out;
  } else if constexpr (IsMap<T>::value) {
    json::object out;
    for (const auto& [key, value] : v) out[key] = write(value);
    return out;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return json::value(std::string_view(v));
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return json::value(static_cast<std::int64_t>(v));
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, json::object> ||
                       std::is_same_v<T, json::value>) {
    return json::value(v);
  } else {
    return struct_info<T>().write(v);
  }
}

/// Go's omitempty: an optional field is left out when it holds nothing.
template <class T>
bool is_empty(const T& v) {
  if constexpr (IsVector<T>::value || IsMap<T>::value || std::is_same_v<T, std::string> ||
                std::is_same_v<T, json::object>) {
    return v.empty();
  } else if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T>) {
    return v == T{};
  } else if constexpr (std::is_same_v<T, json::value>) {
    return v.is_null();
  } else {
    return false;
  }
}

const Schema* plain_schema(Schema::Type type, std::string_view format);

template <class T>
const Schema* schema_for() {
  if constexpr (IsOptional<T>::value) {
    return schema_for<typename T::value_type>();
  } else if constexpr (IsVector<T>::value) {
    Schema* s = new_schema(Schema::Type::kArray);
    s->items = schema_for<typename T::value_type>();
    return s;
  } else if constexpr (IsMap<T>::value) {
    Schema* s = new_schema(Schema::Type::kObject);
    s->values = schema_for<typename T::mapped_type>();
    return s;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return plain_schema(Schema::Type::kString, "");
  } else if constexpr (std::is_same_v<T, bool>) {
    return plain_schema(Schema::Type::kBoolean, "");
  } else if constexpr (std::is_integral_v<T>) {
    return plain_schema(Schema::Type::kInteger, sizeof(T) == 4 ? "int32" : "int64");
  } else if constexpr (std::is_same_v<T, double>) {
    return plain_schema(Schema::Type::kNumber, "");
  } else if constexpr (std::is_same_v<T, json::object>) {
    Schema* s = new_schema(Schema::Type::kObject);
    s->preserve_unknown = true;
    return s;
  } else if constexpr (std::is_same_v<T, json::value>) {
    return plain_schema(Schema::Type::kIntOrString, "");
  } else {
    return struct_info<T>().schema();
  }
}

}  // namespace detail

template <class T>
class StructInfo {
 public:
  StructInfo(std::string_view name, std::string_view doc) : schema_(new_schema(Schema::Type::kObject)) {
    schema_->name = name;
    schema_->doc = doc;
  }

  template <class M>
  StructInfo& field(std::string_view name, M T::* member, std::string_view doc, const FieldOptions& options = {}) {
    Field f;
    f.name = name;
    f.read = [member](const json::value& v, const std::string& where, T& out) {
      return detail::read(v, where, out.*member);
    };
    f.write = [member, key = std::string(name), always = options.required](const T& from, json::object& out) {
      const M& v = from.*member;
      if constexpr (detail::IsOptional<M>::value) {
        if (v || always) out[key] = v ? detail::write(*v) : json::value(nullptr);
      } else {
        if (always || !detail::is_empty(v)) out[key] = detail::write(v);
      }
    };
    fields_.push_back(std::move(f));
    Property p;
    p.name = name;
    p.doc = doc;
    p.required = options.required;
    p.additive = options.additive;
    p.default_value = options.default_value;
    p.schema = options.schema != nullptr ? options.schema : detail::schema_for<M>();
    if (options.minimum) {
      Schema* own = new_schema(p.schema->type);
      *own = *p.schema;
      own->minimum = options.minimum;
      p.schema = own;
    }
    schema_->properties.push_back(std::move(p));
    return *this;
  }

  /// The fields of a struct that is a member of this one in C++ and part of it in JSON (Go's inline).
  template <class M>
  StructInfo& inlined(M T::* member) {
    const StructInfo<M>& other = struct_info<M>();
    for (const auto& theirs : other.fields()) {
      Field f;
      f.name = theirs.name;
      f.read = [member, &theirs](const json::value& v, const std::string& where, T& out) {
        return theirs.read(v, where, out.*member);
      };
      f.write = [member, &theirs](const T& from, json::object& out) { theirs.write(from.*member, out); };
      fields_.push_back(std::move(f));
    }
    for (const auto& p : other.schema()->properties) schema_->properties.push_back(p);
    return *this;
  }

  StructInfo& rule(Rule rule) {
    schema_->rules.push_back(std::move(rule));
    return *this;
  }
  /// What no field names is kept by servers too.
  StructInfo& preserve_unknown() {
    schema_->preserve_unknown = true;
    return *this;
  }

  struct Field {
    std::string name;
    std::function<Result<void>(const json::value&, const std::string& where, T&)> read;
    std::function<void(const T&, json::object&)> write;
  };
  const std::vector<Field>& fields() const { return fields_; }
  const Schema* schema() const { return schema_; }

  /// Absent and null members leave the struct's own default; unknown ones go to `extra` when the struct has it.
  Result<void> read(const json::object& from, const std::string& where, T& out) const {
    for (const auto& member : from) {
      const Field* f = find(member.key());
      if (f == nullptr) {
        if constexpr (requires { out.extra; }) out.extra[member.key()] = member.value();
      } else if (!member.value().is_null()) {
        if (auto r = f->read(member.value(), json::join_path(where, f->name), out); !r) return r;
      }
    }
    return {};
  }

  json::object write(const T& from) const {
    json::object out;
    for (const auto& f : fields_) f.write(from, out);
    if constexpr (requires { from.extra; }) {
      for (const auto& member : from.extra) out.emplace(member.key(), member.value());
    }
    return out;
  }

 private:
  const Field* find(std::string_view name) const {
    for (const auto& f : fields_) {
      if (f.name == name) return &f;
    }
    return nullptr;
  }

  std::vector<Field> fields_;
  Schema* schema_;
};

/// A pod template as Sedna's kinds hold it: kept as written, with the few checks that need no core schema.
const Schema* pod_template_schema();
/// A text that holds a time.
const Schema* time_schema();
inline FieldOptions time_field(bool additive = false) {
  return {.additive = additive, .schema = time_schema()};
}
inline FieldOptions pod_template_field() {
  return with_schema(pod_template_schema(), true);
}

template <class T>
Result<T> decode(const json::object& from, std::string_view where) {
  T out;
  if (auto r = struct_info<T>().read(from, std::string(where), out); !r) return r.error();
  return out;
}

template <class T>
json::object encode(const T& from) {
  return struct_info<T>().write(from);
}

}  // namespace sedna::api
