// Inside api only: the recorded core structures.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/api/schema.hpp"

namespace sedna::api {

/// The recorded file, compiled in (made by CMake from core_schemas.json).
extern const std::string_view kCoreSchemasText;

/// ("v1", "Pod"); null when it is not recorded.
const Schema* core_kind_schema(std::string_view api_version, std::string_view kind);
/// All recorded structures by full name ("core.v1.Container").
std::vector<std::pair<std::string, const Schema*>> core_structures();

}  // namespace sedna::api
