// The shape of an object: names, types, defaults, limits, how lists merge. One tree serves pruning, defaulting,
// validation, strategic merge, explain, OpenAPI and the CRD files. Sedna's kinds describe themselves (describe.hpp);
// the core kinds' come from the recorded file data/core_schemas.txt. Built once, never changed, shared by all threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/kind.hpp"
#include "sedna/json/json.hpp"

namespace sedna::api {

struct Schema;

struct Property {
  std::string name;
  const Schema* schema = nullptr;
  std::string doc;
  bool required = false;
  bool additive = false;                       ///< not in upstream's CRD
  std::optional<json::value> default_value{};  ///< set by the server when absent or null
};

/// A rule on an object that a type can't express: CEL for a real API server, the same in C++ for the embedded one.
struct Rule {
  std::string cel;      ///< "self.a <= self.b"
  std::string message;  ///< for a person
  bool (*holds)(const json::object& self) = nullptr;
};

struct Schema {
  enum class Type : std::uint8_t { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean, kIntOrString };
  enum class ListType : std::uint8_t { kAtomic, kSet, kMap, kUnsaid };
  enum class PatchStrategy : std::uint8_t { kReplace, kMerge, kRetainKeys, kMergeRetainKeys };

  Type type = Type::kObject;
  std::string name;  ///< of a structure: "Container", "DatasetSpec"
  std::string doc;
  std::string format;  ///< "int32", "int64", "date-time", "byte", "quantity", ""

  std::vector<Property> properties{};
  const Schema* values = nullptr;  ///< of a map: type of the values
  bool preserve_unknown = false;   ///< what no property names is kept as it is
  const Schema* items = nullptr;   ///< of a list

  std::optional<double> minimum{};
  std::vector<std::string> enumeration{};
  std::size_t min_items = 0;
  ListType list_type = ListType::kUnsaid;
  std::vector<std::string> list_keys{};  ///< of ListType::kMap
  PatchStrategy patch_strategy = PatchStrategy::kReplace;
  std::string merge_key{};
  std::vector<Rule> rules{};
  /// What is kept as written here should be a core structure of this name ("PodTemplateSpec"): used for hints.
  std::string embeds{};

  const Property* find(std::string_view property) const;
  /// "string", "integer", "[]Container", "map[string]string", "Container", "Object".
  std::string type_name() const;
};

/// The schema at a path of names ("spec", "edgeWorker", "model"); lists are passed through. Null when there is none.
const Schema* find_schema(const Schema& root, const std::vector<std::string>& path);

/// A structure of the core kinds by its name ("PodTemplateSpec", "Container"); null when it is not recorded.
const Schema* core_structure(std::string_view name);

/// Nodes of schemas that live as long as the program. Not thread-safe; used while static tables are built.
Schema* new_schema(Schema::Type type);

/// Columns that `kubectl get` shows for a Sedna kind, after NAME.
struct PrinterColumn {
  std::string_view name, type, json_path, doc;
  int priority = 0;  ///< 1: only with -o wide
};
std::vector<PrinterColumn> printer_columns(const Kind& kind);

}  // namespace sedna::api
