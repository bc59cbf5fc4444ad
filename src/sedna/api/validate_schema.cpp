#include "sedna/api/validate_schema.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/api/field_path.hpp"
#include "sedna/api/object.hpp"

namespace sedna::api {

namespace {

using Type = Schema::Type;

void walk(const json::value& v, const Schema& schema, const FieldPath& path, FieldErrors& errors);

std::string_view wanted_word(Type type) {
  switch (type) {
    case Type::kObject:
      return "object";
    case Type::kArray:
      return "array";
    case Type::kString:
      return "string";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kIntOrString:
      return "integer,string";
    case Type::kAny:
      break;
  }
  return "";
}

bool is_whole(const json::value& v) {
  return v.is_int64() || v.is_uint64() ||
         (v.is_double() && std::isfinite(v.get_double()) && std::trunc(v.get_double()) == v.get_double());
}

bool has_type(const json::value& v, Type type) {
  switch (type) {
    case Type::kAny:
      return true;
    case Type::kObject:
      return v.is_object();
    case Type::kArray:
      return v.is_array();
    case Type::kString:
      return v.is_string();
    case Type::kInteger:
      return is_whole(v);
    case Type::kNumber:
      return v.is_number();
    case Type::kBoolean:
      return v.is_bool();
    case Type::kIntOrString:
      return is_whole(v) || v.is_string();
  }
  return false;
}

double as_double(const json::value& v) {
  if (v.is_double()) return v.get_double();
  return v.is_int64() ? static_cast<double>(v.get_int64()) : static_cast<double>(v.get_uint64());
}

void check_number(const json::value& v, const Schema& schema, const FieldPath& at, FieldErrors& errors) {
  if (!schema.minimum || as_double(v) >= *schema.minimum) return;
  const bool whole = *schema.minimum == std::trunc(*schema.minimum);
  const json::value bound =
      whole ? json::value(static_cast<std::int64_t>(*schema.minimum)) : json::value(*schema.minimum);
  const std::string path = at.text();
  errors.push_back(
      invalid(path, json::write(v), path + " in body should be greater than or equal to " + json::write(bound)));
}

void check_text(const json::value& v, const Schema& schema, const FieldPath& at, FieldErrors& errors) {
  const std::string_view text = v.get_string();
  if (schema.format == "date-time" && !parse_time(text)) {
    const std::string path = at.text();
    errors.push_back(
        type_invalid(path, in_quotes(text), path + " in body must be of type date-time: " + in_quotes(text)));
  }
  if (!schema.enumeration.empty() && std::ranges::find(schema.enumeration, text) == schema.enumeration.end()) {
    std::vector<std::string_view> words(schema.enumeration.begin(), schema.enumeration.end());
    errors.push_back(not_supported(at.text(), text, words));
  }
}

void check_object(const json::object& o, const Schema& schema, const FieldPath& at, FieldErrors& errors) {
  for (const auto& p : schema.properties) {
    const auto* member = o.if_contains(p.name);
    if (member != nullptr) {
      walk(*member, *p.schema, {at, p.name}, errors);
    } else if (p.required) {
      errors.push_back(required(FieldPath(at, p.name).text()));
    }
  }
  if (schema.values != nullptr) {
    for (const auto& member : o) {
      if (schema.find(member.key()) == nullptr) walk(member.value(), *schema.values, {at, member.key()}, errors);
    }
  }
  for (const auto& rule : schema.rules) {
    if (rule.holds != nullptr && !rule.holds(o))
      errors.push_back(invalid(at.text(), in_quotes("object"), rule.message));
  }
}

void walk(const json::value& v, const Schema& schema, const FieldPath& at, FieldErrors& errors) {
  if (!has_type(v, schema.type)) {
    const std::string found = in_quotes(openapi_type(v)), path = at.text();
    std::string detail = path + " in body must be of type ";
    detail.append(wanted_word(schema.type)).append(": ").append(found);
    errors.push_back(type_invalid(path, found, detail));
  } else if (v.is_object()) {
    check_object(v.get_object(), schema, at, errors);
  } else if (v.is_array()) {
    const auto& list = v.get_array();
    if (list.size() < schema.min_items) {
      const std::string path = at.text();
      errors.push_back(invalid(path, std::to_string(list.size()),
                               path + " in body should have at least " + std::to_string(schema.min_items) + " items"));
    }
    if (schema.items == nullptr) return;
    for (std::size_t i = 0; i < list.size(); ++i) walk(list[i], *schema.items, {at, i}, errors);
  } else if (v.is_string()) {
    check_text(v, schema, at, errors);
  } else if (v.is_number()) {
    check_number(v, schema, at, errors);
  }
}

}  // namespace

std::string_view openapi_type(const json::value& v) {
  if (v.is_null()) return "null";
  if (v.is_object()) return "object";
  if (v.is_array()) return "array";
  if (v.is_string()) return "string";
  if (v.is_bool()) return "boolean";
  return v.is_double() ? "number" : "integer";
}

void validate_schema(const json::value& v, const Schema& schema, std::string_view path, FieldErrors& errors) {
  const FieldPath root;
  walk(v, schema, {root, path}, errors);
}

}  // namespace sedna::api
