// The scale subresource of Deployments (autoscaling/v1 Scale). Internal to module apiserver.
#pragma once

#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

api::Object scale_of(const api::Object& deployment);
/// The change that an update or a patch of the Scale makes to the Deployment.
store::Outcome<store::embedded::Engine::Change> scale_change(const serve::Request& request, bool patch);

}  // namespace sedna::apiserver
