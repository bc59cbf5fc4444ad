// The reference pages under docs/reference/.
#include "sedna/api/admission.hpp"
#include "sedna/api/generated_files.hpp"
#include "sedna/api/schema.hpp"

namespace sedna::api {

namespace {

/// Text for a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string type_cell(const Schema& schema) {
  if (!schema.embeds.empty()) return "pod template";
  if (schema.type == Schema::Type::kObject && schema.values == nullptr) return "object";
  if (schema.type == Schema::Type::kArray && schema.items != nullptr)
    return "list of " + type_cell(*schema.items) + "s";
  if (schema.values != nullptr) return "map of " + type_cell(*schema.values) + "s";
  return schema.type_name();
}

void rows(const Schema& schema, const std::string& path, std::string& out) {
  if (!schema.embeds.empty()) return;
  for (const auto& p : schema.properties) {
    const std::string here = path.empty() ? p.name : path + "." + p.name;
    const bool list = p.schema->type == Schema::Type::kArray;
    out.append("| `").append(here).append(list ? "[]" : "").append("` | ").append(type_cell(*p.schema)).append(" | ");
    if (p.required) out.append("yes");
    if (p.default_value) out.append("default `").append(json::write(*p.default_value)).append("`");
    out.append(" | ").append(cell(p.doc));
    if (p.schema->minimum) {
      out.append(" At least ").append(std::to_string(static_cast<std::int64_t>(*p.schema->minimum))).append(".");
    }
    if (p.additive) out.append(" *Not in KubeEdge's CRD.*");
    out.append(" |\n");
    const Schema* inner = list ? p.schema->items : p.schema;
    if (inner != nullptr && inner->type == Schema::Type::kObject) rows(*inner, here + (list ? "[]" : ""), out);
  }
}

std::string table(const Schema& schema, std::string_view name) {
  const Property* part = schema.find(name);
  if (part == nullptr) return {};
  std::string out = "\n## " + std::string(name) + "\n\n| field | type | required | meaning |\n|---|---|---|---|\n";
  rows(*part->schema, std::string(name), out);
  for (const auto& rule : part->schema->rules) out.append("\nRule: ").append(rule.message).append("\n");
  return out;
}

std::string short_names(const Kind& kind) {
  std::string out;
  for (const auto word : kind.short_names) out.append(out.empty() ? "`" : ", `").append(word).append("`");
  return out;
}

}  // namespace

std::string reference_page(const Kind& kind, std::string_view sample) {
  const Schema& schema = schema_of(kind);
  std::string out = "<!-- Generated from src/sedna/api (SEDNA_UPDATE_FILES=1 api_test); do not edit. -->\n# ";
  out.append(kind.kind).append("\n\n").append(schema.doc).append("\n\n");
  out.append("`").append(kind.api_version()).append("`, plural `").append(kind.plural).append("`, short name ");
  out.append(short_names(kind)).append(", category `").append(kind.category).append("`, namespaced.\n\n```yaml\n");
  out.append(sample).append("```\n");
  out.append(table(schema, "spec")).append(table(schema, "status"));
  out.append("\n## Columns of `get`\n\n| column | from | meaning |\n|---|---|---|\n");
  for (const auto& c : printer_columns(kind)) {
    out.append("| ").append(c.name).append(c.priority != 0 ? " (`-o wide`)" : "").append(" | `");
    out.append(c.json_path).append("` | ").append(cell(c.doc)).append(" |\n");
  }
  return out;
}

std::string reference_index() {
  std::string out =
      "<!-- Generated from src/sedna/api (SEDNA_UPDATE_FILES=1 api_test); do not edit. -->\n# Reference of the "
      "kinds\n\n"
      "Every kind of `sedna.io/v1alpha1`. Fields that KubeEdge's CRDs do not have are marked; the rest is the same, so "
      "that its manifests work unchanged. Pod templates are kept as they are written.\n\n"
      "| kind | short name | what it is |\n|---|---|---|\n";
  for (const Kind* kind : all_kinds()) {
    if (kind->category != "sedna") continue;
    out.append("| [").append(kind->kind).append("](").append(kind->singular).append(".md) | ");
    out.append(short_names(*kind)).append(" | ").append(cell(schema_of(*kind).doc)).append(" |\n");
  }
  out.append(
      "\nThe same as CustomResourceDefinitions: `deploy/crds/`; install them with `kubectl apply -f "
      "deploy/crds/`. On one machine `sedna up` serves them without that.\n");
  return out;
}

}  // namespace sedna::api
