// YAML as kubectl reads and writes it (sigs.k8s.io/yaml: YAML 1.1 words, Go's numbers, JSON's data model), over our
// JSON tree. For files that people write: the CLI's manifests, configuration files, image maps. Not for bulk data.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/json/json.hpp"

namespace sedna::json {

struct YamlOptions {
  YamlOptions() {}
  std::size_t max_bytes = std::size_t{8} << 20;
  std::size_t max_depth = 64;
  std::size_t max_values = 1'000'000;  ///< of all documents; aliases count as often as used, texts by length / 32
  bool refuse_duplicates = false;      ///< of keys within a mapping; else the last wins
};

struct YamlDocument {
  value content;
  std::size_t line = 1;  ///< where it starts
};

/// All documents of the text, empty ones left out. `on`, `y` and the like are true; 0o17 and 017 are 15; 08 is 8; 24:00
/// and 2026-01-31 are text; keys become text; `<<` merges; a text that is one or more JSON values is read as JSON. The
/// error says what and where: "line 4, column 3: …".
Result<std::vector<value>> parse_yaml(std::string_view text, const YamlOptions& options = {});
Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text, const YamlOptions& options = {});
/// Exactly one document; none at all is null.
Result<value> parse_yaml_one(std::string_view text, const YamlOptions& options = {});

/// What a plain (unquoted) scalar means: null, a bool, a number or text.
value resolve_yaml_scalar(std::string_view plain);

/// As `kubectl -o yaml` prints: keys sorted, text quoted where it would be read as something else, ends with a newline.
std::string write_yaml(const value& v);

}  // namespace sedna::json
