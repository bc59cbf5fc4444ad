// Inside api only: the rules of the core kinds that are in Kubernetes' code and not in its schemas; those that a user
// of the embedded home can break.
#pragma once

#include "sedna/api/field_error.hpp"
#include "sedna/api/object.hpp"

namespace sedna::api {

void validate_core(const Kind& kind, const Object& object, const Object* old, FieldErrors& errors);
/// Of a Pod ("spec") or a pod template ("spec.template.spec").
void validate_pod_spec(const json::object& spec, const std::string& path, FieldErrors& errors);

}  // namespace sedna::api
