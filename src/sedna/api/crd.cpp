#include <algorithm>

#include "sedna/api/admission.hpp"
#include "sedna/api/generated_files.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::api {

namespace {

using Type = Schema::Type;

json::object render(const Schema& schema, std::string_view doc);

void render_object(const Schema& schema, json::object& out) {
  out["type"] = "object";
  if (schema.values != nullptr) {
    out["additionalProperties"] = render(*schema.values, {});
    return;
  }
  json::object properties;
  json::array required;
  for (const auto& p : schema.properties) {
    json::object rendered = render(*p.schema, p.doc);
    if (p.default_value) rendered["default"] = *p.default_value;
    properties[p.name] = std::move(rendered);
    if (p.required) required.push_back(json::value(p.name));
  }
  if (!properties.empty()) out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
  if (schema.preserve_unknown) out["x-kubernetes-preserve-unknown-fields"] = true;
  if (schema.rules.empty()) return;
  json::array rules;
  for (const auto& rule : schema.rules) rules.push_back(json::object{{"rule", rule.cel}, {"message", rule.message}});
  out["x-kubernetes-validations"] = std::move(rules);
}

json::object render(const Schema& schema, std::string_view doc) {
  json::object out;
  if (const std::string_view text = doc.empty() ? std::string_view(schema.doc) : doc; !text.empty()) {
    out["description"] = text;
  }
  switch (schema.type) {
    case Type::kObject:
      render_object(schema, out);
      break;
    case Type::kArray:
      out["type"] = "array";
      if (schema.items != nullptr) out["items"] = render(*schema.items, {});
      if (schema.min_items > 0) out["minItems"] = schema.min_items;
      break;
    case Type::kString:
      out["type"] = "string";
      break;
    case Type::kInteger:
      out["type"] = "integer";
      break;
    case Type::kNumber:
      out["type"] = "number";
      break;
    case Type::kBoolean:
      out["type"] = "boolean";
      break;
    case Type::kIntOrString:
      out["x-kubernetes-int-or-string"] = true;
      break;
    case Type::kAny:
      out["x-kubernetes-preserve-unknown-fields"] = true;
      break;
  }
  if (!schema.format.empty()) out["format"] = schema.format;
  if (schema.minimum) out["minimum"] = json::value(static_cast<std::int64_t>(*schema.minimum));
  if (!schema.enumeration.empty()) {
    json::array words;
    for (const auto& word : schema.enumeration) words.push_back(json::value(word));
    out["enum"] = std::move(words);
  }
  return out;
}

json::object root_schema(const Kind& kind) {
  Schema root = schema_of(kind);
  // The server knows what metadata holds; a CRD may say no more than that it is an object.
  std::erase_if(root.properties, [](const Property& p) { return p.name == "metadata"; });
  json::object out = render(root, {});
  out["properties"].get_object()["metadata"] = json::object{{"type", "object"}};
  return out;
}

json::array columns(const Kind& kind) {
  json::array out;
  for (const auto& c : printer_columns(kind)) {
    json::object column{{"name", c.name}, {"type", c.type}, {"jsonPath", c.json_path}, {"description", c.doc}};
    if (c.priority != 0) column["priority"] = c.priority;
    out.push_back(std::move(column));
  }
  return out;
}

}  // namespace

json::object custom_resource_definition(const Kind& kind) {
  json::array short_names;
  for (const auto word : kind.short_names) short_names.push_back(json::value(word));
  json::object names{{"kind", kind.kind},
                     {"listKind", kind.list_kind()},
                     {"plural", kind.plural},
                     {"singular", kind.singular},
                     {"shortNames", std::move(short_names)},
                     {"categories", json::array{json::value(kind.category)}}};
  json::object version{{"name", kind.version},
                       {"served", true},
                       {"storage", true},
                       {"additionalPrinterColumns", columns(kind)},
                       {"subresources", json::object{{"status", json::object()}}},
                       {"schema", json::object{{"openAPIV3Schema", root_schema(kind)}}}};
  std::string name(kind.plural);
  name.append(".").append(kind.group);
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", json::object{{"name", name}}},
          {"spec", json::object{{"group", kind.group},
                                {"names", std::move(names)},
                                {"scope", "Namespaced"},
                                {"versions", json::array{std::move(version)}}}}};
}

std::string crd_file(const Kind& kind) {
  return "# Generated from src/sedna/api (SEDNA_UPDATE_FILES=1 api_test); do not edit.\n" +
         json::write_yaml(custom_resource_definition(kind));
}

}  // namespace sedna::api
