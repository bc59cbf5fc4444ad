// What a JointInferenceService should consist of: upstream's cloud and edge worker
// (docs/compatibility/control-plane.md). Pure: the controller brings the objects in and carries the plan out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/gm/worker_builder.hpp"

namespace sedna::gm {

enum class Role { kCloud, kEdge };
inline constexpr Role kRoles[] = {Role::kCloud, Role::kEdge};
inline constexpr std::uint16_t kBigModelPort = 5000;

std::string_view role_name(Role role);         ///< "cloud", "edge": in labels and messages
std::string_view role_worker_type(Role role);  ///< "Cloud", "Edge": in app.sedna.io

/// spec.cloudWorker or spec.edgeWorker; an empty object when the service has none.
const json::object& worker_spec(const api::Object& service, Role role);
std::string_view model_name(const api::Object& service, Role role);

/// The Model of one worker with its access.
struct ModelAccess {
  ModelAccess() {}
  std::string url;
  std::optional<Credential> credential;
};

/// What a Deployment is made from; its hash says whether it has to be made anew.
std::string worker_hash(const api::Object& service, Role role, const ModelAccess& model, const WorkerOptions& options);

/// `worker_name`: of the live Deployment, or nothing to draw one. `additions`: with the environment that we add to
/// upstream's. Throws Error(kInvalidArgument) with the field ("spec.edgeWorker.template.spec.containers").
api::Object plan_deployment(const api::Object& service, Role role, const ModelAccess& model,
                            const WorkerOptions& options, const std::optional<std::string>& worker_name,
                            bool additions);

/// The Service of the cloud worker.
api::Object plan_service(const api::Object& service);
/// Nothing when the worker has no hpa.
std::optional<api::Object> plan_hpa(const api::Object& service, Role role);

/// True when the live Deployment is what upstream's GM would have made from the service as it is now (but for names it
/// draws, the order of its environment and how credentials are passed): it is adopted as it is.
bool is_upstreams(const api::Object& live_deployment, const api::Object& service, Role role, const ModelAccess& model,
                  const WorkerOptions& options);

}  // namespace sedna::gm
