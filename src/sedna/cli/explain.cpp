#include "sedna/cli/explain.hpp"

#include <algorithm>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/error.hpp"
#include "sedna/cli/targets.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

/// One group version's OpenAPI document, with its schemas by reference.
class Document {
 public:
  explicit Document(json::value root) : root_(std::move(root)) {}

  const json::object* schema_of(const api::Kind& kind) const {
    const auto* schemas = api::object_at(root_.as_object(), {"components", "schemas"});
    if (schemas == nullptr) return nullptr;
    for (const auto& [name, schema] : *schemas) {
      if (!schema.is_object()) continue;
      const auto* kinds = api::array_at(schema.as_object(), {"x-kubernetes-group-version-kind"});
      if (kinds == nullptr) continue;
      for (const auto& k : *kinds) {
        if (!k.is_object()) continue;
        const json::object& o = k.as_object();
        if (api::string_at(o, {"kind"}) == kind.kind && api::string_at(o, {"group"}) == kind.group &&
            api::string_at(o, {"version"}) == kind.version) {
          return &schema.as_object();
        }
      }
    }
    return nullptr;
  }

  /// Follows $ref and a single allOf, as the documents nest them.
  const json::object* resolve(const json::object* schema) const {
    for (int depth = 0; schema != nullptr && depth < 16; ++depth) {
      std::string_view ref = api::string_at(*schema, {"$ref"});
      if (ref.empty()) {
        const auto* all = api::array_at(*schema, {"allOf"});
        if (all == nullptr || all->empty() || !all->front().is_object()) return schema;
        ref = api::string_at(all->front().as_object(), {"$ref"});
        if (ref.empty()) return &all->front().as_object();
      }
      const std::string_view name = ref.substr(ref.rfind('/') + 1);
      schema = api::object_at(root_.as_object(), {"components", "schemas", name});
    }
    return schema;
  }

 private:
  json::value root_;
};

std::string type_of(const Document& document, const json::object& schema) {
  const json::object* resolved = document.resolve(&schema);
  if (resolved == nullptr) return "<Object>";
  const std::string_view type = api::string_at(*resolved, {"type"});
  if (type == "array") {
    const auto* items = api::object_at(*resolved, {"items"});
    std::string inner = items != nullptr ? type_of(document, *items) : "<Object>";
    return "<[]" + inner.substr(1);
  }
  if (type == "object") {
    if (const auto* values = api::object_at(*resolved, {"additionalProperties"})) {
      const std::string inner = type_of(document, *values);
      return "<map[string]" + inner.substr(1);
    }
    return "<Object>";
  }
  if (type.empty()) {
    const auto* either = resolved->if_contains("x-kubernetes-int-or-string");
    return either != nullptr ? "<IntOrString>" : "<Object>";
  }
  return "<" + std::string(type) + ">";
}

/// The schema whose properties a field has: through arrays and maps.
const json::object* fields_of(const Document& document, const json::object* schema) {
  for (int depth = 0; depth < 16; ++depth) {
    schema = document.resolve(schema);
    if (schema == nullptr || schema->contains("properties")) return schema;
    const json::object* inner = api::object_at(*schema, {"items"});
    if (inner == nullptr) inner = api::object_at(*schema, {"additionalProperties"});
    if (inner == nullptr) return schema;
    schema = inner;
  }
  return schema;
}

std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  const std::string pad(indent, ' ');
  std::string line = pad;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find_first_of(" \n", at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(at, end - at);
    if (!word.empty()) {
      if (line.size() > indent && line.size() + 1 + word.size() > 100) {
        out += line + "\n";
        line = pad;
      }
      if (line.size() > indent) line += ' ';
      line += word;
    }
    at = end + 1;
  }
  return line.size() > indent ? out + line + "\n" : out;
}

