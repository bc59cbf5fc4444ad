// The syntax of names, labels and annotations: what Kubernetes refuses, in its words. Each function returns the fault
// ("a lowercase RFC 1123 subdomain must consist of …") or nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sedna::api {

/// Names of most objects: at most 253 characters.
std::optional<std::string> dns1123_subdomain_fault(std::string_view name);
/// Namespaces, containers, ports of Services: at most 63 characters.
std::optional<std::string> dns1123_label_fault(std::string_view name);
/// Services: a letter first.
std::optional<std::string> dns1035_label_fault(std::string_view name);
/// Label and annotation keys, taint keys: "name" or "prefix/name".
std::optional<std::string> qualified_name_fault(std::string_view key);
std::optional<std::string> label_value_fault(std::string_view value);
/// Keys of ConfigMaps and Secrets.
std::optional<std::string> config_key_fault(std::string_view key);
/// IANA_SVC_NAME: names of container ports.
std::optional<std::string> port_name_fault(std::string_view name);
/// Environment variables.
std::optional<std::string> env_name_fault(std::string_view name);

}  // namespace sedna::api
