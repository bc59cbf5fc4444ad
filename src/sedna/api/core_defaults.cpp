#include "sedna/api/core_defaults.hpp"

#include <initializer_list>

#include "sedna/api/admission.hpp"
#include "sedna/api/quantity.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/base/base64.hpp"

namespace sedna::api {

namespace {

void put(json::object& o, std::string_view name, json::value v) {
  o.emplace(name, std::move(v));
}

json::object& sub(json::object& o, std::string_view name) {
  json::value& v = o[name];
  if (!v.is_object()) v.emplace_object();
  return v.get_object();
}

json::object* object_in(json::object& o, std::string_view name) {
  auto* v = o.if_contains(name);
  return v == nullptr ? nullptr : v->if_object();
}

/// Calls f for each object of a list.
template <class F>
void each(json::object& o, std::string_view list, F f) {
  auto* v = o.if_contains(list);
  if (v == nullptr || !v->is_array()) return;
  for (auto& item : v->get_array()) {
    if (item.is_object()) f(item.get_object());
  }
}

std::string_view text_at(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

bool true_at(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_bool() && v->get_bool();
}

/// Tag :latest and no tag are always pulled.
std::string_view pull_policy(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return "IfNotPresent";
  const auto slash = image.rfind('/');
  const auto colon = image.rfind(':');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return !tagged || image.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

void field_ref(json::object& holder) {
  if (auto* ref = object_in(holder, "fieldRef")) put(*ref, "apiVersion", "v1");
}

void handler(json::object& h) {
  if (auto* http = object_in(h, "httpGet")) {
    put(*http, "path", "/");
    put(*http, "scheme", "HTTP");
  }
}

void probe(json::object& container, std::string_view name) {
  auto* p = object_in(container, name);
  if (p == nullptr) return;
  handler(*p);
  if (auto* grpc = object_in(*p, "grpc")) put(*grpc, "service", "");
  put(*p, "timeoutSeconds", 1);
  put(*p, "periodSeconds", 10);
  put(*p, "successThreshold", 1);
  put(*p, "failureThreshold", 3);
}

void container(json::object& c, bool host_network) {
  put(c, "imagePullPolicy", json::value(pull_policy(text_at(c, "image"))));
  put(c, "terminationMessagePath", "/dev/termination-log");
  put(c, "terminationMessagePolicy", "File");
  put(c, "resources", json::object());
  each(c, "ports", [&](json::object& port) {
    put(port, "protocol", "TCP");
    if (const auto* number = port.if_contains("containerPort"); host_network && number != nullptr) {
      put(port, "hostPort", *number);
    }
  });
  each(c, "env", [](json::object& env) {
    if (auto* from = object_in(env, "valueFrom")) field_ref(*from);
  });
  for (const auto name : {"livenessProbe", "readinessProbe", "startupProbe"}) probe(c, name);
  if (auto* lifecycle = object_in(c, "lifecycle")) {
    for (const auto name : {"postStart", "preStop"}) {
      if (auto* h = object_in(*lifecycle, name)) handler(*h);
    }
  }
}

void volume(json::object& v) {
  if (v.size() == 1 && v.contains("name")) put(v, "emptyDir", json::object());
  if (auto* host = object_in(v, "hostPath")) put(*host, "type", "");
  for (const auto name : {"configMap", "secret", "downwardAPI", "projected"}) {
    if (auto* source = object_in(v, name)) put(*source, "defaultMode", 420);
  }
  if (auto* down = object_in(v, "downwardAPI")) each(*down, "items", field_ref);
  if (auto* projected = object_in(v, "projected")) {
    each(*projected, "sources", [](json::object& source) {
      if (auto* token = object_in(source, "serviceAccountToken")) put(*token, "expirationSeconds", 3600);
      if (auto* down = object_in(source, "downwardAPI")) each(*down, "items", field_ref);
    });
  }
}

/// Limits without requests are requests too (of Pods; templates stay as they are).
void requests_from_limits(json::object& c) {
  auto* resources = object_in(c, "resources");
  if (resources == nullptr) return;
  const auto* found = object_in(*resources, "limits");
  if (found == nullptr || found->empty()) return;
  const json::object limits = *found;  // a new member may move those that are there
  json::object& requests = sub(*resources, "requests");
  for (const auto& member : limits) put(requests, member.key(), member.value());
}

bool has_toleration(const json::object& spec, std::string_view key) {
  const auto* list = spec.if_contains("tolerations");
  if (list == nullptr || !list->is_array()) return false;
  for (const auto& t : list->get_array()) {
    if (!t.is_object()) continue;
    const auto effect = text_at(t.get_object(), "effect");
    const auto own = text_at(t.get_object(), "key");
    if ((own == key || own.empty()) && (effect == "NoExecute" || effect.empty())) return true;
  }
  return false;
}

/// What the admission plug-ins DefaultTolerationSeconds and Priority add.
void pod_admission(json::object& spec) {
  for (const std::string_view key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    if (has_toleration(spec, key)) continue;
    json::value& list = spec["tolerations"];
    if (!list.is_array()) list.emplace_array();
    list.get_array().push_back(
        json::object{{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
  }
  put(spec, "priority", 0);
  put(spec, "preemptionPolicy", "PreemptLowerPriority");
}

void pod_defaults(Object& pod) {
  auto* spec = object_in(pod, "spec");
  if (spec == nullptr) return;
  set_pod_spec_defaults(*spec);
  put(*spec, "enableServiceLinks", true);
  each(*spec, "containers", requests_from_limits);
  each(*spec, "initContainers", requests_from_limits);
  pod_admission(*spec);
}

void deployment_defaults(Object& deployment) {
  auto* spec = object_in(deployment, "spec");
  if (spec == nullptr) return;
  put(*spec, "replicas", 1);
  put(*spec, "revisionHistoryLimit", 10);
  put(*spec, "progressDeadlineSeconds", 600);
  json::object& strategy = sub(*spec, "strategy");
  put(strategy, "type", "RollingUpdate");
  if (text_at(strategy, "type") == "RollingUpdate") {
    json::object& rolling = sub(strategy, "rollingUpdate");
    put(rolling, "maxUnavailable", "25%");
    put(rolling, "maxSurge", "25%");
  }
  if (auto* pod_template = object_in(*spec, "template")) {
    if (auto* pod = object_in(*pod_template, "spec")) set_pod_spec_defaults(*pod);
  }
  sub(deployment, "status");
}

void service_defaults(Object& service) {
  json::object* spec = &sub(service, "spec");
  put(*spec, "type", "ClusterIP");
  put(*spec, "sessionAffinity", "None");
  each(*spec, "ports", [&](json::object& port) {
    put(port, "protocol", "TCP");
    const auto* number = port.if_contains("port");
    auto* target = port.if_contains("targetPort");
    const bool unset = target == nullptr || (target->is_int64() && target->get_int64() == 0) ||
                       (target->is_string() && target->get_string().empty());
    if (unset && number != nullptr) {
      json::value copy = *number;  // a new member may move those that are there
      port["targetPort"] = std::move(copy);
    }
  });
  const auto type = std::string(text_at(*spec, "type"));
  if (type == "ExternalName") return;
  put(*spec, "internalTrafficPolicy", "Cluster");
  if (type == "NodePort" || type == "LoadBalancer") put(*spec, "externalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") put(*spec, "allocateLoadBalancerNodePorts", true);
  // Of a headless Service without a selector the families are not known.
  const bool headless = text_at(*spec, "clusterIP") == "None";
  const bool selects = object_in(*spec, "selector") != nullptr && !object_in(*spec, "selector")->empty();
  if (headless) put(*spec, "clusterIPs", json::array{"None"});
  put(*spec, "ipFamilies", headless && !selects ? json::array{"IPv4", "IPv6"} : json::array{"IPv4"});
  put(*spec, "ipFamilyPolicy", headless && !selects ? "RequireDualStack" : "SingleStack");
  put(sub(service, "status"), "loadBalancer", json::object());
}

json::object scaling_policy(std::string_view type, int value) {
  return {{"type", type}, {"value", value}, {"periodSeconds", 15}};
}

void autoscaler_defaults(Object& hpa) {
  json::object* spec = &sub(hpa, "spec");
  put(*spec, "minReplicas", 1);
  const auto* metrics = spec->if_contains("metrics");
  if (metrics == nullptr || !metrics->is_array() || metrics->get_array().empty()) {
    (*spec)["metrics"] = json::array{json::object{
        {"type", "Resource"},
        {"resource", json::object{{"name", "cpu"},
                                  {"target", json::object{{"type", "Utilization"}, {"averageUtilization", 80}}}}}}};
  }
  if (auto* behavior = object_in(*spec, "behavior")) {
    json::object& up = sub(*behavior, "scaleUp");
    put(up, "stabilizationWindowSeconds", 0);
    put(up, "selectPolicy", "Max");
    put(up, "policies", json::array{scaling_policy("Pods", 4), scaling_policy("Percent", 100)});
    json::object& down = sub(*behavior, "scaleDown");
    put(down, "selectPolicy", "Max");
    put(down, "policies", json::array{scaling_policy("Percent", 100)});
  }
  json::object& status = sub(hpa, "status");
  put(status, "desiredReplicas", 0);
  put(status, "currentMetrics", nullptr);
}

void secret_defaults(Object& secret) {
  put(secret, "type", "Opaque");
  const auto* found = object_in(secret, "stringData");
  if (found == nullptr) return;
  const json::object plain = *found;  // a new member may move those that are there
  json::object& data = sub(secret, "data");
  for (const auto& member : plain) {
    if (member.value().is_string()) data[member.key()] = base64_encode(std::string_view(member.value().get_string()));
  }
  secret.erase("stringData");
}

void event_defaults(Object& event) {
  put(event, "source", json::object());
  for (const auto name : {"firstTimestamp", "lastTimestamp", "eventTime"}) put(event, name, nullptr);
  put(event, "reportingComponent", "");
  put(event, "reportingInstance", "");
}

/// "1000m" is stored as "1", as Kubernetes prints every quantity.
void canonical_quantities(json::value& v, const Schema& schema) {
  if (schema.type == Schema::Type::kAny && schema.format == "quantity") {
    if (const auto q = Quantity::from_json(v)) v = json::value(std::string_view(q->canonical()));
  } else if (v.is_array() && schema.items != nullptr) {
    for (auto& item : v.get_array()) canonical_quantities(item, *schema.items);
  } else if (v.is_object()) {
    for (auto& member : v.get_object()) {
      const Property* p = schema.find(member.key());
      const Schema* next = p != nullptr ? p->schema : schema.values;
      if (next != nullptr) canonical_quantities(member.value(), *next);
    }
  }
}

void endpoint_slice_defaults(Object& slice) {
  each(slice, "endpoints", [](json::object& endpoint) { put(endpoint, "conditions", json::object()); });
  each(slice, "ports", [](json::object& port) {
    put(port, "name", "");
    put(port, "protocol", "TCP");
  });
}

}  // namespace

void set_pod_spec_defaults(json::object& spec) {
  const bool host_network = true_at(spec, "hostNetwork");
  put(spec, "restartPolicy", "Always");
  put(spec, "dnsPolicy", "ClusterFirst");
  put(spec, "terminationGracePeriodSeconds", 30);
  put(spec, "securityContext", json::object());
  put(spec, "schedulerName", "default-scheduler");
  each(spec, "containers", [&](json::object& c) { container(c, host_network); });
  each(spec, "initContainers", [&](json::object& c) { container(c, host_network); });
  each(spec, "volumes", volume);
}

void set_core_defaults(const Kind& kind, Object& object) {
  const bool holds_quantities = &kind == &kinds::kPod || &kind == &kinds::kDeployment || &kind == &kinds::kNode ||
                                &kind == &kinds::kHorizontalPodAutoscaler;
  if (holds_quantities) {
    json::value root = std::move(object);
    canonical_quantities(root, schema_of(kind));
    object = std::move(root.get_object());
  }
  if (&kind == &kinds::kPod) return pod_defaults(object);
  if (&kind == &kinds::kDeployment) return deployment_defaults(object);
  if (&kind == &kinds::kService) return service_defaults(object);
  if (&kind == &kinds::kHorizontalPodAutoscaler) return autoscaler_defaults(object);
  if (&kind == &kinds::kSecret) return secret_defaults(object);
  if (&kind == &kinds::kEvent) return event_defaults(object);
  if (&kind == &kinds::kLease) return put(object, "spec", json::object());
  if (&kind == &kinds::kEndpointSlice) return endpoint_slice_defaults(object);
}

}  // namespace sedna::api
