#include "sedna/api/validate_schema.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/api/object.hpp"

namespace sedna::api {

namespace {

using Type = Schema::Type;

std::string child(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

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

void check_number(const json::value& v, const Schema& schema, const std::string& path, FieldErrors& errors) {
  if (schema.minimum && as_double(v) < *schema.minimum) {
    errors.push_back(invalid(path, shown_number(v),
                             path + " in body should be greater than or equal to " +
                                 json::write(*schema.minimum == std::trunc(*schema.minimum)
                                                 ? json::value(static_cast<std::int64_t>(*schema.minimum))
                                                 : json::value(*schema.minimum))));
  }
}

void check_text(const json::value& v, const Schema& schema, const std::string& path, FieldErrors& errors) {
  const std::string_view text = v.get_string();
  if (schema.format == "date-time" && !parse_time(text)) {
    errors.push_back(type_invalid(path, quoted(text), path + " in body must be of type date-time: " + quoted(text)));
  }
  if (!schema.enumeration.empty() && std::ranges::find(schema.enumeration, text) == schema.enumeration.end()) {
    std::vector<std::string_view> words(schema.enumeration.begin(), schema.enumeration.end());
    errors.push_back(not_supported(path, text, words));
  }
}

void check_object(const json::object& o, const Schema& schema, const std::string& path, FieldErrors& errors) {
  for (const auto& p : schema.properties) {
    const auto* member = o.if_contains(p.name);
    if (member != nullptr) {
      validate_schema(*member, *p.schema, child(path, p.name), errors);
    } else if (p.required) {
      errors.push_back(required(child(path, p.name)));
    }
  }
  if (schema.values != nullptr) {
    for (const auto& member : o) {
      if (schema.find(member.key()) == nullptr) {
        validate_schema(member.value(), *schema.values, child(path, member.key()), errors);
      }
    }
  }
  for (const auto& rule : schema.rules) {
    if (rule.holds != nullptr && !rule.holds(o)) errors.push_back(invalid(path, quoted("object"), rule.message));
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

std::string shown_number(const json::value& v) {
  return json::write(v);
}

void validate_schema(const json::value& v, const Schema& schema, const std::string& path, FieldErrors& errors) {
  if (!has_type(v, schema.type)) {
    const std::string found = quoted(openapi_type(v));
    std::string detail = path + " in body must be of type ";
    detail.append(wanted_word(schema.type)).append(": ").append(found);
    errors.push_back(type_invalid(path, found, detail));
    return;
  }
  if (v.is_object()) {
    check_object(v.get_object(), schema, path, errors);
  } else if (v.is_array()) {
    const auto& list = v.get_array();
    if (list.size() < schema.min_items) {
      errors.push_back(invalid(path, std::to_string(list.size()),
                               path + " in body should have at least " + std::to_string(schema.min_items) + " items"));
    }
    if (schema.items == nullptr) return;
    for (std::size_t i = 0; i < list.size(); ++i) {
      validate_schema(list[i], *schema.items, path + "[" + std::to_string(i) + "]", errors);
    }
  } else if (v.is_string()) {
    check_text(v, schema, path, errors);
  } else if (v.is_number()) {
    check_number(v, schema, path, errors);
  }
}

}  // namespace sedna::api
