#include "sedna/cli/server_table.hpp"

#include <algorithm>

#include "sedna/api/object.hpp"

namespace sedna::cli {
namespace {

std::string cell_text(const json::value& v) {
  if (v.is_null()) return "<none>";
  std::string text = v.is_string() ? std::string(v.as_string()) : json::write(v);
  // A cell is one line: what a field holds must not forge others.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text.empty() ? "<none>" : text;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return out;
}

void read_metadata(ServerTable::Row& row, const json::object& object) {
  row.name = api::name_of(object);
  row.ns = api::namespace_of(object);
  row.resource_version = api::resource_version_of(object);
  if (const auto* labels = api::object_at(object, {"metadata", "labels"})) row.labels = *labels;
}

ServerTable from_objects(const json::object& body) {
  ServerTable table;
  table.headers = {"NAME", "AGE"};
  table.wide = {false, false};
  const auto add = [&](const json::object& object) {
    ServerTable::Row row;
    read_metadata(row, object);
    row.cells = {row.name,
                 age_of(api::string_at(object, {"metadata", "creationTimestamp"}), std::chrono::system_clock::now())};
    table.rows.push_back(std::move(row));
  };
  if (const auto* items = api::array_at(body, {"items"})) {
    for (const auto& item : *items) {
      if (item.is_object()) add(item.as_object());
    }
  } else {
    add(body);
  }
  return table;
}

std::string labels_text(const json::object& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    if (!out.empty()) out += ',';
    out.append(key).append("=").append(value.is_string() ? std::string(value.as_string()) : json::write(value));
  }
  return out.empty() ? "<none>" : out;
}

}  // namespace

Result<ServerTable> ServerTable::parse(const json::value& body) {
  if (!body.is_object()) return Error(ErrorCode::kDataLoss, "the server answered no object where a table was expected");
  const json::object& top = body.as_object();
  if (api::kind_of(top) != "Table") {
    ServerTable table = from_objects(top);
    table.resource_version = api::string_at(top, {"metadata", "resourceVersion"});
    return table;
  }
  ServerTable table;
  table.resource_version = api::string_at(top, {"metadata", "resourceVersion"});
  table.continue_token = api::string_at(top, {"metadata", "continue"});
  if (const auto* columns = api::array_at(top, {"columnDefinitions"})) {
    for (const auto& c : *columns) {
      if (!c.is_object()) continue;
      table.headers.push_back(upper(api::string_at(c.as_object(), {"name"})));
      table.wide.push_back(api::int_at(c.as_object(), {"priority"}) > 0);
    }
  }
  if (const auto* rows = api::array_at(top, {"rows"})) {
    for (const auto& r : *rows) {
      if (!r.is_object()) continue;
      Row row;
      if (const auto* cells = api::array_at(r.as_object(), {"cells"})) {
        for (const auto& cell : *cells) row.cells.push_back(cell_text(cell));
      }
      row.cells.resize(table.headers.size());
      if (const auto* object = api::object_at(r.as_object(), {"object"})) read_metadata(row, *object);
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

std::string render(const Console& console, const ServerTable& table, const TableLook& look,
                   std::vector<std::size_t>* widths) {
  std::vector<std::string> headers;
  if (look.ns_column) headers.emplace_back("NAMESPACE");
  for (std::size_t i = 0; i < table.headers.size(); ++i) {
    if (look.wide || !table.wide[i]) headers.push_back(table.headers[i]);
  }
  if (look.labels_column) headers.emplace_back("LABELS");
  TextTable out(std::move(headers));
  out.set_headers_shown(look.headers);
  for (const auto& row : table.rows) {
    std::vector<Cell> cells;
    if (look.ns_column) cells.emplace_back(row.ns);
    bool first = true;
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      if (!look.wide && table.wide[i]) continue;
      std::string text = first ? look.name_prefix + row.cells[i] : row.cells[i];
      const Style style = first ? Style::kPlain : style_of_word(text);
      cells.emplace_back(std::move(text), style);
      first = false;
    }
    if (look.labels_column) cells.emplace_back(labels_text(row.labels));
    out.add(std::move(cells));
  }
  return out.render(console, widths);
}

}  // namespace sedna::cli
