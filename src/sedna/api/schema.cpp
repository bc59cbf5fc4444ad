#include "sedna/api/schema.hpp"

#include <deque>
#include <limits>
#include <mutex>

#include "sedna/api/describe.hpp"

namespace sedna::api {

const Property* Schema::find(std::string_view property) const {
  for (const auto& p : properties) {
    if (p.name == property) return &p;
  }
  return nullptr;
}

std::string Schema::type_name() const {
  switch (type) {
    case Type::kAny:
      return "any";
    case Type::kArray:
      return "[]" + (items == nullptr ? std::string("any") : items->type_name());
    case Type::kString:
      return format == "date-time" ? "time" : format == "quantity" ? "quantity" : "string";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kIntOrString:
      return "integer or string";
    case Type::kObject:
      break;
  }
  if (values != nullptr) return "map[string]" + values->type_name();
  return name.empty() ? "Object" : name;
}

const Schema* find_schema(const Schema& root, const std::vector<std::string>& path) {
  const Schema* at = &root;
  for (const auto& name : path) {
    while (at->type == Schema::Type::kArray && at->items != nullptr) at = at->items;
    const Property* p = at->find(name);
    if (p != nullptr) {
      at = p->schema;
    } else if (at->values != nullptr) {
      at = at->values;
    } else {
      return nullptr;
    }
  }
  return at;
}

Schema* new_schema(Schema::Type type) {
  static std::mutex mutex;
  static auto* const pool = new std::deque<Schema>();  // lives as long as the program, past static destructors
  const std::scoped_lock lock(mutex);
  pool->emplace_back();
  pool->back().type = type;
  return &pool->back();
}

namespace detail {

Error type_fault(const std::string& where, std::string_view wanted, const json::value& found) {
  return {ErrorCode::kInvalidArgument,
          "must be " + std::string(wanted) + ", found " + std::string(json::kind_name(found)), where};
}

Result<void> read_text(const json::value& v, const std::string& where, std::string& out) {
  if (!v.is_string()) return type_fault(where, "a string", v);
  out = std::string_view(v.get_string());
  return {};
}

Result<void> read_bool(const json::value& v, const std::string& where, bool& out) {
  if (!v.is_bool()) return type_fault(where, "a boolean", v);
  out = v.get_bool();
  return {};
}

Result<void> read_int(const json::value& v, const std::string& where, std::int64_t low, std::int64_t high,
                      std::int64_t& out) {
  if (!v.is_int64()) return type_fault(where, "an integer", v);
  if (v.get_int64() < low || v.get_int64() > high) {
    return Error(ErrorCode::kInvalidArgument, "must be between " + std::to_string(low) + " and " + std::to_string(high),
                 where);
  }
  out = v.get_int64();
  return {};
}

Result<void> read_double(const json::value& v, const std::string& where, double& out) {
  if (!v.is_number()) return type_fault(where, "a number", v);
  out = v.is_double()  ? v.get_double()
        : v.is_int64() ? static_cast<double>(v.get_int64())
                       : static_cast<double>(v.get_uint64());
  return {};
}

const Schema* plain_schema(Schema::Type type, std::string_view format) {
  Schema* s = new_schema(type);
  s->format = format;
  return s;
}

}  // namespace detail

namespace {

const Schema* text() {
  return detail::plain_schema(Schema::Type::kString, "");
}

Property property(std::string name, const Schema* schema, bool required = false) {
  Property p;
  p.name = std::move(name);
  p.schema = schema;
  p.required = required;
  return p;
}

/// An object that keeps what its properties do not name.
Schema* open_object(std::vector<Property> properties = {}) {
  Schema* s = new_schema(Schema::Type::kObject);
  s->preserve_unknown = true;
  s->properties = std::move(properties);
  return s;
}

const Schema* list_of(const Schema* items) {
  Schema* s = new_schema(Schema::Type::kArray);
  s->items = items;
  return s;
}

/// The mistakes that people make most: a number where a text belongs (env values), a port in quotes, a missing name.
const Schema* container_schema() {
  const Schema* env = open_object({property("name", text(), true), property("value", text())});
  const Schema* port =
      open_object({property("containerPort", detail::plain_schema(Schema::Type::kInteger, "int32"), true),
                   property("name", text())});
  const Schema* mount = open_object({property("name", text(), true), property("mountPath", text(), true)});
  return open_object({property("name", text(), true), property("image", text()), property("command", list_of(text())),
                      property("args", list_of(text())), property("env", list_of(env)),
                      property("ports", list_of(port)), property("volumeMounts", list_of(mount))});
}

const Schema* make_pod_template() {
  Schema* labels = new_schema(Schema::Type::kObject);
  labels->values = text();
  const Schema* metadata = open_object({property("labels", labels), property("annotations", labels)});
  const Schema* container = container_schema();
  const Schema* volume = open_object({property("name", text(), true)});
  const Schema* spec = open_object({property("containers", list_of(container), true),
                                    property("initContainers", list_of(container)), property("nodeName", text()),
                                    property("nodeSelector", labels), property("volumes", list_of(volume))});
  Schema* out = open_object({property("metadata", metadata), property("spec", spec)});
  out->name = "PodTemplateSpec";
  out->doc = "A pod template as in Kubernetes; kept as it is written.";
  out->embeds = "PodTemplateSpec";
  return out;
}

}  // namespace

const Schema* pod_template_schema() {
  static const Schema* const schema = make_pod_template();
  return schema;
}

const Schema* time_schema() {
  static const Schema* const schema = detail::plain_schema(Schema::Type::kString, "date-time");
  return schema;
}

}  // namespace sedna::api