void list_fields(std::string& out, const Console& console, const Document& document, const json::object* schema,
                 int indent, int levels) {
  const auto* properties = schema != nullptr ? api::object_at(*schema, {"properties"}) : nullptr;
  if (properties == nullptr) return;
  const auto* required = api::array_at(*schema, {"required"});
  std::vector<std::string_view> names;
  for (const auto& m : *properties) names.push_back(m.key());
  std::sort(names.begin(), names.end());
  const std::size_t pad = static_cast<std::size_t>(indent) * 2;
  for (const std::string_view name : names) {
    const json::value& value = properties->at(name);
    if (!value.is_object()) continue;
    const json::object& field = value.as_object();
    out.append(pad, ' ').append(console.styled(Style::kBold, name)).append("  ").append(type_of(document, field));
    const bool is_required = required != nullptr && std::any_of(required->begin(), required->end(), [&](const auto& r) {
                               return r.is_string() && std::string_view(r.as_string()) == name;
                             });
    if (is_required) out += " -required-";
    out += '\n';
    const json::object* below = fields_of(document, &field);
    if (levels > 1) {
      list_fields(out, console, document, below, indent + 1, levels - 1);
      continue;
    }
    std::string_view description = api::string_at(field, {"description"});
    if (description.empty() && below != nullptr) description = api::string_at(*below, {"description"});
    out += wrapped(description, pad + 2);
  }
}

}  // namespace

int list_kinds(Console& console, const Output& output) {
  TextTable table({"NAME", "SHORT", "APIVERSION", "NAMESPACED", "KIND"});
  json::array all;
  for (const api::Kind* kind : api::all_kinds()) {
    std::string short_name(kind->short_names.empty() ? "" : kind->short_names.front());
    all.push_back({{"name", kind->plural}, {"kind", kind->kind}, {"apiVersion", kind->api_version()}});
    table.add({std::string(kind->plural), short_name, kind->api_version(), kind->namespaced ? "true" : "false",
               std::string(kind->kind)});
  }
  if (output.is_table()) {
    console.out(table.render(console));
  } else {
    print_value(console, output, all);
  }
  return 0;
}

int explain(Cluster& cluster, Console& console, const ExplainOptions& options) {
  if (options.what.empty()) return list_kinds(console, options.output);
  const std::size_t dot = options.what.find('.');
  const auto targets = parse_targets(cluster, {options.what.substr(0, dot)});
  const api::Kind& kind = *targets.front().kind;
  const std::string path =
      (kind.group.empty() ? "api/" : "apis/" + std::string(kind.group) + "/") + std::string(kind.version);
  auto body = cluster.get("/openapi/v3/" + path, "application/json");
  if (!body) throw body.status().to_error();
  json::ParseOptions parse;
  parse.limits.max_depth = 256;
  const Document document(json::parse(*body, parse).value());
  const json::object* schema = document.schema_of(kind);
  if (schema == nullptr) {
    throw Error(ErrorCode::kNotFound, "the server describes no fields of it", std::string(kind.kind));
  }
  const json::object* field = schema;
  std::string walked;
  std::size_t from = dot == std::string::npos ? options.what.size() + 1 : dot + 1;
  while (from <= options.what.size()) {
    std::size_t end = options.what.find('.', from);
    if (end == std::string::npos) end = options.what.size();
    const std::string name = options.what.substr(from, end - from);
    const json::object* in = fields_of(document, field);
    const auto* next = in != nullptr ? api::object_at(*in, {"properties", name}) : nullptr;
    if (next == nullptr) {
      std::string known;
      if (const auto* properties = in != nullptr ? api::object_at(*in, {"properties"}) : nullptr) {
        for (const auto& m : *properties) known += (known.empty() ? "" : ", ") + std::string(m.key());
      }
      throw Error(
          ErrorCode::kNotFound,
          "there is no field '" + name + "'" + (known.empty() ? "; nothing is known below it" : "; there are " + known),
          std::string(kind.kind) + walked);
    }
    field = next;
    walked += "." + name;
    from = end + 1;
  }
  const json::object* resolved = document.resolve(field);
  if (!options.output.is_table()) {
    print_value(console, options.output, *resolved);
    return 0;
  }
  std::string out;
  if (!kind.group.empty()) out += "GROUP:      " + std::string(kind.group) + "\n";
  out += "KIND:       " + std::string(kind.kind) + "\nVERSION:    " + std::string(kind.version) + "\n\n";
  if (!walked.empty()) {
    out += "FIELD: " + walked.substr(walked.rfind('.') + 1) + " " + type_of(document, *field) + "\n\n";
  }
  std::string_view description = api::string_at(*field, {"description"});
  if (description.empty()) description = api::string_at(*resolved, {"description"});
  if (!description.empty()) out += "DESCRIPTION:\n" + wrapped(description, 4) + "\n";
  std::string fields;
  list_fields(fields, console, document, fields_of(document, field), 1, options.recursive ? 12 : 1);
  if (!fields.empty()) out += "FIELDS:\n" + fields;
  console.out(out);
  return 0;
}

}  // namespace sedna::cli
