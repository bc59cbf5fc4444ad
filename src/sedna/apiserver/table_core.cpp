// Columns and cells of the core kinds but Pods, as kube-apiserver prints them.
#include <algorithm>

#include "sedna/api/selector.hpp"
#include "sedna/apiserver/table_cells.hpp"

namespace sedna::apiserver {
namespace {

namespace kinds = api::kinds;
using api::array_at;
using api::int_at;
using api::object_at;
using api::string_at;

Column column(const char* name, int priority = 0, const char* type = "string") {
  return {name, type, "", "", priority};
}

std::string joined(const std::vector<std::string>& parts, const char* separator = ",") {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : separator) + part;
  return out.empty() ? "<none>" : out;
}

std::string or_none(std::string_view text) {
  return text.empty() ? "<none>" : std::string(text);
}

std::string map_text(const json::object* map) {
  std::vector<std::string> parts;
  if (map != nullptr) {
    for (const auto& [key, value] : *map) {
      parts.push_back(std::string(key) + "=" + (value.is_string() ? std::string(value.get_string()) : ""));
    }
  }
  std::sort(parts.begin(), parts.end());
  return joined(parts);
}

std::int64_t size_of(const json::object* map) {
  return map == nullptr ? 0 : static_cast<std::int64_t>(map->size());
}

json::array node_cells(const api::Object& node) {
  std::string status = "Unknown";
  if (const json::array* conditions = array_at(node, {"status", "conditions"})) {
    for (const json::value& c : *conditions) {
      if (!c.is_object() || string_at(c.get_object(), {"type"}) != "Ready") continue;
      const std::string_view value = string_at(c.get_object(), {"status"});
      status = value == "True" ? "Ready" : "NotReady";
    }
  }
  const json::value* cordoned = api::find(node, {"spec", "unschedulable"});
  if (cordoned != nullptr && cordoned->is_bool() && cordoned->get_bool()) status += ",SchedulingDisabled";
  std::vector<std::string> roles;
  if (const json::object* labels = object_at(node, {"metadata", "labels"})) {
    constexpr std::string_view kRole = "node-role.kubernetes.io/";
    for (const auto& [key, value] : *labels) {
      const std::string_view name = key;
      if (name.starts_with(kRole) && name.size() > kRole.size()) roles.emplace_back(name.substr(kRole.size()));
    }
  }
  std::sort(roles.begin(), roles.end());
  const auto address = [&node](std::string_view type) {
    if (const json::array* all = array_at(node, {"status", "addresses"})) {
      for (const json::value& a : *all) {
        if (a.is_object() && string_at(a.get_object(), {"type"}) == type) {
          return or_none(string_at(a.get_object(), {"address"}));
        }
      }
    }
    return std::string("<none>");
  };
  const auto info = [&node](std::string_view name) {
    const std::string_view text = string_at(node, {"status", "nodeInfo", name});
    return json::value(text.empty() ? std::string_view("<unknown>") : text);
  };
  return json::array{json::value(api::name_of(node)),
                     json::value(status),
                     json::value(joined(roles)),
                     json::value(age_of(node)),
                     json::value(string_at(node, {"status", "nodeInfo", "kubeletVersion"})),
                     json::value(address("InternalIP")),
                     json::value(address("ExternalIP")),
                     info("osImage"),
                     info("kernelVersion"),
                     info("containerRuntimeVersion")};
}

json::array service_cells(const api::Object& service) {
  std::vector<std::string> ports;
  if (const json::array* all = array_at(service, {"spec", "ports"})) {
    for (const json::value& entry : *all) {
      if (!entry.is_object()) continue;
      const json::object& port = entry.get_object();
      std::string text = std::to_string(int_at(port, {"port"}));
      if (const auto node_port = int_at(port, {"nodePort"}); node_port > 0) text += ":" + std::to_string(node_port);
      ports.push_back(text + "/" + std::string(string_at(port, {"protocol"}, "TCP")));
    }
  }
  const std::string_view type = string_at(service, {"spec", "type"}, "ClusterIP");
  std::string external = "<none>";
  if (type == "ExternalName") external = or_none(string_at(service, {"spec", "externalName"}));
  if (type == "LoadBalancer") external = "<pending>";
  return json::array{json::value(api::name_of(service)),
                     json::value(type),
                     json::value(or_none(string_at(service, {"spec", "clusterIP"}))),
                     json::value(external),
                     json::value(joined(ports)),
                     json::value(age_of(service)),
                     json::value(map_text(object_at(service, {"spec", "selector"})))};
}

json::array slice_cells(const api::Object& slice) {
  std::vector<std::string> ports;
  std::vector<std::string> addresses;
  if (const json::array* all = array_at(slice, {"ports"})) {
    for (const json::value& port : *all) {
      if (port.is_object()) ports.push_back(std::to_string(int_at(port.get_object(), {"port"})));
    }
  }
  std::size_t more = 0;
  if (const json::array* all = array_at(slice, {"endpoints"})) {
    for (const json::value& endpoint : *all) {
      const json::array* list = endpoint.is_object() ? array_at(endpoint.get_object(), {"addresses"}) : nullptr;
      if (list == nullptr) continue;
      for (const json::value& address : *list) {
        if (!address.is_string()) continue;
        if (addresses.size() < 3) {
          addresses.emplace_back(address.get_string());
        } else {
          ++more;
        }
      }
    }
  }
  std::string text = addresses.empty() ? "<unset>" : joined(addresses);
  if (more > 0) text += " + " + std::to_string(more) + " more...";
  return json::array{json::value(api::name_of(slice)), json::value(string_at(slice, {"addressType"})),
                     json::value(ports.empty() ? "<unset>" : joined(ports)), json::value(text),
                     json::value(age_of(slice))};
}

json::array event_cells(const api::Object& event) {
  const auto when = [&event](std::initializer_list<std::string_view> names) -> std::string {
    for (const std::string_view name : names) {
      const auto time = api::parse_time(string_at(event, {name}));
      if (time) return age_since(*time);
    }
    return "<unknown>";
  };
  std::string kind(string_at(event, {"involvedObject", "kind"}));
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string object = kind;
  if (const auto name = string_at(event, {"involvedObject", "name"}); !name.empty()) object += "/" + std::string(name);
  std::string source(string_at(event, {"source", "component"}, string_at(event, {"reportingComponent"})));
  if (const auto host = string_at(event, {"source", "host"}); !host.empty()) source += ", " + std::string(host);
  return json::array{json::value(when({"lastTimestamp", "eventTime", "firstTimestamp"})),
                     json::value(string_at(event, {"type"})),
                     json::value(string_at(event, {"reason"})),
                     json::value(object),
                     json::value(string_at(event, {"involvedObject", "fieldPath"})),
                     json::value(source),
                     json::value(string_at(event, {"message"})),
                     json::value(when({"firstTimestamp", "eventTime"})),
                     json::value(int_at(event, {"count"}, 1)),
                     json::value(api::name_of(event))};
}

json::array deployment_cells(const api::Object& deployment) {
  const std::string ready = std::to_string(int_at(deployment, {"status", "readyReplicas"})) + "/" +
                            std::to_string(int_at(deployment, {"spec", "replicas"}, 1));
  std::vector<std::string> names;
  std::vector<std::string> images;
  if (const json::array* all = array_at(deployment, {"spec", "template", "spec", "containers"})) {
    for (const json::value& c : *all) {
      if (!c.is_object()) continue;
      names.emplace_back(string_at(c.get_object(), {"name"}));
      images.emplace_back(string_at(c.get_object(), {"image"}));
    }
  }
  std::string selector = "<none>";
  if (const json::object* given = object_at(deployment, {"spec", "selector"})) {
    const auto parsed = api::LabelSelector::from_json(*given);
    if (parsed) selector = parsed->to_string();
  }
  return json::array{json::value(api::name_of(deployment)),
                     json::value(ready),
                     json::value(int_at(deployment, {"status", "updatedReplicas"})),
                     json::value(int_at(deployment, {"status", "availableReplicas"})),
                     json::value(age_of(deployment)),
                     json::value(joined(names)),
                     json::value(joined(images)),
                     json::value(selector)};
}

json::array autoscaler_cells(const api::Object& hpa) {
  const std::string reference = std::string(string_at(hpa, {"spec", "scaleTargetRef", "kind"})) + "/" +
                                std::string(string_at(hpa, {"spec", "scaleTargetRef", "name"}));
  std::vector<std::string> targets;
  if (const json::array* all = array_at(hpa, {"spec", "metrics"})) {
    for (const json::value& m : *all) {
      if (!m.is_object() || string_at(m.get_object(), {"type"}) != "Resource") continue;
      const std::int64_t wanted = int_at(m.get_object(), {"resource", "target", "averageUtilization"});
      targets.push_back(std::string(string_at(m.get_object(), {"resource", "name"})) + ": <unknown>/" +
                        std::to_string(wanted) + "%");
    }
  }
  const json::value* low = api::find(hpa, {"spec", "minReplicas"});
  return json::array{json::value(api::name_of(hpa)),
                     json::value(reference),
                     json::value(joined(targets, ", ")),
                     low == nullptr ? json::value("<unset>") : json::value(json::write(*low)),
                     json::value(int_at(hpa, {"spec", "maxReplicas"})),
                     json::value(int_at(hpa, {"status", "currentReplicas"})),
                     json::value(age_of(hpa))};
}

}  // namespace

