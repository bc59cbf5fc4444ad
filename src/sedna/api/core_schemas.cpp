// The core kinds' schemas, read once from the recorded file (tools/record_core_schemas.py), which is compiled in.
#include "sedna/api/core_schemas.hpp"

#include <map>

#include "sedna/base/error.hpp"

namespace sedna::api {

namespace {

std::string_view text_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

std::vector<std::string> texts_of(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* v = o.if_contains(name); v != nullptr && v->is_array()) {
    for (const auto& item : v->get_array()) out.emplace_back(std::string_view(item.get_string()));
  }
  return out;
}

/// What Go's generator writes for every field that is no pointer; nothing that a server sets.
bool is_zero(const json::value& v) {
  if (v.is_object()) return v.get_object().empty();
  if (v.is_string()) return v.get_string().empty();
  if (v.is_int64()) return v.get_int64() == 0;
  return v.is_bool() && !v.get_bool();
}

class Loader {
 public:
  explicit Loader(const json::object& recorded) : types_(recorded.at("types").get_object()) {}

  const Schema* type(std::string_view name) {
    const auto found = done_.find(name);
    if (found != done_.end()) return found->second;
    const auto* source = types_.if_contains(name);
    SEDNA_CHECK(source != nullptr && source->is_object());
    const Schema* s = build(source->get_object(), name);
    done_.emplace(name, s);
    return s;
  }

  void load_all() {
    for (const auto& member : types_) type(member.key());
  }
  std::map<std::string, const Schema*, std::less<>> take() { return std::move(done_); }

 private:
  const Schema* build(const json::object& source, std::string_view name) {
    if (const auto ref = text_of(source, "$ref"); !ref.empty()) {
      const Schema* target = type(ref);
      if (text_of(source, "patch-strategy").empty()) return target;
      Schema* own = new_schema(target->type);
      *own = *target;
      set_patch(*own, source);
      return own;
    }
    Schema* s = new_schema(type_of(source));
    s->name = name.substr(name.rfind('.') + 1);
    s->format = source.contains("oneOf") && s->type == Schema::Type::kAny ? "quantity" : text_of(source, "format");
    s->enumeration = texts_of(source, "enum");
    s->list_keys = texts_of(source, "list-map-keys");
    const auto list_type = text_of(source, "list-type");
    s->list_type = list_type == "map"      ? Schema::ListType::kMap
                   : list_type == "set"    ? Schema::ListType::kSet
                   : list_type == "atomic" ? Schema::ListType::kAtomic
                                           : Schema::ListType::kUnsaid;
    set_patch(*s, source);
    if (const auto* items = source.if_contains("items")) s->items = build(items->get_object(), {});
    if (const auto* values = source.if_contains("additionalProperties"); values != nullptr && values->is_object()) {
      s->values = build(values->get_object(), {});
    }
    const auto required = texts_of(source, "required");
    if (const auto* properties = source.if_contains("properties")) {
      for (const auto& member : properties->get_object()) {
        s->properties.push_back(property(member.key(), member.value().get_object(), required));
      }
    }
    s->preserve_unknown = s->type == Schema::Type::kObject && s->properties.empty() && s->values == nullptr;
    return s;
  }

  Property property(std::string_view name, const json::object& source, const std::vector<std::string>& required) {
    Property p;
    p.name = name;
    p.schema = build(source, {});
    for (const auto& r : required) p.required |= r == name;
    if (const auto* v = source.if_contains("default"); v != nullptr && !is_zero(*v)) p.default_value = *v;
    return p;
  }

  static void set_patch(Schema& s, const json::object& source) {
    const auto strategy = text_of(source, "patch-strategy");
    using enum Schema::PatchStrategy;
    s.patch_strategy = strategy == "merge"              ? kMerge
                       : strategy == "retainKeys"       ? kRetainKeys
                       : strategy == "merge,retainKeys" ? kMergeRetainKeys
                                                        : kReplace;
    s.merge_key = text_of(source, "patch-merge-key");
  }

  static Schema::Type type_of(const json::object& source) {
    const auto type = text_of(source, "type");
    if (text_of(source, "format") == "int-or-string") return Schema::Type::kIntOrString;
    if (type == "object") return Schema::Type::kObject;
    if (type == "array") return Schema::Type::kArray;
    if (type == "string") return Schema::Type::kString;
    if (type == "integer") return Schema::Type::kInteger;
    if (type == "number") return Schema::Type::kNumber;
    if (type == "boolean") return Schema::Type::kBoolean;
    return Schema::Type::kAny;
  }

  const json::object& types_;
  std::map<std::string, const Schema*, std::less<>> done_;
};

struct CoreTypes {
  std::map<std::string, const Schema*, std::less<>> by_name;  ///< "core.v1.Container"
  std::map<std::string, std::string, std::less<>> kinds;      ///< "v1 Pod" → "core.v1.Pod"
};

const CoreTypes& core_types() {
  static const CoreTypes types = [] {
    const auto recorded = json::parse(kCoreSchemasText).value().get_object();
    CoreTypes out;
    for (const auto& member : recorded.at("kinds").get_object()) {
      out.kinds.emplace(member.key(), std::string_view(member.value().get_string()));
    }
    Loader loader(recorded);
    loader.load_all();
    out.by_name = loader.take();
    return out;
  }();
  return types;
}

}  // namespace

const Schema* core_kind_schema(std::string_view api_version, std::string_view kind) {
  const auto& types = core_types();
  const auto found = types.kinds.find(std::string(api_version) + " " + std::string(kind));
  return found == types.kinds.end() ? nullptr : types.by_name.at(found->second);
}

const Schema* core_structure(std::string_view name) {
  const auto& types = core_types().by_name;
  for (const std::string_view prefix : {"core.v1.", "meta.v1.", "apps.v1.", "autoscaling.v2.", ""}) {
    if (const auto found = types.find(std::string(prefix).append(name)); found != types.end()) return found->second;
  }
  return nullptr;
}

std::vector<std::pair<std::string, const Schema*>> core_structures() {
  std::vector<std::pair<std::string, const Schema*>> out;
  for (const auto& [name, schema] : core_types().by_name) out.emplace_back(name, schema);
  return out;
}

}  // namespace sedna::api
