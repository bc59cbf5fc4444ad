// The syntax of names, labels and annotations: what Kubernetes refuses, in its words. Each function returns the faults
// ("a lowercase RFC 1123 subdomain must consist of …"); none when the name is good.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sedna::api {

using Faults = std::vector<std::string>;

/// Names of most objects: at most 253 characters.
Faults dns1123_subdomain_faults(std::string_view name);
/// Namespaces, containers, ports of Services: at most 63 characters.
Faults dns1123_label_faults(std::string_view name);
/// Services: a letter first.
Faults dns1035_label_faults(std::string_view name);
/// Label and annotation keys, taint keys: "name" or "prefix/name".
Faults qualified_name_faults(std::string_view key);
Faults label_value_faults(std::string_view value);
/// Keys of ConfigMaps and Secrets.
Faults config_key_faults(std::string_view key);
/// IANA_SVC_NAME: names of container ports.
Faults port_name_faults(std::string_view name);
/// Environment variables.
Faults env_name_faults(std::string_view name);
/// "a; b", for messages that hold one text.
std::string join_faults(const Faults& faults);

}  // namespace sedna::api