std::vector<Column> core_columns(const api::Kind& kind) {
  const auto c = [](const char* name) { return column(name); };
  const auto wide = [](const char* name) { return column(name, 1); };
  if (&kind == &kinds::kNamespace) return {c("Name"), c("Status"), c("Age")};
  if (&kind == &kinds::kNode) {
    return {c("Name"),
            c("Status"),
            c("Roles"),
            c("Age"),
            c("Version"),
            wide("Internal-IP"),
            wide("External-IP"),
            wide("OS-Image"),
            wide("Kernel-Version"),
            wide("Container-Runtime")};
  }
  if (&kind == &kinds::kPod) {
    return {c("Name"),
            c("Ready"),
            c("Status"),
            c("Restarts"),
            c("Age"),
            wide("IP"),
            wide("Node"),
            wide("Nominated Node"),
            wide("Readiness Gates")};
  }
  if (&kind == &kinds::kService) {
    return {c("Name"), c("Type"), c("Cluster-IP"), c("External-IP"), c("Port(s)"), c("Age"), wide("Selector")};
  }
  if (&kind == &kinds::kEndpointSlice) return {c("Name"), c("AddressType"), c("Ports"), c("Endpoints"), c("Age")};
  if (&kind == &kinds::kConfigMap) return {c("Name"), column("Data", 0, "integer"), c("Age")};
  if (&kind == &kinds::kSecret) return {c("Name"), c("Type"), column("Data", 0, "integer"), c("Age")};
  if (&kind == &kinds::kEvent) {
    return {c("Last Seen"), c("Type"),          c("Reason"),
            c("Object"),    wide("Subobject"),  wide("Source"),
            c("Message"),   wide("First Seen"), column("Count", 1, "integer"),
            wide("Name")};
  }
  if (&kind == &kinds::kDeployment) {
    return {c("Name"),
            c("Ready"),
            column("Up-to-date", 0, "integer"),
            column("Available", 0, "integer"),
            c("Age"),
            wide("Containers"),
            wide("Images"),
            wide("Selector")};
  }
  if (&kind == &kinds::kHorizontalPodAutoscaler) {
    return {c("Name"), c("Reference"), c("Targets"), c("MinPods"), c("MaxPods"), column("Replicas", 0, "integer"),
            c("Age")};
  }
  if (&kind == &kinds::kLease) return {c("Name"), c("Holder"), c("Age")};
  return {};
}

json::array core_cells(const api::Kind& kind, const api::Object& object) {
  const json::value name(api::name_of(object));
  if (&kind == &kinds::kPod) return pod_cells(object);
  if (&kind == &kinds::kNode) return node_cells(object);
  if (&kind == &kinds::kService) return service_cells(object);
  if (&kind == &kinds::kEndpointSlice) return slice_cells(object);
  if (&kind == &kinds::kEvent) return event_cells(object);
  if (&kind == &kinds::kDeployment) return deployment_cells(object);
  if (&kind == &kinds::kHorizontalPodAutoscaler) return autoscaler_cells(object);
  const json::value age(age_of(object));
  if (&kind == &kinds::kNamespace) return {name, json::value(string_at(object, {"status", "phase"})), age};
  if (&kind == &kinds::kConfigMap) {
    return {name, size_of(object_at(object, {"data"})) + size_of(object_at(object, {"binaryData"})), age};
  }
  if (&kind == &kinds::kSecret) {
    return {name, json::value(string_at(object, {"type"})), size_of(object_at(object, {"data"})), age};
  }
  if (&kind == &kinds::kLease) return {name, json::value(string_at(object, {"spec", "holderIdentity"})), age};
  return {};
}

}  // namespace sedna::apiserver
