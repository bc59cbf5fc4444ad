// The `-o` of commands that print objects: a table by default, or the objects themselves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

struct Output {
  enum class Form : std::uint8_t { kTable, kWide, kJson, kYaml, kName, kJsonPath };
  Form form = Form::kTable;
  std::string path;  ///< of kJsonPath

  /// "", "wide", "json", "yaml", "name", "jsonpath=TEMPLATE". Throws Error naming the flag and the choices.
  static Output parse(std::string_view text);
  bool is_table() const { return form == Form::kTable || form == Form::kWide; }
};

/// The objects as `output` wants them; not for tables. One object that was asked for by name is printed alone, anything
/// else as a List. `show_managed` keeps metadata.managedFields.
void print_objects(Console& console, const Output& output, std::vector<api::Object> objects, bool single);

/// Prints any JSON value as json, yaml or by jsonpath (commands with an `-o json` of their own).
void print_value(Console& console, const Output& output, const json::value& value);

/// Python-like pretty printing with two or four spaces: kubectl's form with four.
std::string pretty_json(const json::value& value, int indent = 4);

}  // namespace sedna::cli
