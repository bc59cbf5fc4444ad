// Inside api only: names, labels, annotations, owners and finalizers.
#pragma once

#include "sedna/api/field_error.hpp"
#include "sedna/api/object.hpp"

namespace sedna::api {

void validate_metadata(const Kind& kind, const Object& object, FieldErrors& errors);
/// Labels and annotations of a pod template's metadata.
void validate_template_metadata(const json::object& metadata, const std::string& path, FieldErrors& errors);
void validate_labels(const json::object& labels, const std::string& path, FieldErrors& errors);

}  // namespace sedna::api
