// The environment of a container as Kubernetes defines it: literal values, references into the Pod, ConfigMaps and
// Secrets, and $(VAR). Pure but for the lookup that is given.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::node {

/// In order; a name appears once, with its last value.
using Environment = std::vector<std::pair<std::string, std::string>>;

/// The "data" of a ConfigMap or Secret (already base64-decoded), or nothing when there is no such object; an error when
/// it cannot be told now.
using Data = std::vector<std::pair<std::string, std::string>>;
enum class Source : std::uint8_t { kConfigMap, kSecret };
using DataLookup = std::function<Result<std::optional<Data>>(Source source, const std::string& name)>;

/// What fieldRef and resourceFieldRef can say beyond the object itself.
struct PodFacts {
  PodFacts() {}
  std::string pod_ip, host_ip, node_name;
  std::int64_t node_cpu_millis = 0, node_memory = 0;  ///< what a container without a limit may use
};

/// Kubernetes' own reasons become the error's code: kNotFound (CreateContainerConfigError), kInvalidArgument.
Result<Environment> container_environment(const api::Object& pod, const json::object& container, const PodFacts& facts,
                                          const DataLookup& lookup);

/// metadata.name, metadata.labels['x'], spec.nodeName, status.podIP, …; an error for what Kubernetes does not offer.
Result<std::string> field_value(const api::Object& pod, std::string_view path, const PodFacts& facts);
/// limits.cpu, requests.memory, …, divided by the divisor and rounded up.
Result<std::string> resource_value(const json::object& container, std::string_view resource, std::string_view divisor,
                                   const PodFacts& facts);

/// $(NAME) replaced by its value, $$(NAME) by $(NAME); an unknown name stays as it is written.
std::string expand(std::string_view text, const Environment& values);

}  // namespace sedna::node
