// What GM makes for a service or job besides the Pod template: Deployment, Service and HPA bodies, how they are named,
// and the patches that bring existing ones in line. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/api/object.hpp"

namespace sedna::gm {

/// The annotation by which GM knows what a Deployment or HPA was made from. Not the content: what the user or another
/// controller changed by hand stays until the service itself changes, and a newer GM restarts nothing.
inline constexpr std::string_view kSpecHash = "sedna.io/spec-hash";

/// "<owner>-deployment-<worker type in lower case>".
std::string deployment_name(std::string_view owner, std::string_view worker_type);
/// "<owner>-<worker type>" in lower case.
std::string service_name(std::string_view owner, std::string_view worker_type);
std::string hpa_name(std::string_view deployment);

/// The labels of a Deployment, its selector and its Pods: worker_labels and "app.sedna.io".
json::object deployment_labels(const api::Object& owner, std::string_view worker_type);

api::Object make_deployment(const api::Object& owner, std::string_view worker_type, json::object pod_template,
                            std::string_view hash);
/// A ClusterIP Service with one TCP port "tcp-0".
api::Object make_service(const api::Object& owner, std::string_view worker_type, std::uint16_t port);
/// `hpa`: minReplicas, maxReplicas, metrics, behavior as the user wrote them.
api::Object make_hpa(const api::Object& owner, std::string_view worker_type, std::string_view deployment,
                     const json::object& hpa, std::string_view hash);

/// 16 hex digits over the value, whatever the order of its members.
std::string canonical_hash(const json::value& value);
/// JSON with sorted members, no spaces.
std::string canonical_text(const json::value& value);

/// The merge patch that makes `live` equal `wanted`: members that only live has become null (a server fills its
/// defaults in again), but for annotations, which others put there too.
json::object patch_to(const json::object& live, const json::object& wanted);

/// True when everything in `wanted` is in `live` with the same value; live may have more (defaults). Lists compare
/// element by element, `env` lists by name.
bool is_subset(const json::value& wanted, const json::value& live);

}  // namespace sedna::gm
