// Which members of a JSON text stand more than once in their object: what fieldValidation=Strict refuses. The reader
// itself lets the last one win or refuses the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/json/scanner.hpp"

namespace sedna::json {

/// Their paths ("spec.url", "spec.list[0].x"), each once, in the order of the text. For a text that parse() accepts.
std::vector<std::string> duplicate_members(std::string_view text, const Limits& limits = {});

}  // namespace sedna::json
