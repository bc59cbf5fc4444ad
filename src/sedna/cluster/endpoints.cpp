#include "sedna/cluster/endpoints.hpp"

#include <algorithm>
#include <map>

#include "sedna/cluster/pods.hpp"
#include "sedna/cluster/rollout.hpp"

namespace sedna::cluster {

namespace {

/// The number behind a Service port's targetPort in this Pod; nothing when the Pod has no port of that name.
std::optional<std::int64_t> target_port(const json::object& port, const api::Object& pod) {
  const auto* target = port.if_contains("targetPort");
  if (target == nullptr || target->is_null()) return api::int_at(port, {"port"});
  if (target->is_int64()) return target->get_int64() != 0 ? target->get_int64() : api::int_at(port, {"port"});
  if (!target->is_string()) return std::nullopt;
  const auto* containers = api::array_at(pod, {"spec", "containers"});
  if (containers == nullptr) return std::nullopt;
  for (const auto& container : *containers) {
    const auto* ports = container.is_object() ? api::array_at(container.get_object(), {"ports"}) : nullptr;
    if (ports == nullptr) continue;
    for (const auto& p : *ports) {
      if (!p.is_object() || api::string_at(p.get_object(), {"name"}) != std::string_view(target->get_string()))
        continue;
      if (api::string_at(p.get_object(), {"protocol"}, "TCP") != api::string_at(port, {"protocol"}, "TCP")) continue;
      return api::int_at(p.get_object(), {"containerPort"});
    }
  }
  return std::nullopt;
}

json::array ports_for(const api::Object& service, const api::Object& pod) {
  json::array out;
  const auto* ports = api::array_at(service, {"spec", "ports"});
  if (ports == nullptr) return out;
  for (const auto& entry : *ports) {
    if (!entry.is_object()) continue;
    const auto& port = entry.get_object();
    const auto number = target_port(port, pod);
    if (!number) continue;
    json::object one{{"name", api::string_at(port, {"name"})},
                     {"port", *number},
                     {"protocol", api::string_at(port, {"protocol"}, "TCP")}};
    if (const auto app = api::string_at(port, {"appProtocol"}); !app.empty()) one["appProtocol"] = app;
    out.push_back(std::move(one));
  }
  return out;
}

json::object endpoint(const api::Object& pod, bool publish_not_ready) {
  const bool terminating = api::is_deleting(pod);
  const bool serving = is_ready(pod);
  json::object out{{"addresses", json::array{api::string_at(pod, {"status", "podIP"})}},
                   {"conditions",
                    {{"ready", publish_not_ready || (serving && !terminating)},
                     {"serving", publish_not_ready || serving},
                     {"terminating", terminating}}},
                   {"targetRef",
                    {{"kind", "Pod"},
                     {"name", api::name_of(pod)},
                     {"namespace", api::namespace_of(pod)},
                     {"uid", api::uid_of(pod)}}}};
  if (const auto node = api::string_at(pod, {"spec", "nodeName"}); !node.empty()) out["nodeName"] = node;
  if (const auto host = api::string_at(pod, {"spec", "hostname"}); !host.empty()) out["hostname"] = host;
  return out;
}

api::Object new_slice(const api::Object& service, json::array ports, json::array endpoints) {
  const std::string name = std::string(api::name_of(service)) + "-" +
                           template_hash(json::object{{"uid", api::uid_of(service)}, {"ports", ports}}).substr(0, 5);
  auto out = api::new_object(api::kinds::kEndpointSlice, api::namespace_of(service), name);
  auto& metadata = out["metadata"].as_object();
  json::object labels;
  if (const auto* own = api::object_at(service, {"metadata", "labels"})) labels = *own;
  labels[kServiceNameLabel] = api::name_of(service);
  labels[kManagedByLabel] = kManager;
  if (api::string_at(service, {"spec", "clusterIP"}) == "None") labels["service.kubernetes.io/headless"] = "";
  metadata["labels"] = std::move(labels);
  metadata["ownerReferences"] = json::array{api::to_json(api::controller_reference(service))};
  out["addressType"] = "IPv4";
  out["endpoints"] = std::move(endpoints);
  out["ports"] = std::move(ports);
  return out;
}

}  // namespace

std::vector<api::Object> endpoint_slices(const api::Object& service, const std::vector<control::ObjectPtr>& pods) {
  std::vector<api::Object> out;
  const auto* selector = api::object_at(service, {"spec", "selector"});
  if (selector == nullptr || selector->empty() || api::is_deleting(service) ||
      api::string_at(service, {"spec", "type"}) == "ExternalName")
    return out;
  const auto* publish = api::find(service, {"spec", "publishNotReadyAddresses"});
  const bool publish_not_ready = publish != nullptr && publish->is_bool() && publish->get_bool();
  struct Group {
    json::array ports, endpoints;
  };
  std::map<std::string, Group> groups;
  for (const auto& pod : pods) {
    if (api::namespace_of(*pod) != api::namespace_of(service) || !labels_match(selector, *pod)) continue;
    if (is_terminal(*pod) || api::string_at(*pod, {"status", "podIP"}).empty()) continue;
    auto ports = ports_for(service, *pod);
    auto& group = groups[json::write(ports)];
    group.ports = std::move(ports);
    group.endpoints.push_back(endpoint(*pod, publish_not_ready));
  }
  if (groups.empty()) {
    // As Kubernetes: a Service without Pods has one slice without endpoints.
    out.push_back(new_slice(service, json::array(), json::array()));
    return out;
  }
  for (auto& [key, group] : groups)
    out.push_back(new_slice(service, std::move(group.ports), std::move(group.endpoints)));
  return out;
}

bool same_slice(const api::Object& a, const api::Object& b) {
  for (const std::string_view part : {"endpoints", "ports", "addressType"}) {
    const auto* left = a.if_contains(part);
    const auto* right = b.if_contains(part);
    static const json::value kEmpty = json::array();
    const auto& l = left == nullptr || left->is_null() ? kEmpty : *left;
    const auto& r = right == nullptr || right->is_null() ? kEmpty : *right;
    if (l != r) return false;
  }
  const auto* left = api::find(a, {"metadata", "labels"});
  const auto* right = api::find(b, {"metadata", "labels"});
  return left != nullptr && right != nullptr && *left == *right;
}

}  // namespace sedna::cluster
