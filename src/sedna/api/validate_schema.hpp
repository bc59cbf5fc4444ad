// Inside api only: validation by schema alone, as the API server does for custom resources.
#pragma once

#include "sedna/api/field_error.hpp"
#include "sedna/api/schema.hpp"

namespace sedna::api {

/// Every fault of `v` below `path`.
void validate_schema(const json::value& v, const Schema& schema, std::string_view path, FieldErrors& errors);
/// OpenAPI's word for the type of a value: "string", "integer", …
std::string_view openapi_type(const json::value& v);

}  // namespace sedna::api
