// What Go's decoder refuses before anything is validated.
#include <algorithm>

#include "sedna/api/admission.hpp"
#include "sedna/api/field_path.hpp"
#include "sedna/api/quantity.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/api/validate_schema.hpp"
#include "sedna/base/base64.hpp"

namespace sedna::api {

namespace {

using Type = Schema::Type;

std::string go_type(const Schema& s) {
  switch (s.type) {
    case Type::kString:
      return "string";
    case Type::kInteger:
      return s.format.empty() ? "int" : s.format;
    case Type::kNumber:
      return "float64";
    case Type::kBoolean:
      return "bool";
    case Type::kArray:
      return "[]" + (s.items == nullptr ? "interface {}" : go_type(*s.items));
    case Type::kObject:
      if (s.values != nullptr) return "map[string]" + go_type(*s.values);
      return "v1." + s.name;
    case Type::kAny:
    case Type::kIntOrString:
      break;
  }
  return "v1." + s.name;
}

std::string_view json_type(const json::value& v) {
  const auto type = openapi_type(v);
  return type == "integer" ? "number" : type == "boolean" ? "bool" : type;
}

class Decoder {
 public:
  std::optional<std::string> run(const json::value& v, const Schema& schema, const std::string& holder,
                                 const FieldPath& path) {
    if (v.is_null()) return std::nullopt;
    switch (schema.type) {
      case Type::kObject:
        return v.is_object() ? members(v.get_object(), schema, holder, path) : fault(v, schema, holder, path);
      case Type::kArray:
        return array(v, schema, holder, path);
      case Type::kString:
        return text(v, schema, holder, path);
      case Type::kBoolean:
        return v.is_bool() ? std::nullopt : fault(v, schema, holder, path);
      case Type::kNumber:
        return v.is_number() ? std::nullopt : fault(v, schema, holder, path);
      case Type::kInteger:
        return integer(v, schema, holder, path);
      case Type::kIntOrString:
        return v.is_int64() || v.is_string() ? std::nullopt : fault(v, schema, holder, path);
      case Type::kAny:
        if (schema.format == "quantity") return quantity(v);
        return std::nullopt;
    }
    return std::nullopt;
  }

  /// Not for a value of another type.
  std::optional<std::string> members(const json::object& o, const Schema& schema, const std::string& holder,
                                     const FieldPath& path) {
    const std::string& self = schema.name.empty() ? holder : schema.name;
    for (const auto& member : o) {
      const Property* p = schema.find(member.key());
      const Schema* next = p != nullptr ? p->schema : schema.values;
      if (next == nullptr) continue;
      // Map keys and indexes are not part of Go's path.
      const FieldPath below(path, p == nullptr ? std::string_view() : std::string_view(p->name));
      if (auto f = run(member.value(), *next, self, p == nullptr ? path : below)) return f;
    }
    return std::nullopt;
  }

 private:
  static std::optional<std::string> fault(const json::value& v, const Schema& schema, const std::string& holder,
                                          const FieldPath& path) {
    std::string out = "json: cannot unmarshal ";
    out.append(json_type(v)).append(" into Go struct field ").append(holder).append(".").append(path.text());
    return out.append(" of type ").append(go_type(schema));
  }

  std::optional<std::string> array(const json::value& v, const Schema& schema, const std::string& holder,
                                   const FieldPath& path) {
    if (!v.is_array()) return fault(v, schema, holder, path);
    if (schema.items == nullptr) return std::nullopt;
    for (const auto& item : v.get_array()) {
      if (auto f = run(item, *schema.items, holder, path)) return f;
    }
    return std::nullopt;
  }

  static std::optional<std::string> text(const json::value& v, const Schema& schema, const std::string& holder,
                                         const FieldPath& path) {
    if (!v.is_string()) return fault(v, schema, holder, path);
    const std::string_view t = v.get_string();
    if (schema.format == "date-time" && !parse_time(t)) {
      const std::string layout =
          schema.name == "MicroTime" ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00";
      return "parsing time " + in_quotes(t) + " as " + in_quotes(layout) + ": cannot parse " + in_quotes(t) +
             " as \"2006\"";
    }
    if (schema.format == "byte") {
      if (const auto bytes = base64_decode(t); !bytes) {
        const auto bad = std::ranges::find_if(t, [](char c) {
          return !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
                   c == '\n' || c == '\r');
        });
        return "illegal base64 data at input byte " + std::to_string(bad - t.begin());
      }
    }
    return std::nullopt;
  }

  static std::optional<std::string> integer(const json::value& v, const Schema& schema, const std::string& holder,
                                            const FieldPath& path) {
    if (!v.is_number()) return fault(v, schema, holder, path);
    const bool narrow = schema.format == "int32";
    if (!v.is_int64() || (narrow && v.get_int64() != static_cast<std::int32_t>(v.get_int64()))) {
      std::string out = "json: cannot unmarshal number " + json::write(v) + " into Go struct field ";
      return out.append(holder).append(".").append(path.text()).append(" of type ").append(go_type(schema));
    }
    return std::nullopt;
  }

  static std::optional<std::string> quantity(const json::value& v) {
    if (Quantity::from_json(v)) return std::nullopt;
    if (v.is_string()) {
      return std::string(
          "quantities must match the regular expression "
          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    }
    return "quantities must be text or a number, found " + std::string(json_type(v));
  }
};

}  // namespace

std::optional<std::string> decode_fault(const Kind& kind, const Object& object) {
  const Schema& schema = schema_of(kind);
  std::optional<std::string> fault;
  Decoder decoder;
  const FieldPath root;
  if (kind.category == "sedna") {
    // Custom resources are free in form here, but for metadata; the rest is validated by schema.
    if (const auto* metadata = object.if_contains("metadata")) {
      const FieldPath below(root, "metadata");
      const bool object_or_null = metadata->is_object() || metadata->is_null();
      fault = decoder.run(*metadata, *schema.find("metadata")->schema, "ObjectMeta", object_or_null ? root : below);
    }
  } else {
    fault = decoder.members(object, schema, std::string(kind.kind), root);
  }
  if (!fault) return std::nullopt;
  std::string out(kind.kind);
  out.append(" in version ").append(in_quotes(kind.version)).append(" cannot be handled as a ").append(kind.kind);
  return out.append(": ").append(*fault);
}

}  // namespace sedna::api
