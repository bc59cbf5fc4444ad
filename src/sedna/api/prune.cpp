// What the server takes away and adds before validation: nulls, unknown fields, defaults.
#include <algorithm>

#include "sedna/api/admission.hpp"
#include "sedna/api/core_defaults.hpp"
#include "sedna/api/field_path.hpp"
#include "sedna/api/schema.hpp"

namespace sedna::api {

namespace {

std::string unknown_text(const FieldPath& path) {
  return "unknown field " + in_quotes(path.text());
}

void prune(json::value& v, const Schema& schema, const FieldPath& path, std::vector<std::string>& unknown) {
  if (v.is_array() && schema.type == Schema::Type::kArray && schema.items != nullptr) {
    json::array& list = v.get_array();
    for (std::size_t i = 0; i < list.size(); ++i) prune(list[i], *schema.items, {path, i}, unknown);
    return;
  }
  if (!v.is_object() || schema.type != Schema::Type::kObject) return;
  std::vector<std::string> gone;
  for (auto& member : v.get_object()) {
    const std::string_view name = member.key();
    const FieldPath here(path, name);
    if (const Property* p = schema.find(name)) {
      if (member.value().is_null()) {
        gone.emplace_back(name);  // no field of ours is nullable: null is as good as absent
      } else {
        prune(member.value(), *p->schema, here, unknown);
      }
    } else if (schema.values != nullptr) {
      prune(member.value(), *schema.values, here, unknown);
    } else if (!schema.preserve_unknown) {
      unknown.push_back(unknown_text(here));
      gone.emplace_back(name);
    }
  }
  for (const auto& name : gone) v.get_object().stable_erase(name);
}

/// What prune() would tell, with nothing removed.
void find_unknown(const json::value& v, const Schema& schema, const FieldPath& path,
                  std::vector<std::string>& unknown) {
  if (v.is_array() && schema.items != nullptr) {
    const json::array& list = v.get_array();
    for (std::size_t i = 0; i < list.size(); ++i) find_unknown(list[i], *schema.items, {path, i}, unknown);
  } else if (v.is_object() && schema.type == Schema::Type::kObject) {
    for (const auto& member : v.get_object()) {
      const FieldPath here(path, member.key());
      const Property* p = schema.find(member.key());
      const Schema* next = p != nullptr ? p->schema : schema.values;
      if (next != nullptr) {
        find_unknown(member.value(), *next, here, unknown);
      } else if (!schema.preserve_unknown) {
        unknown.push_back(unknown_text(here));
      }
    }
  }
}

/// Kubernetes' own types leave empty lists and maps out when they are written.
void drop_empty(json::value& v, const Schema& schema) {
  if (v.is_array() && schema.items != nullptr) {
    for (json::value& item : v.get_array()) drop_empty(item, *schema.items);
    return;
  }
  if (!v.is_object() || schema.type != Schema::Type::kObject) return;
  std::vector<std::string> gone;
  for (auto& member : v.get_object()) {
    const Property* p = schema.find(member.key());
    if (p == nullptr) continue;
    drop_empty(member.value(), *p->schema);
    const bool empty_list = member.value().is_array() && member.value().get_array().empty();
    const bool empty_map =
        p->schema->values != nullptr && member.value().is_object() && member.value().get_object().empty();
    if (!p->required && (empty_list || empty_map)) gone.emplace_back(member.key());
  }
  for (const std::string& name : gone) v.get_object().stable_erase(name);
}

void set_defaults(json::value& v, const Schema& schema) {
  if (v.is_object() && schema.type == Schema::Type::kObject) {
    json::object& o = v.get_object();
    for (const auto& p : schema.properties) {
      if (auto* member = o.if_contains(p.name)) {
        set_defaults(*member, *p.schema);
      } else if (p.default_value) {
        o[p.name] = *p.default_value;
      }
    }
    if (schema.values != nullptr) {
      for (auto& member : o) {
        if (schema.find(member.key()) == nullptr) set_defaults(member.value(), *schema.values);
      }
    }
  } else if (v.is_array() && schema.type == Schema::Type::kArray && schema.items != nullptr) {
    for (auto& item : v.get_array()) set_defaults(item, *schema.items);
  }
}

/// Unknown fields inside what Sedna's kinds keep as written, told by the core structure it should be.
void collect_hints(const json::value& v, const Schema& schema, const FieldPath& path, std::vector<std::string>& hints) {
  if (!schema.embeds.empty()) {
    std::vector<std::string> unknown;
    if (const Schema* core = core_structure(schema.embeds)) find_unknown(v, *core, path, unknown);
    for (auto& text : unknown) hints.push_back(std::move(text) + " (kept as written; Kubernetes knows no such field)");
  } else if (v.is_object()) {
    for (const auto& member : v.get_object()) {
      const Property* p = schema.find(member.key());
      if (p != nullptr) collect_hints(member.value(), *p->schema, {path, member.key()}, hints);
    }
  } else if (v.is_array() && schema.items != nullptr) {
    const json::array& list = v.get_array();
    for (std::size_t i = 0; i < list.size(); ++i) collect_hints(list[i], *schema.items, {path, i}, hints);
  }
}

}  // namespace

void prune_and_default(const Kind& kind, Object& object, std::vector<std::string>& unknown,
                       std::vector<std::string>* hints) {
  const Schema& schema = schema_of(kind);
  json::value root = std::move(object);
  const std::size_t before = unknown.size();
  prune(root, schema, {}, unknown);
  // Of core kinds they are told in the order in which they stand; of custom resources metadata first, the rest sorted.
  if (kind.category == "sedna") {
    const auto rank = [](const std::string& text) {
      return std::pair(!text.starts_with("unknown field \"metadata."), std::string_view(text));
    };
    std::sort(unknown.begin() + static_cast<std::ptrdiff_t>(before), unknown.end(),
              [&rank](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  }
  if (kind.category != "sedna") {
    drop_empty(root, schema);
  } else if (json::value* metadata = root.get_object().if_contains("metadata")) {
    drop_empty(*metadata, *schema.find("metadata")->schema);
  }
  set_defaults(root, schema);
  if (hints != nullptr && kind.category == "sedna") collect_hints(root, schema, {}, *hints);
  object = std::move(root.get_object());
  set_core_defaults(kind, object);
}

std::string strict_message(const Kind& kind, const std::vector<std::string>& unknown) {
  std::string out(kind.kind);
  out.append(" in version ").append(in_quotes(kind.version)).append(" cannot be handled as a ").append(kind.kind);
  out.append(": strict decoding error: ");
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(unknown[i]);
  }
  return out;
}

}  // namespace sedna::api
