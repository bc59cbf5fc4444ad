// Writing the children of a service: creating, adopting, patching, removing, and what a refusal means in words. Foreign
// objects are patched, never put whole. Shared by the controllers of services and jobs.
#pragma once

#include <optional>
#include <string>

#include "sedna/control/informer.hpp"

namespace sedna::gm {

/// Why a child is not as it should be.
struct ChildObstacle {
  std::string reason, message;
  bool failing = true;  ///< false: it only takes time
};

/// What a refusal of the server means for the user. Throws the status as an Error when it is only a matter of trying
/// again (server away, conflict).
ChildObstacle explain_refusal(const api::Object& wanted, const store::Status& status);

/// Set when the object of that name is not ours: another owner's, or that of an earlier object of the same name.
std::optional<ChildObstacle> foreign_child(const api::Object& live, const api::Object& owner);

/// Nothing when it exists now (made, or made before and not yet in the cache).
std::optional<ChildObstacle> create_child(store::ApiServer& server, control::Informer& informer,
                                          const api::Object& owner, const api::Object& wanted);
std::optional<ChildObstacle> patch_child(store::ApiServer& server, control::Informer& informer, const api::Object& live,
                                         json::object body);
std::optional<ChildObstacle> remove_child(store::ApiServer& server, control::Informer& informer,
                                          const api::Object& live);
/// Brings `live`'s spec in line when its kSpecHash is not that of `wanted`. One without a hash that is already right is
/// adopted.
std::optional<ChildObstacle> sync_hashed_spec(store::ApiServer& server, control::Informer& informer,
                                              const api::Object& live, const api::Object& wanted);
/// The newest Warning that was recorded about a Pod: often the Pod itself does not say why it does not start. Nothing
/// when there is none, or the server does not answer: only words would be missing.
struct PodWarning {
  std::string reason, message;
};
std::optional<PodWarning> newest_warning(store::ApiServer& server, std::string_view ns, std::string_view pod);

/// Writes kSpecHash and nothing else.
void adopt_child(store::ApiServer& server, control::Informer& informer, const api::Object& live, std::string_view hash);

}  // namespace sedna::gm
