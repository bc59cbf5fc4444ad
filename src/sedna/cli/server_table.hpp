// Kubernetes' meta.k8s.io/v1 Table: the columns that the server chose for a kind, read for printing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/cli/text_table.hpp"
#include "sedna/json/json.hpp"

namespace sedna::cli {

inline constexpr std::string_view kTableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

struct ServerTable {
  struct Row {
    std::vector<std::string> cells;
    std::string ns, name, resource_version;
    json::object labels;
  };
  std::vector<std::string> headers;  ///< upper case
  std::vector<bool> wide;            ///< shown with -o wide only
  std::vector<Row> rows;
  std::string resource_version;
  std::string continue_token;

  /// Also a plain list or object (a server without tables): NAME and AGE then.
  static Result<ServerTable> parse(const json::value& body);
};

struct TableLook {
  bool wide = false;
  bool ns_column = false;
  bool labels_column = false;
  bool headers = true;
  std::string name_prefix;  ///< "pod/" where several kinds are printed
};

/// The rows laid out; `widths` as in TextTable::render.
std::string render(const Console& console, const ServerTable& table, const TableLook& look,
                   std::vector<std::size_t>* widths = nullptr);

}  // namespace sedna::cli
