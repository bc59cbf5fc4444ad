// Columns and cells of the core kinds, for table.cpp.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sedna/apiserver/table.hpp"

namespace sedna::apiserver {

/// Empty for Sedna kinds.
std::vector<Column> core_columns(const api::Kind& kind);
json::array core_cells(const api::Kind& kind, const api::Object& object);
/// Cells of a Pod: Ready, Status, Restarts, Age, IP, Node, …
json::array pod_cells(const api::Object& pod);

std::string age_since(std::chrono::system_clock::time_point time);
std::string age_of(const api::Object& object);

}  // namespace sedna::apiserver
