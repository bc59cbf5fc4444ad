// Inside api only: defaults of the core kinds that Kubernetes sets in code and not in its schemas.
#pragma once

#include "sedna/api/object.hpp"

namespace sedna::api {

void set_core_defaults(const Kind& kind, Object& object);
/// Of a Pod's spec and of a pod template's.
void set_pod_spec_defaults(json::object& spec);

}  // namespace sedna::api
