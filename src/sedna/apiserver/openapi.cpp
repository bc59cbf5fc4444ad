#include "sedna/apiserver/openapi.hpp"

#include <map>

#include "sedna/api/admission.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/apiserver/answers.hpp"
#include "sedna/base/sha256.hpp"

namespace sedna::apiserver {
namespace {

using api::Kind;
using api::Schema;

/// Writes schemas as OpenAPI, each named structure once.
class Components {
 public:
  explicit Components(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string add_kind(const Kind& kind) {
    const std::string name = prefix_ + std::string(kind.kind);
    json::object& body = define(name, api::schema_of(kind));
    body["x-kubernetes-group-version-kind"] =
        json::array{json::object{{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}}};
    return "#/components/schemas/" + name;
  }
  json::object take() { return std::move(schemas_); }

 private:
  json::object& define(const std::string& name, const Schema& schema) {
    names_[&schema] = name;
    schemas_[name] = json::object();  // known before its members, which may lead back to it
    json::object body = structure(schema);
    return (schemas_[name] = std::move(body)).get_object();
  }

  /// The schema itself, or a reference to it when it is a named structure.
  json::object use(const Schema& schema) {
    if (schema.type != Schema::Type::kObject || schema.name.empty() || schema.properties.empty()) {
      return structure(schema);
    }
    auto known = names_.find(&schema);
    if (known == names_.end()) {
      std::string name = prefix_ + schema.name;
      while (schemas_.contains(name)) name += "_";
      define(name, schema);
      known = names_.find(&schema);
    }
    return {{"allOf", json::array{json::object{{"$ref", "#/components/schemas/" + known->second}}}}};
  }

  json::object structure(const Schema& schema) {
    json::object out;
    if (!schema.doc.empty()) out["description"] = schema.doc;
    switch (schema.type) {
      case Schema::Type::kAny:
        out["x-kubernetes-preserve-unknown-fields"] = true;
        break;
      case Schema::Type::kObject:
        out["type"] = "object";
        members(schema, out);
        break;
      case Schema::Type::kArray:
        out["type"] = "array";
        list(schema, out);
        break;
      case Schema::Type::kString:
        out["type"] = "string";
        break;
      case Schema::Type::kInteger:
        out["type"] = "integer";
        break;
      case Schema::Type::kNumber:
        out["type"] = "number";
        break;
      case Schema::Type::kBoolean:
        out["type"] = "boolean";
        break;
      case Schema::Type::kIntOrString:
        out["x-kubernetes-int-or-string"] = true;
        out["oneOf"] = json::array{json::object{{"type", "string"}}, json::object{{"type", "number"}}};
        break;
    }
    if (!schema.format.empty() && schema.format != "quantity") out["format"] = schema.format;
    if (schema.minimum) out["minimum"] = *schema.minimum;
    if (!schema.enumeration.empty()) {
      json::array values;
      for (const std::string& value : schema.enumeration) values.emplace_back(value);
      out["enum"] = std::move(values);
    }
    return out;
  }

  void members(const Schema& schema, json::object& out) {
    if (schema.preserve_unknown) out["x-kubernetes-preserve-unknown-fields"] = true;
    if (schema.values != nullptr) out["additionalProperties"] = use(*schema.values);
    if (schema.properties.empty()) return;
    json::object properties;
    json::array required;
    for (const api::Property& property : schema.properties) {
      json::object body = property.schema == nullptr ? json::object() : use(*property.schema);
      if (!property.doc.empty()) body["description"] = property.doc;
      if (property.default_value) body["default"] = *property.default_value;
      if (property.schema != nullptr) patch_keys(*property.schema, body);
      properties[property.name] = std::move(body);
      if (property.required) required.emplace_back(property.name);
    }
    out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
  }

  void list(const Schema& schema, json::object& out) {
    out["items"] = schema.items == nullptr ? json::object() : use(*schema.items);
    if (schema.list_type == Schema::ListType::kUnsaid) return;
    out["x-kubernetes-list-type"] = schema.list_type == Schema::ListType::kMap   ? "map"
                                    : schema.list_type == Schema::ListType::kSet ? "set"
                                                                                 : "atomic";
    if (schema.list_keys.empty()) return;
    json::array keys;
    for (const std::string& key : schema.list_keys) keys.emplace_back(key);
    out["x-kubernetes-list-map-keys"] = std::move(keys);
  }

  static void patch_keys(const Schema& schema, json::object& out) {
    using Strategy = Schema::PatchStrategy;
    if (schema.patch_strategy != Strategy::kReplace) {
      out["x-kubernetes-patch-strategy"] = schema.patch_strategy == Strategy::kMerge        ? "merge"
                                           : schema.patch_strategy == Strategy::kRetainKeys ? "retainKeys"
                                                                                            : "merge,retainKeys";
    }
    if (!schema.merge_key.empty()) out["x-kubernetes-patch-merge-key"] = schema.merge_key;
  }

  const std::string prefix_;
  json::object schemas_;
  std::map<const Schema*, std::string> names_;
};

json::object operation(const Kind& kind, std::string_view action, const std::string& ref, bool body) {
  json::object out;
  out["x-kubernetes-action"] = action;
  out["x-kubernetes-group-version-kind"] =
      json::object{{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}};
  if (body) {
    json::array parameters;
    for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
      parameters.push_back(json::object{{"name", name}, {"in", "query"}, {"schema", json::object{{"type", "string"}}}});
    }
    out["parameters"] = std::move(parameters);
  }
  const json::object content{{"application/json", json::object{{"schema", json::object{{"$ref", ref}}}}}};
  out["responses"] = json::object{{"200", json::object{{"description", "OK"}, {"content", content}}}};
  return out;
}

json::object document(const GroupVersion& gv) {
  std::string prefix = gv.group.empty() ? "io.k8s.api.core." : "io.k8s.api." + gv.group + ".";
  if (gv.group == "sedna.io") prefix = "io.sedna.";
  Components components(prefix + gv.version + ".");
  json::object paths;
  for (const Kind* kind : api::all_kinds()) {
    if (kind->group != gv.group || kind->version != gv.version) continue;
    const std::string ref = components.add_kind(*kind);
    const std::string all = kind->path(kind->namespaced ? "{namespace}" : "");
    paths[all] =
        json::object{{"get", operation(*kind, "list", ref, false)}, {"post", operation(*kind, "post", ref, true)}};
    json::object one{{"get", operation(*kind, "get", ref, false)},
                     {"put", operation(*kind, "put", ref, true)},
                     {"patch", operation(*kind, "patch", ref, true)},
                     {"delete", operation(*kind, "delete", ref, false)}};
    paths[all + "/{name}"] = one;
    if (kind->has_status) paths[all + "/{name}/status"] = std::move(one);
  }
  return {{"openapi", "3.0.0"},
          {"info", json::object{{"title", "Sedna"}, {"version", "v1.34.4"}}},
          {"paths", std::move(paths)},
          {"components", json::object{{"schemas", components.take()}}}};
}

/// The documents are made when they are asked for; only their digests, which clients cache by, are kept.
const std::string& index_document() {
  static const auto* const text = [] {
    json::object paths;
    for (const GroupVersion& gv : group_versions()) {
      const std::string digest = sha256_hex(json::write(document(gv)));
      paths[gv.path()] = json::object{{"serverRelativeURL", "/openapi/v3/" + gv.path() + "?hash=" + digest}};
    }
    return new std::string(json::write(json::object{{"paths", std::move(paths)}}));
  }();
  return *text;
}

}  // namespace

std::optional<serve::Response> openapi_response(std::string_view path) {
  constexpr std::string_view kRoot = "/openapi/v3";
  if (path == kRoot) return serve::Response::json(200, index_document());
  for (const GroupVersion& gv : group_versions()) {
    if (path == std::string(kRoot) + "/" + gv.path()) return json_response(200, document(gv));
  }
  return std::nullopt;
}

}  // namespace sedna::apiserver
