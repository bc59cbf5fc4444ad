// The tables of `kubectl get`: columns and cells of each kind, as kube-apiserver prints them. Internal to module
// apiserver.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::apiserver {

struct Column {
  std::string name;
  std::string type = "string";
  std::string format;
  std::string description;
  int priority = 0;  ///< above 0: with -o wide only
};

/// The columns of a kind; those of core kinds as kube-apiserver has them.
const std::vector<Column>& columns_of(const api::Kind& kind);
/// columnDefinitions of a Table, as JSON text.
std::string column_definitions(const api::Kind& kind);
/// One row: {"cells":[…],"object":…}.
std::string table_row(const api::Kind& kind, const api::Object& object, std::string_view include_object);
/// "3d4h", "12m", as kubectl prints ages.
std::string human_duration(std::chrono::seconds age);

}  // namespace sedna::apiserver
