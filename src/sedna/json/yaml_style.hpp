// Inside the YAML reader and writer only: which of YAML's four ways a text is written in, its escapes, and keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/json/json.hpp"

namespace sedna::json {

enum class YamlStyle : std::uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral };

/// go-yaml v2's choice outside flow collections; `key`: as a key on one line.
YamlStyle choose_yaml_style(std::string_view text, bool key);
/// Holds a line break (also NEL, LS, PS).
bool has_break(std::string_view text);
/// Of one UTF-8 character within double quotes.
bool needs_yaml_escape(std::string_view character);
std::string yaml_escape(std::string_view character);
/// resolve_yaml_scalar() with 1e6 still a double: as a key it becomes "1e+06".
value resolve_yaml_key(std::string_view plain);
/// What becomes of a number on its way through JSON: 8.0 is 8.
value json_number(value v);

}  // namespace sedna::json
