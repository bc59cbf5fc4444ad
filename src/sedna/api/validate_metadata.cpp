#include "sedna/api/validate_metadata.hpp"

#include <algorithm>

#include "sedna/api/names.hpp"

namespace sedna::api {

namespace {

constexpr std::size_t kMaxAnnotations = std::size_t{256} << 10;

std::string_view text_at(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

Faults name_faults(const Kind& kind, std::string_view name) {
  if (&kind == &kinds::kEvent) return {};  // Events are named after times and the like
  if (&kind == &kinds::kNamespace) return dns1123_label_faults(name);
  if (&kind == &kinds::kService) return dns1035_label_faults(name);
  return dns1123_subdomain_faults(name);
}

void check_name(const Kind& kind, const json::object& metadata, FieldErrors& errors) {
  const auto name = text_at(metadata, "name");
  const auto prefix = text_at(metadata, "generateName");
  if (!prefix.empty()) {
    // As the name will be: a trailing dash is followed by random letters.
    std::string whole(prefix);
    if (whole.ends_with('-')) whole.back() = 'a';
    add_invalid(errors, "metadata.generateName", prefix, name_faults(kind, whole));
  }
  if (name.empty()) {
    if (prefix.empty()) errors.push_back(required("metadata.name", "name or generateName is required"));
  } else {
    add_invalid(errors, "metadata.name", name, name_faults(kind, name));
  }
  const auto ns = text_at(metadata, "namespace");
  if (kind.namespaced) {
    if (ns.empty()) {
      errors.push_back(required("metadata.namespace"));
    } else {
      add_invalid(errors, "metadata.namespace", ns, dns1123_label_faults(ns));
    }
  } else if (!ns.empty()) {
    errors.push_back(forbidden("metadata.namespace", "not allowed on this type"));
  }
}

void check_annotations(const json::object& metadata, const std::string& path, FieldErrors& errors) {
  const auto* v = metadata.if_contains("annotations");
  if (v == nullptr || !v->is_object()) return;
  std::size_t bytes = 0;
  for (const auto& member : v->get_object()) {
    std::string key(member.key());
    bytes += key.size() + (member.value().is_string() ? member.value().get_string().size() : 0);
    std::ranges::transform(key, key.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    add_invalid(errors, path, member.key(), qualified_name_faults(key));
  }
  if (bytes > kMaxAnnotations) {
    errors.push_back(
        {"FieldValueTooLong", path, "Too long: may not be more than " + std::to_string(kMaxAnnotations) + " bytes"});
  }
}

void check_owners(const json::object& metadata, FieldErrors& errors) {
  const auto* v = metadata.if_contains("ownerReferences");
  if (v == nullptr || !v->is_array()) return;
  std::vector<std::string> controllers;
  for (const json::value& entry : v->get_array()) {
    if (!entry.is_object()) continue;
    const json::object& owner = entry.get_object();
    // Kubernetes' path has no index here.
    for (const std::string_view name : {"apiVersion", "kind", "name", "uid"}) {
      if (!text_at(owner, name).empty()) continue;
      errors.push_back(invalid_text("metadata.ownerReferences." + std::string(name), "",
                                    name == "apiVersion" ? "version must not be empty" : "must not be empty"));
    }
    const auto* controller = owner.if_contains("controller");
    if (controller != nullptr && controller->is_bool() && controller->get_bool()) {
      controllers.push_back(std::string(text_at(owner, "kind")) + "/" + std::string(text_at(owner, "name")));
    }
  }
  if (controllers.size() > 1) {
    errors.push_back(invalid("metadata.ownerReferences", json::write(*v),
                             "Only one reference can have Controller set to true. Found \"true\" in references for " +
                                 controllers[0] + " and " + controllers[1]));
  }
}

void check_finalizers(const Kind& kind, const json::object& metadata, FieldErrors& errors) {
  const auto* v = metadata.if_contains("finalizers");
  if (v == nullptr || !v->is_array()) return;
  for (std::size_t i = 0; i < v->get_array().size(); ++i) {
    if (!v->get_array()[i].is_string()) continue;
    const std::string_view name = v->get_array()[i].get_string();
    const std::string path = "metadata.finalizers[" + std::to_string(i) + "]";
    if (!add_invalid(errors, "metadata.finalizers", name, qualified_name_faults(name)) && kind.category != "sedna" &&
        name.find('/') == std::string_view::npos && name != "orphan" && name != "foregroundDeletion" &&
        name != "kubernetes") {
      errors.push_back(invalid_text(path, name, "name is neither a standard finalizer name nor is it fully qualified"));
    }
  }
}

}  // namespace

void validate_labels(const json::object& labels, const std::string& path, FieldErrors& errors) {
  for (const auto& member : labels) {
    add_invalid(errors, path, member.key(), qualified_name_faults(member.key()));
    if (!member.value().is_string()) continue;
    const std::string_view value = member.value().get_string();
    add_invalid(errors, path, value, label_value_faults(value));
  }
}

void validate_template_metadata(const json::object& metadata, const std::string& path, FieldErrors& errors) {
  if (const auto* labels = metadata.if_contains("labels"); labels != nullptr && labels->is_object()) {
    validate_labels(labels->get_object(), path + ".labels", errors);
  }
  check_annotations(metadata, path + ".annotations", errors);
}

void validate_metadata(const Kind& kind, const Object& object, FieldErrors& errors) {
  const auto* metadata = object_at(object, {"metadata"});
  if (metadata == nullptr) {
    errors.push_back(required("metadata.name", "name or generateName is required"));
    return;
  }
  check_name(kind, *metadata, errors);
  validate_template_metadata(*metadata, "metadata", errors);
  check_owners(*metadata, errors);
  check_finalizers(kind, *metadata, errors);
}

}  // namespace sedna::api
