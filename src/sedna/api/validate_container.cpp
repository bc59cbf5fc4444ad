#include <algorithm>
#include <array>

#include "sedna/api/core_walk.hpp"
#include "sedna/api/names.hpp"
#include "sedna/api/quantity.hpp"

namespace sedna::api {

namespace {

constexpr std::array<std::string_view, 3> kPullPolicies{"Always", "IfNotPresent", "Never"};
constexpr std::array<std::string_view, 3> kProtocols{"SCTP", "TCP", "UDP"};
constexpr std::array<std::string_view, 4> kHandlers{"exec", "httpGet", "tcpSocket", "grpc"};
constexpr std::array<std::string_view, 10> kFieldPaths{
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs", "spec.schedulerName"};

void check_ports(const json::object& c, const std::string& path, bool host_network, FieldErrors& errors) {
  std::vector<std::string_view> names;
  each_in(c, "ports", path, [&](const json::object& port, const std::string& here) {
    if (const auto name = text_in(port, "name"); !name.empty()) {
      if (!add_invalid(errors, here + ".name", name, port_name_faults(name)) &&
          std::ranges::find(names, name) != names.end()) {
        errors.push_back(duplicate(here + ".name", in_quotes(name)));
      }
      names.push_back(name);
    }
    const auto number = int_in(port, "containerPort").value_or(0);
    if (number == 0) {
      errors.push_back(required(here + ".containerPort"));
    } else {
      check_port_number(number, here + ".containerPort", errors);
    }
    if (const auto host = int_in(port, "hostPort"); host && *host != 0) {
      check_port_number(*host, here + ".hostPort", errors);
      if (host_network && *host != number) {
        errors.push_back(invalid(here + ".hostPort", std::to_string(*host),
                                 "must match `containerPort` when `hostNetwork` is true"));
      }
    }
    if (const auto protocol = text_in(port, "protocol");
        !protocol.empty() && std::ranges::find(kProtocols, protocol) == kProtocols.end()) {
      errors.push_back(not_supported(here + ".protocol", protocol, kProtocols));
    }
  });
}

void check_field_path(const json::object& ref, const std::string& path, FieldErrors& errors) {
  const auto field = text_in(ref, "fieldPath");
  if (field.empty()) return errors.push_back(required(path + ".fieldPath"));
  const bool keyed =
      (field.starts_with("metadata.labels['") || field.starts_with("metadata.annotations['")) && field.ends_with("']");
  if (keyed || std::ranges::find(kFieldPaths, field) != kFieldPaths.end()) return;
  errors.push_back(invalid_text(path + ".fieldPath", field,
                                "error converting fieldPath: field label not supported: " + std::string(field)));
}

void check_value_from(const json::object& env, const json::object& from, const std::string& path, FieldErrors& errors) {
  std::size_t sources = 0;
  if (const auto* ref = object_in(from, "fieldRef")) {
    ++sources;
    check_field_path(*ref, path + ".fieldRef", errors);
  }
  if (const auto* ref = object_in(from, "resourceFieldRef")) {
    ++sources;
    if (text_in(*ref, "resource").empty()) errors.push_back(required(path + ".resourceFieldRef.resource"));
  }
  for (const std::string_view name : {"configMapKeyRef", "secretKeyRef"}) {
    const auto* ref = object_in(from, name);
    if (ref == nullptr) continue;
    ++sources;
    const std::string here = path + "." + std::string(name);
    add_invalid(errors, here + ".name", text_in(*ref, "name"), dns1123_subdomain_faults(text_in(*ref, "name")));
    const auto key = text_in(*ref, "key");
    if (key.empty()) {
      errors.push_back(required(here + ".key"));
    } else {
      add_invalid(errors, here + ".key", key, config_key_faults(key));
    }
  }
  if (object_in(from, "fileKeyRef") != nullptr) ++sources;
  if (sources == 0) {
    errors.push_back(invalid_text(path, "",
                                  "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                                  "`secretKeyRef`"));
  } else if (!text_in(env, "value").empty()) {
    errors.push_back(invalid_text(path, "", "may not be specified when `value` is not empty"));
  } else if (sources > 1) {
    errors.push_back(invalid_text(path, "", "may not have more than one field specified at a time"));
  }
}

void check_env(const json::object& c, const std::string& path, FieldErrors& errors) {
  each_in(c, "env", path, [&](const json::object& env, const std::string& here) {
    const auto name = text_in(env, "name");
    if (name.empty()) {
      errors.push_back(required(here + ".name"));
    } else {
      add_invalid(errors, here + ".name", name, env_name_faults(name));
    }
    if (const auto* from = object_in(env, "valueFrom")) check_value_from(env, *from, here + ".valueFrom", errors);
  });
}

void check_mounts(const json::object& c, const std::string& path, const std::vector<std::string_view>& volumes,
                  FieldErrors& errors) {
  std::vector<std::string_view> points;
  each_in(c, "volumeMounts", path, [&](const json::object& mount, const std::string& here) {
    const auto name = text_in(mount, "name"), point = text_in(mount, "mountPath"), sub = text_in(mount, "subPath");
    if (name.empty()) {
      errors.push_back(required(here + ".name"));
    }
    if (std::ranges::find(volumes, name) == volumes.end()) {
      errors.push_back({"FieldValueNotFound", here + ".name", "Not found: " + in_quotes(name)});
    }
    if (point.empty()) errors.push_back(required(here + ".mountPath"));
    if (std::ranges::find(points, point) != points.end()) {
      errors.push_back(invalid_text(here + ".mountPath", point, "must be unique"));
    }
    points.push_back(point);
    // Kubernetes' path has no index here.
    if (sub.starts_with('/')) {
      errors.push_back(invalid_text(path + ".volumeMounts.subPath", sub, "must be a relative path"));
    } else if (sub == ".." || sub.starts_with("../") || sub.ends_with("/..") || sub.find("/../") != sub.npos) {
      errors.push_back(invalid_text(path + ".volumeMounts.subPath", sub, "must not contain '..'"));
    }
  });
}

void check_resources(const json::object& c, const std::string& path, FieldErrors& errors) {
  const auto* resources = object_in(c, "resources");
  if (resources == nullptr) return;
  const auto *limits = object_in(*resources, "limits"), *requests = object_in(*resources, "requests");
  const auto names = [&](const json::object* map, std::string_view part) {
    if (map == nullptr) return;
    for (const auto& member : *map) {
      const std::string key(member.key());
      const std::string here = path + ".resources." + std::string(part) + "[" + key + "]";
      const bool plain = key.find('/') == key.npos && key != "cpu" && key != "memory" && key != "ephemeral-storage" &&
                         !key.starts_with("hugepages-");
      if (!add_invalid(errors, here, key, qualified_name_faults(key)) && plain) {
        errors.push_back(invalid_text(here, key, "must be a standard resource type or fully qualified"));
      }
      if (plain) errors.push_back(invalid_text(here, key, "must be a standard resource for containers"));
      if (const auto q = Quantity::from_json(member.value()); q && q->negative()) {
        errors.push_back(invalid_text(here, q->canonical(), "must be greater than or equal to 0"));
      }
    }
  };
  names(limits, "limits");
  names(requests, "requests");
  if (requests == nullptr) return;
  for (const auto& member : *requests) {
    const auto* bound = limits == nullptr ? nullptr : limits->if_contains(member.key());
    if (bound == nullptr) {
      if (std::string_view(member.key()).find('/') != std::string_view::npos) {
        errors.push_back(required(path + ".resources.limits", "Limit must be set for non overcommitable resources"));
      }
      continue;
    }
    const auto request = Quantity::from_json(member.value()), limit = Quantity::from_json(*bound);
    if (request && limit && *request > *limit) {
      errors.push_back(invalid_text(
          path + ".resources.requests", request->canonical(),
          "must be less than or equal to " + std::string(member.key()) + " limit of " + limit->canonical()));
    }
  }
}

void check_handler(const json::object& h, const std::string& path, FieldErrors& errors) {
  std::size_t found = 0;
  for (const auto name : kHandlers) {
    if (object_in(h, name) == nullptr) continue;
    if (++found > 1) {
      errors.push_back(forbidden(path + "." + std::string(name), "may not specify more than 1 handler type"));
    }
  }
  if (found == 0 && object_in(h, "sleep") == nullptr) {
    errors.push_back(required(path, "must specify a handler type"));
  }
  if (const auto* exec = object_in(h, "exec")) {
    const auto* command = array_in(*exec, "command");
    if (command == nullptr || command->empty()) errors.push_back(required(path + ".exec.command"));
  }
  if (const auto* http = object_in(h, "httpGet")) {
    if (text_in(*http, "path").empty()) errors.push_back(required(path + ".httpGet.path"));
    check_port(http->if_contains("port"), path + ".httpGet.port", errors);
    static constexpr std::array<std::string_view, 2> kSchemes{"HTTP", "HTTPS"};
    if (const auto scheme = text_in(*http, "scheme"); std::ranges::find(kSchemes, scheme) == kSchemes.end()) {
      errors.push_back(not_supported(path + ".httpGet.scheme", scheme, kSchemes));
    }
  }
  if (const auto* tcp = object_in(h, "tcpSocket"))
    check_port(tcp->if_contains("port"), path + ".tcpSocket.port", errors);
}

void check_probe(const json::object& c, std::string_view name, const std::string& path, FieldErrors& errors) {
  const auto* probe = object_in(c, name);
  if (probe == nullptr) return;
  const std::string here = path + "." + std::string(name);
  check_handler(*probe, here, errors);
  for (const std::string_view field :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}) {
    check_not_negative(*probe, field, here, errors);
  }
  if (const auto n = int_in(*probe, "successThreshold"); name != "readinessProbe" && n && *n != 1) {
    errors.push_back(invalid(here + ".successThreshold", std::to_string(*n), "must be 1"));
  }
}

}  // namespace

void check_port(const json::value* port, const std::string& path, FieldErrors& errors) {
  if (port != nullptr && port->is_string()) {
    const std::string_view name = port->get_string();
    add_invalid(errors, path, name, port_name_faults(name));
  } else {
    check_port_number(port != nullptr && port->is_int64() ? port->get_int64() : 0, path, errors);
  }
}

void validate_containers(const json::object& spec, std::string_view list, const std::string& path,
                         std::vector<std::string_view>& names, const std::vector<std::string_view>& volumes,
                         FieldErrors& errors) {
  const bool host_network = true_at(spec, "hostNetwork");
  each_in(spec, list, path, [&](const json::object& c, const std::string& here) {
    const auto name = text_in(c, "name");
    if (name.empty()) {
      errors.push_back(required(here + ".name"));
    } else if (!add_invalid(errors, here + ".name", name, dns1123_label_faults(name)) &&
               std::ranges::find(names, name) != names.end()) {
      errors.push_back(duplicate(here + ".name", in_quotes(name)));
    }
    names.push_back(name);
    const auto image = text_in(c, "image");
    if (image.empty()) {
      errors.push_back(required(here + ".image"));
    } else if (image.front() == ' ' || image.back() == ' ') {
      errors.push_back(invalid_text(here + ".image", image, "must not have leading or trailing whitespace"));
    }
    if (const auto policy = text_in(c, "imagePullPolicy");
        std::ranges::find(kPullPolicies, policy) == kPullPolicies.end()) {
      errors.push_back(not_supported(here + ".imagePullPolicy", policy, kPullPolicies));
    }
    check_ports(c, here, host_network, errors);
    check_env(c, here, errors);
    check_mounts(c, here, volumes, errors);
    check_resources(c, here, errors);
    for (const std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
      check_probe(c, probe, here, errors);
    }
    if (const auto* lifecycle = object_in(c, "lifecycle")) {
      for (const std::string_view hook : {"postStart", "preStop"}) {
        if (const auto* h = object_in(*lifecycle, hook)) {
          check_handler(*h, here + ".lifecycle." + std::string(hook), errors);
        }
      }
    }
  });
}

}  // namespace sedna::api
