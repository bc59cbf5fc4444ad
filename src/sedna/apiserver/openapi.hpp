// The OpenAPI v3 documents of the served groups: what `kubectl explain`, `kubectl apply` and client generators read.
// Made from the schemas that objects are checked with. Internal to module apiserver.
#pragma once

#include <optional>
#include <string_view>

#include "sedna/apiserver/discovery.hpp"

namespace sedna::apiserver {

/// The answer for /openapi/v3 and /openapi/v3/{group version}; nothing for other paths.
std::optional<serve::Response> openapi_response(std::string_view path);

}  // namespace sedna::apiserver
