// Deployments and their autoscalers.
#include <array>
#include <charconv>

#include "sedna/api/core_walk.hpp"
#include "sedna/api/names.hpp"
#include "sedna/api/selector.hpp"
#include "sedna/api/validate_core.hpp"
#include "sedna/api/validate_metadata.hpp"

namespace sedna::api {

namespace {

bool is_percent(std::string_view text) {
  if (text.size() < 2 || text.back() != '%') return false;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

/// A count or a share: maxSurge, maxUnavailable. Returns true when it is zero.
bool check_share(const json::object& o, std::string_view name, const std::string& path, bool at_most_all,
                 FieldErrors& errors) {
  const auto* v = o.if_contains(name);
  const std::string here = path + "." + std::string(name);
  if (v == nullptr) return true;
  if (v->is_int64()) {
    if (v->get_int64() < 0) {
      errors.push_back(invalid(here, std::to_string(v->get_int64()), "must be greater than or equal to 0"));
    }
    return v->get_int64() == 0;
  }
  if (!v->is_string()) return false;
  const std::string_view text = v->get_string();
  if (!is_percent(text)) {
    errors.push_back(
        invalid_text(here, text,
                     "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  "
                     "or '93%', regex used for validation is '[0-9]+%')"));
    return false;
  }
  int percent = 0;
  std::from_chars(text.data(), text.data() + text.size() - 1, percent);
  if (at_most_all && percent > 100) errors.push_back(invalid_text(here, text, "must not be greater than 100%"));
  return percent == 0;
}

void validate_label_selector(const json::object& selector, const std::string& path, FieldErrors& errors) {
  if (const auto* labels = object_in(selector, "matchLabels")) validate_labels(*labels, path + ".matchLabels", errors);
  each_in(selector, "matchExpressions", path, [&](const json::object& e, const std::string& here) {
    const auto op = text_in(e, "operator"), key = text_in(e, "key");
    const auto* values = array_in(e, "values");
    const bool empty = values == nullptr || values->empty();
    if (op == "In" || op == "NotIn") {
      if (empty) {
        errors.push_back(required(here + ".values", "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!empty) {
        errors.push_back(
            forbidden(here + ".values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
    } else {
      errors.push_back(invalid_text(here + ".operator", op, "not a valid selector operator"));
    }
    add_invalid(errors, here + ".key", key, qualified_name_faults(key));
    for (std::size_t i = 0; !empty && i < values->size(); ++i) {
      if (!(*values)[i].is_string()) continue;
      const std::string_view value = (*values)[i].get_string();
      add_invalid(errors, here + ".values[" + std::to_string(i) + "]", value, label_value_faults(value));
    }
  });
}

void check_strategy(const json::object& spec, FieldErrors& errors) {
  const auto* strategy = object_in(spec, "strategy");
  if (strategy == nullptr) return;
  const auto type = text_in(*strategy, "type");
  const auto* rolling = object_in(*strategy, "rollingUpdate");
  if (type == "Recreate") {
    if (rolling != nullptr) {
      errors.push_back(
          forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"));
    }
  } else if (type != "RollingUpdate") {
    static constexpr std::array<std::string_view, 2> kTypes{"Recreate", "RollingUpdate"};
    FieldError error = not_supported("spec.strategy", {}, kTypes);
    json::object shown{{"Type", type},
                       {"RollingUpdate", rolling == nullptr ? json::value(nullptr) : json::value(*rolling)}};
    error.message.replace(error.message.find("\"\""), 2, json::write(shown));
    errors.push_back(std::move(error));
  } else if (rolling != nullptr) {
    const std::string path = "spec.strategy.rollingUpdate";
    const bool no_surge = check_share(*rolling, "maxSurge", path, false, errors);
    const bool none_unavailable = check_share(*rolling, "maxUnavailable", path, true, errors);
    if (none_unavailable && no_surge) {
      const auto* v = rolling->if_contains("maxUnavailable");
      errors.push_back(
          invalid(path + ".maxUnavailable", v == nullptr ? "0" : json::write(*v), "may not be 0 when `maxSurge` is 0"));
    }
  }
}

void check_template(const json::object& spec, const LabelSelector* selector, FieldErrors& errors) {
  static const json::object kEmpty;
  const auto* pod_template = object_in(spec, "template");
  if (pod_template == nullptr) pod_template = &kEmpty;
  const auto* metadata = object_in(*pod_template, "metadata");
  if (metadata == nullptr) metadata = &kEmpty;
  const auto* labels = object_in(*metadata, "labels");
  if (selector == nullptr || (!selector->empty() && !selector->matches_labels(labels))) {
    errors.push_back(invalid("spec.template.metadata.labels", labels == nullptr ? "null" : json::write(*labels),
                             "`selector` does not match template `labels`"));
  }
  validate_template_metadata(*metadata, "spec.template", errors);  // Kubernetes leaves "metadata" out here
  const auto* pod = object_in(*pod_template, "spec");
  validate_pod_spec(pod == nullptr ? kEmpty : *pod, "spec.template.spec", errors);
  if (pod == nullptr) return;
  if (const auto policy = text_in(*pod, "restartPolicy"); policy == "Never" || policy == "OnFailure") {
    static constexpr std::array<std::string_view, 1> kAlways{"Always"};
    errors.push_back(not_supported("spec.template.spec.restartPolicy", policy, kAlways));
  }
  if (pod->contains("activeDeadlineSeconds")) {
    errors.push_back(
        forbidden("spec.template.spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported"));
  }
}

}  // namespace

void validate_deployment(const Object& object, const Object* old, FieldErrors& errors) {
  static const json::object kEmpty;
  const auto* spec = object_in(object, "spec");
  if (spec == nullptr) spec = &kEmpty;
  check_not_negative(*spec, "replicas", "spec", errors);
  const auto* raw = object_in(*spec, "selector");
  std::optional<LabelSelector> selector;
  bool bad_selector = false;
  if (raw == nullptr) {
    errors.push_back(required("spec.selector"));
  } else {
    const std::size_t before = errors.size();
    validate_label_selector(*raw, "spec.selector", errors);
    if (auto parsed = LabelSelector::from_json(*raw)) selector = std::move(*parsed);
    if (selector && selector->empty()) {
      errors.push_back(invalid("spec.selector", json::write(*raw), "empty selector is invalid for deployment"));
    }
    bad_selector = errors.size() > before || !selector;
    if (bad_selector && !(selector && selector->empty())) {
      errors.push_back(invalid("spec.selector", json::write(*raw), "invalid label selector"));
    }
  }
  static const LabelSelector kAnything;
  check_template(*spec, bad_selector ? &kAnything : selector ? &*selector : nullptr, errors);
  check_strategy(*spec, errors);
  check_not_negative(*spec, "minReadySeconds", "spec", errors);
  check_not_negative(*spec, "revisionHistoryLimit", "spec", errors);
  const auto deadline = int_in(*spec, "progressDeadlineSeconds");
  if (deadline && *deadline <= int_in(*spec, "minReadySeconds").value_or(0)) {
    errors.push_back(
        invalid("spec.progressDeadlineSeconds", std::to_string(*deadline), "must be greater than minReadySeconds"));
  }
  if (old == nullptr || raw == nullptr) return;
  const auto* before = object_at(*old, {"spec", "selector"});
  if (before != nullptr && *before != *raw) {
    errors.push_back(invalid("spec.selector", json::write(*raw), "field is immutable"));
  }
}

void validate_autoscaler(const Object& object, FieldErrors& errors) {
  static const json::object kEmpty;
  const auto* spec = object_in(object, "spec");
  if (spec == nullptr) spec = &kEmpty;
  const auto least = int_in(*spec, "minReplicas"), most = int_in(*spec, "maxReplicas");
  if (least && *least < 1) {
    errors.push_back(invalid("spec.minReplicas", std::to_string(*least), "must be greater than or equal to 1"));
  }
  if (least && *least == 0) {
    errors.push_back(forbidden(
        "spec.metrics", "must specify at least one Object or External metric to support scaling to zero replicas"));
  }
  if (most.value_or(0) < 1) {
    errors.push_back(invalid("spec.maxReplicas", std::to_string(most.value_or(0)), "must be greater than 0"));
  }
  if (least && most.value_or(0) < *least) {
    errors.push_back(invalid("spec.maxReplicas", std::to_string(most.value_or(0)),
                             "must be greater than or equal to `minReplicas`"));
  }
  const auto* target = object_in(*spec, "scaleTargetRef");
  if (target == nullptr) target = &kEmpty;
  for (const std::string_view name : {"kind", "name"}) {
    if (text_in(*target, name).empty()) errors.push_back(required("spec.scaleTargetRef." + std::string(name)));
  }
  const auto version = text_in(*target, "apiVersion");
  if (version.find('/') == std::string_view::npos) {
    errors.push_back(invalid_text("spec.scaleTargetRef.apiVersion", version, "apiVersion must specify API group"));
  }
}

}  // namespace sedna::api
