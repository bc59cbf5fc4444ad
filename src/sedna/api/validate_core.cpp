#include "sedna/api/validate_core.hpp"

#include <algorithm>
#include <array>

#include "sedna/api/core_walk.hpp"
#include "sedna/api/names.hpp"
#include "sedna/base/base64.hpp"

namespace sedna::api {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

/// Everything but `immutable` stays as it was once that was set.
void check_immutable(const Object& object, const Object& old, FieldErrors& errors) {
  if (!true_at(old, "immutable")) return;
  const auto changed = [&](std::string_view name) {
    const auto *a = object.if_contains(name), *b = old.if_contains(name);
    return (a == nullptr) != (b == nullptr) || (a != nullptr && *a != *b);
  };
  if (!true_at(object, "immutable")) {
    errors.push_back(forbidden("immutable", "field is immutable when `immutable` is set"));
  }
  for (const std::string_view name : {"data", "binaryData"}) {
    if (changed(name)) errors.push_back(forbidden(std::string(name), "field is immutable when `immutable` is set"));
  }
}

void check_keys(const Object& object, std::string_view name, FieldErrors& errors, std::size_t& bytes) {
  const auto* data = object_in(object, name);
  if (data == nullptr) return;
  for (const auto& member : *data) {
    add_invalid(errors, std::string(name) + "[" + std::string(member.key()) + "]", member.key(),
                config_key_faults(member.key()));
    if (member.value().is_string()) bytes += member.value().get_string().size();
  }
}

void check_config_map(const Object& object, const Object* old, FieldErrors& errors) {
  std::size_t bytes = 0;
  check_keys(object, "data", errors, bytes);
  check_keys(object, "binaryData", errors, bytes);
  const auto *data = object_in(object, "data"), *binary = object_in(object, "binaryData");
  if (data != nullptr && binary != nullptr) {
    for (const auto& member : *binary) {
      if (data->contains(member.key())) {
        errors.push_back(invalid_text("data[" + std::string(member.key()) + "]", member.key(),
                                      "duplicate of key present in binaryData"));
      }
    }
  }
  if (bytes > kMaxConfigBytes) errors.push_back(too_long("", kMaxConfigBytes));
  if (old != nullptr) check_immutable(object, *old, errors);
}

void check_secret(const Object& object, const Object* old, FieldErrors& errors) {
  std::size_t bytes = 0;
  check_keys(object, "data", errors, bytes);
  if (bytes / 4 * 3 > kMaxConfigBytes) errors.push_back(too_long("data", kMaxConfigBytes));
  const auto need = [&](std::string_view key) {
    const auto* data = object_in(object, "data");
    if (data == nullptr || !data->contains(key)) errors.push_back(required("data[" + std::string(key) + "]"));
  };
  const auto type = text_in(object, "type");
  if (type == "kubernetes.io/tls") {
    need("tls.crt");
    need("tls.key");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    need(".dockerconfigjson");
  }
  if (old == nullptr) return;
  if (type != text_in(*old, "type")) errors.push_back(invalid_text("type", type, "field is immutable"));
  check_immutable(object, *old, errors);
}

void check_event(const Object& object, FieldErrors& errors) {
  const auto* involved = object_in(object, "involvedObject");
  const auto ns = involved == nullptr ? std::string_view() : text_in(*involved, "namespace");
  const auto own = namespace_of(object);
  const Kind* kind =
      involved == nullptr ? nullptr : find_kind(text_in(*involved, "apiVersion"), text_in(*involved, "kind"));
  const bool cluster = ns.empty() && (own == "default" || (kind != nullptr && !kind->namespaced));
  if (ns != own && !cluster) {
    errors.push_back(invalid_text("involvedObject.namespace", ns, "does not match event.namespace"));
  }
}

void check_lease(const Object& object, FieldErrors& errors) {
  const auto* spec = object_in(object, "spec");
  if (spec == nullptr) return;
  if (const auto seconds = int_in(*spec, "leaseDurationSeconds"); seconds && *seconds <= 0) {
    errors.push_back(invalid("spec.leaseDurationSeconds", std::to_string(*seconds), "must be greater than 0"));
  }
  if (const auto count = int_in(*spec, "leaseTransitions"); count && *count < 0) {
    errors.push_back(invalid("spec.leaseTransitions", std::to_string(*count), "must be greater than or equal to 0"));
  }
}

void check_node(const Object& object, FieldErrors& errors) {
  static constexpr std::array<std::string_view, 3> kEffects{"NoSchedule", "PreferNoSchedule", "NoExecute"};
  const auto* spec = object_in(object, "spec");
  if (spec == nullptr) return;
  // Kubernetes says "metadata" here, where the field is in the spec.
  each_in(*spec, "taints", "metadata", [&](const json::object& taint, const std::string& here) {
    const auto key = text_in(taint, "key"), value = text_in(taint, "value"), effect = text_in(taint, "effect");
    add_invalid(errors, here + ".key", key, qualified_name_faults(key));
    add_invalid(errors, here + ".value", value, label_value_faults(value));
    if (effect.empty()) {
      errors.push_back(required(here + ".effect"));
    } else if (std::ranges::find(kEffects, effect) == kEffects.end()) {
      errors.push_back(not_supported(here + ".effect", effect, kEffects));
    }
  });
}

void check_pod(const Object& object, FieldErrors& errors) {
  const auto* spec = object_in(object, "spec");
  static const json::object kEmpty;
  validate_pod_spec(spec == nullptr ? kEmpty : *spec, "spec", errors);
}

}  // namespace

void validate_core(const Kind& kind, const Object& object, const Object* old, FieldErrors& errors) {
  if (&kind == &kinds::kPod) {
    if (old == nullptr) return check_pod(object, errors);
    return validate_pod_update(object, *old, errors);
  }
  if (&kind == &kinds::kDeployment) return validate_deployment(object, old, errors);
  if (&kind == &kinds::kHorizontalPodAutoscaler) return validate_autoscaler(object, errors);
  if (&kind == &kinds::kService) return validate_service(object, old, errors);
  if (&kind == &kinds::kEndpointSlice) return validate_endpoint_slice(object, old, errors);
  if (&kind == &kinds::kConfigMap) return check_config_map(object, old, errors);
  if (&kind == &kinds::kSecret) return check_secret(object, old, errors);
  if (&kind == &kinds::kEvent) return check_event(object, errors);
  if (&kind == &kinds::kNode) return check_node(object, errors);
  if (&kind == &kinds::kLease) return check_lease(object, errors);
}

}  // namespace sedna::api
