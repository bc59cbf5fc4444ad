#include "sedna/apiserver/table.hpp"

#include <map>

#include "sedna/api/schema.hpp"
#include "sedna/apiserver/table_cells.hpp"

namespace sedna::apiserver {
namespace {

using Seconds = std::chrono::seconds;

const std::string_view kNameDoc = "Name must be unique within a namespace. Is required when creating resources.";

/// What a printer column of a Sedna kind shows: names, [n], [-1] and [?(@.key=="value")], as CRDs write paths.
const json::value* at_path(const json::value* from, std::string_view path) {
  while (from != nullptr && !path.empty()) {
    if (path.front() == '.') {
      path.remove_prefix(1);
      const std::string_view name = path.substr(0, path.find_first_of(".["));
      path.remove_prefix(name.size());
      from = from->is_object() ? from->get_object().if_contains(name) : nullptr;
      continue;
    }
    const std::size_t close = path.find(']');
    if (path.front() != '[' || close == std::string_view::npos || !from->is_array()) return nullptr;
    const std::string_view inside = path.substr(1, close - 1);
    path.remove_prefix(close + 1);
    const json::array& list = from->get_array();
    from = nullptr;
    if (inside.starts_with("?(@.")) {
      const std::size_t equals = inside.find("==");
      const std::size_t open = inside.find_first_of("\"'", equals);
      if (equals == std::string_view::npos || open == std::string_view::npos) return nullptr;
      const std::string_view key = inside.substr(4, equals - 4);
      const std::string_view value = inside.substr(open + 1, inside.find(inside[open], open + 1) - open - 1);
      for (const json::value& entry : list) {
        if (from == nullptr && entry.is_object() && api::string_at(entry.get_object(), {key}) == value) from = &entry;
      }
    } else if (!list.empty()) {
      const bool last = inside.starts_with('-');
      std::size_t index = 0;
      for (const char c : inside) index = c >= '0' && c <= '9' ? index * 10 + static_cast<std::size_t>(c - '0') : index;
      if (last) index = list.size() - 1;
      from = index < list.size() ? &list[index] : nullptr;
    }
  }
  return from;
}

json::array sedna_cells(const api::Kind& kind, const api::Object& object) {
  json::array cells{json::value(api::name_of(object))};
  const json::value tree(object);
  for (const api::PrinterColumn& column : api::printer_columns(kind)) {
    const json::value* found = at_path(&tree, column.json_path);
    if (column.type == "date") {
      const auto time = found != nullptr && found->is_string() ? api::parse_time(found->get_string()) : std::nullopt;
      cells.emplace_back(time ? age_since(*time) : "<unknown>");
    } else if (found == nullptr) {
      cells.emplace_back(column.type == "string" ? json::value("") : json::value(nullptr));
    } else {
      cells.push_back(found->is_structured() ? json::value(json::write(*found)) : *found);
    }
  }
  return cells;
}

std::vector<Column> sedna_columns(const api::Kind& kind) {
  std::vector<Column> columns{{"Name", "string", "name", std::string(kNameDoc), 0}};
  for (const api::PrinterColumn& column : api::printer_columns(kind)) {
    columns.push_back(
        {std::string(column.name), std::string(column.type), "", std::string(column.doc), column.priority});
  }
  return columns;
}

}  // namespace

std::string human_duration(Seconds age) {
  const auto s = age.count();
  const auto text = [](std::int64_t n, const char* unit) { return std::to_string(n) + unit; };
  const auto two = [&text](std::int64_t high, const char* a, std::int64_t low, const char* b) {
    return low == 0 ? text(high, a) : text(high, a) + text(low, b);
  };
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400, kYear = 365 * kDay;
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  if (s < 2 * kMinute) return text(s, "s");
  if (s < 10 * kMinute) return two(s / kMinute, "m", s % kMinute, "s");
  if (s < 3 * kHour) return text(s / kMinute, "m");
  if (s < 8 * kHour) return two(s / kHour, "h", s % kHour / kMinute, "m");
  if (s < 2 * kDay) return text(s / kHour, "h");
  if (s < 8 * kDay) return two(s / kDay, "d", s % kDay / kHour, "h");
  if (s < 2 * kYear) return text(s / kDay, "d");
  if (s < 8 * kYear) return two(s / kYear, "y", s % kYear / kDay, "d");
  return text(s / kYear, "y");
}

std::string age_since(std::chrono::system_clock::time_point time) {
  return human_duration(std::chrono::duration_cast<Seconds>(std::chrono::system_clock::now() - time));
}

std::string age_of(const api::Object& object) {
  const auto made = api::parse_time(api::string_at(object, {"metadata", "creationTimestamp"}));
  return made ? age_since(*made) : "<unknown>";
}

const std::vector<Column>& columns_of(const api::Kind& kind) {
  static const auto* const tables = [] {
    auto* map = new std::map<const api::Kind*, std::vector<Column>>();
    for (const api::Kind* each : api::all_kinds()) {
      auto columns = core_columns(*each);
      (*map)[each] = columns.empty() ? sedna_columns(*each) : std::move(columns);
    }
    return map;
  }();
  return tables->at(&kind);
}

std::string column_definitions(const api::Kind& kind) {
  json::array out;
  for (const Column& column : columns_of(kind)) {
    const std::string format = column.name == "Name" ? "name" : column.format;
    out.push_back(json::object{{"name", column.name},
                               {"type", column.type},
                               {"format", format},
                               {"description", column.name == "Name" ? kNameDoc : std::string_view(column.description)},
                               {"priority", column.priority}});
  }
  return json::write(out);
}

std::string table_row(const api::Kind& kind, const api::Object& object, std::string_view include_object) {
  json::array cells = core_cells(kind, object);
  if (cells.empty()) cells = sedna_cells(kind, object);
  std::string out = R"({"cells":)";
  json::append(out, cells);
  out += R"(,"object":)";
  if (include_object == "None") {
    out += "null";
  } else if (include_object == "Object") {
    json::append(out, object);
  } else {
    const json::object* metadata = api::object_at(object, {"metadata"});
    out += R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)";
    json::append(out, metadata == nullptr ? json::object() : *metadata);
    out += '}';
  }
  return out + "}";
}

}  // namespace sedna::apiserver
