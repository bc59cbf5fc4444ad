// kubectl's JSONPath templates for `-o jsonpath=…` and for columns: "{.items[*].metadata.name}", {range …}{end},
// filters ?(@.type=="Ready"), slices, '..', unions, quoted text. Text outside braces is copied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/json/json.hpp"

namespace sedna::cli {

/// The template filled in from `root`. Errors are of the template (what stands where), or name a field that is not
/// there unless `allow_missing`.
Result<std::string> render_json_path(std::string_view text, const json::value& root, bool allow_missing = true);

/// The values that one path (".status.conditions[-1:].type", without braces) selects.
Result<std::vector<const json::value*>> select_json_path(std::string_view path, const json::value& root);

}  // namespace sedna::cli
