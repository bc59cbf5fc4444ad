// Who may do what: a fixed table of roles instead of RBAC objects. Identities come from bearer tokens ("gm",
// "node-edge0"); what a node may do to an object can depend on that object.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sedna/apiserver/request_info.hpp"
#include "sedna/identity/principal.hpp"
#include "sedna/store/embedded/engine.hpp"
#include "sedna/store/outcome.hpp"

namespace sedna::apiserver {

// Roles, as they stand in the token file.
inline constexpr std::string_view kRoleAdmin = "admin";            ///< everything
inline constexpr std::string_view kRoleController = "controller";  ///< sedna-gm: what its controllers read and write
inline constexpr std::string_view kRoleNode = "node";              ///< one node's agent: its Node, Lease, Pods
inline constexpr std::string_view kRoleWorker = "worker";          ///< local controllers: read what they work on
inline constexpr std::string_view kRoleViewer = "viewer";          ///< read everything but Secrets

/// The node that an agent's or a local controller's identity is of: "edge0" of "node-edge0"; "" for others.
std::string_view node_of(const identity::Principal& who);

/// Nothing when the request is allowed, else 403 in Kubernetes' words.
std::optional<store::Status> check_access(const identity::Principal& who, const RequestInfo& info,
                                          const store::embedded::Engine& engine);

/// A node's agent may only touch what is its own: asked with the object that a write would make (create) or has found.
std::optional<store::Status> check_node_write(const identity::Principal& who, const RequestInfo& info,
                                              const api::Object& object);

}  // namespace sedna::apiserver
