#include "sedna/cli/get.hpp"

#include <algorithm>

#include "sedna/base/error.hpp"
#include "sedna/cli/apply.hpp"
#include "sedna/cli/json_path.hpp"
#include "sedna/cli/server_table.hpp"
#include "sedna/net/http.hpp"

namespace sedna::cli {
namespace {

/// Targets of one kind that are asked for together.
struct Group {
  const api::Kind* kind = nullptr;
  std::vector<std::string> names;  ///< empty: all that the scope chooses
};

std::vector<Group> group(const std::vector<Target>& targets) {
  std::vector<Group> out;
  for (const auto& target : targets) {
    auto it = std::find_if(out.begin(), out.end(), [&](const Group& g) { return g.kind == target.kind; });
    if (it == out.end()) it = out.insert(out.end(), Group{target.kind, {}});
    if (!target.name.empty()) it->names.push_back(target.name);
  }
  return out;
}

std::string query(const GetOptions& options) {
  std::string out;
  const auto add = [&](std::string_view key, const std::string& value) {
    if (value.empty()) return;
    out += out.empty() ? '?' : '&';
    out.append(key).append("=").append(net::percent_encode(value));
  };
  add("labelSelector", options.scope.label_selector);
  add("fieldSelector", options.scope.field_selector);
  return out;
}

Result<json::value> parse_body(const std::string& body) {
  json::ParseOptions parse;
  parse.limits.max_depth = 256;
  return json::parse(body, parse);
}

/// What could not be had, said on standard error. True when it may be passed over.
bool report(Console& console, const GetOptions& options, const store::Status& status) {
  if (status.is_not_found() && options.ignore_not_found) return true;
  console.err_line(console.styled(Style::kBad, "Error") + " from server" +
                   (status.reason.empty() ? "" : " (" + status.reason + ")") + ": " + explain_failure(status));
  return false;
}

/// One Table for all that `g` asks for.
store::Outcome<ServerTable> fetch_table(Cluster& cluster, const GetOptions& options, const Group& g, bool& missing,
                                        Console& console) {
  const std::string ns = options.scope.namespace_for(*g.kind);
  ServerTable all;
  const auto take = [&](const std::string& target) -> std::optional<store::Status> {
    auto body = cluster.get(target, std::string(kTableAccept));
    if (!body) return body.status();
    ServerTable table = ServerTable::parse(parse_body(*body).value()).value();
    if (all.headers.empty()) {
      all = std::move(table);
    } else {
      std::move(table.rows.begin(), table.rows.end(), std::back_inserter(all.rows));
    }
    return std::nullopt;
  };
  if (g.names.empty()) {
    if (auto failed = take(g.kind->path(ns) + query(options))) return *failed;
    return all;
  }
  for (const auto& name : g.names) {
    const auto failed = take(g.kind->path(ns, net::percent_encode(name), {}));
    if (!failed) continue;
    if (!failed->is_not_found()) return *failed;
    if (!report(console, options, *failed)) missing = true;
  }
  return all;
}

class TableWatch {
 public:
  TableWatch(Cluster& cluster, Console& console, const GetOptions& options, const Group& g, TableLook look)
      : cluster_(cluster), console_(console), options_(options), group_(g), look_(std::move(look)) {}

  /// Prints rows as they change, from `resource_version` on, until the process is ended.
  int run(std::string resource_version, std::vector<std::size_t> widths) {
    widths_ = std::move(widths);
    version_ = std::move(resource_version);
    for (;;) {
      expired_ = false;
      std::string buffer;
      const auto end = cluster_.stream(target(), std::string(kTableAccept), [&](std::string_view piece) {
        buffer.append(piece);
        std::size_t at = 0;
        for (std::size_t line = buffer.find('\n', at); line != std::string::npos; line = buffer.find('\n', at)) {
          event(std::string_view(buffer).substr(at, line - at));
          at = line + 1;
        }
        buffer.erase(0, at);
        return !expired_;
      });
      if (!end && !end.status().is_transient()) {
        report(console_, options_, end.status());
        return 1;
      }
      if (!expired_) continue;
      bool missing = false;  // the history we had is gone: what is there now is printed, and the watch goes on from it
      auto table = fetch_table(cluster_, options_, group_, missing, console_);
      if (!table) {
        report(console_, options_, table.status());
        return 1;
      }
      console_.out(render(console_, *table, look_, &widths_));
      version_ = table->resource_version;
    }
  }

 private:
  std::string target() const {
    const std::string ns = options_.scope.namespace_for(*group_.kind);
    GetOptions with = options_;
    if (!group_.names.empty()) with.scope.field_selector = "metadata.name=" + group_.names.front();
    std::string out = group_.kind->path(ns) + query(with);
    out += out.find('?') == std::string::npos ? '?' : '&';
    out += "watch=true&allowWatchBookmarks=true";
    if (!version_.empty()) out += "&resourceVersion=" + net::percent_encode(version_);
    return out;
  }

  void event(std::string_view line) {
    if (line.empty()) return;
    const auto parsed = parse_body(std::string(line));
    if (!parsed || !parsed->is_object()) return;
    const auto& top = parsed->as_object();
    const std::string_view type = api::string_at(top, {"type"});
    const json::value* object = top.if_contains("object");
    if (object == nullptr || !object->is_object()) return;
    if (type == "ERROR") {
      expired_ = true;
      return;
    }
    auto table = ServerTable::parse(*object);
    if (!table) return;
    if (!table->resource_version.empty()) version_ = table->resource_version;
    for (const auto& row : table->rows) {
      if (!row.resource_version.empty()) version_ = row.resource_version;
    }
    if (type == "BOOKMARK" || table->rows.empty()) return;
    if (headers_.empty() && !table->headers.empty()) {
      headers_ = table->headers;
      wide_ = table->wide;
    } else if (table->headers.empty()) {  // the server sends the columns with the first event only
      table->headers = headers_;
      table->wide = wide_;
      for (auto& row : table->rows) row.cells.resize(headers_.size());
    }
    console_.out(render(console_, *table, look_, &widths_));
    look_.headers = false;
  }

  Cluster& cluster_;
  Console& console_;
  const GetOptions& options_;
  const Group& group_;
  TableLook look_;
  std::vector<std::size_t> widths_;
  std::vector<std::string> headers_;
  std::vector<bool> wide_;
  std::string version_;
  bool expired_ = false;
};

int get_tables(Cluster& cluster, Console& console, const GetOptions& options, const std::vector<Group>& groups) {
  bool missing = false;
  bool printed = false;
  for (const auto& g : groups) {
    TableLook look;
    look.wide = options.output.form == Output::Form::kWide;
    look.ns_column = options.scope.all_namespaces && g.kind->namespaced;
    look.labels_column = options.show_labels;
    look.headers = !options.no_headers;
    if (groups.size() > 1) look.name_prefix = qualified_name(*g.kind, "");
    std::vector<std::size_t> widths;
    ServerTable table;
    if (!options.watch_only) {
      auto fetched = fetch_table(cluster, options, g, missing, console);
      if (!fetched) {
        report(console, options, fetched.status());
        return 1;
      }
      table = std::move(*fetched);
      if (!table.rows.empty()) {
        if (printed) console.out("\n");
        console.out(render(console, table, look, &widths));
        printed = true;
        look.headers = false;
      }
    }
    if (options.watch || options.watch_only) {
      return TableWatch(cluster, console, options, g, look).run(table.resource_version, std::move(widths));
    }
  }
  if (!printed && !missing && !options.ignore_not_found) {
    console.err_line(options.scope.all_namespaces || groups.front().kind->namespaced == false
                         ? "No resources found"
                         : "No resources found in " + options.scope.ns + " namespace.");
  }
  return missing ? 1 : 0;
}

int get_objects(Cluster& cluster, Console& console, const GetOptions& options, const std::vector<Group>& groups) {
  std::vector<api::Object> objects;
  bool missing = false;
  for (const auto& g : groups) {
    const std::string ns = options.scope.namespace_for(*g.kind);
    for (const auto& name : g.names) {
      auto object = cluster.api().get(*g.kind, ns, name);
      if (object) {
        objects.push_back(std::move(*object));
      } else if (!report(console, options, object.status())) {
        missing = true;
      }
    }
    if (!g.names.empty()) continue;
    store::ListOptions list;
    list.ns = ns;
    list.label_selector = options.scope.label_selector;
    list.field_selector = options.scope.field_selector;
    do {
      auto page = cluster.api().list(*g.kind, list);
      if (!page) {
        report(console, options, page.status());
        return 1;
      }
      std::move(page->items.begin(), page->items.end(), std::back_inserter(objects));
      list.continue_token = page->continue_token;
    } while (!list.continue_token.empty());
  }
  const bool single = groups.size() == 1 && groups.front().names.size() == 1;
  if (single && objects.empty()) return missing ? 1 : 0;
  print_objects(console, options.output, std::move(objects), single);
  return missing ? 1 : 0;
}

int watch_objects(Cluster& cluster, Console& console, const GetOptions& options, const Group& g) {
  store::WatchOptions watch;
  watch.ns = options.scope.namespace_for(*g.kind);
  watch.label_selector = options.scope.label_selector;
  watch.field_selector = g.names.empty() ? options.scope.field_selector : "metadata.name=" + g.names.front();
  watch.send_initial_events = !options.watch_only;
  for (;;) {
    auto stream = cluster.api().watch(*g.kind, watch);
    if (!stream) {
      report(console, options, stream.status());
      return 1;
    }
    while (auto event = (*stream)->next(Deadline::never())) {
      if (event->type == store::WatchEvent::Type::kError) {
        if (!event->status.is_expired()) {
          report(console, options, event->status);
          return 1;
        }
        watch.resource_version.clear();
        watch.send_initial_events = true;
        break;
      }
      watch.resource_version = api::resource_version_of(event->object);
      watch.send_initial_events = false;
      if (event->type == store::WatchEvent::Type::kBookmark) continue;
      std::vector<api::Object> one;
      one.push_back(std::move(event->object));
      print_objects(console, options.output, std::move(one), true);
    }
  }
}

}  // namespace

int get(Cluster& cluster, Console& console, const GetOptions& options) {
  const auto groups = group(parse_targets(cluster, options.words));
  const bool watching = options.watch || options.watch_only;
  if (watching && (groups.size() > 1 || groups.front().names.size() > 1)) {
    throw Error(ErrorCode::kInvalidArgument, "one kind, or one object, can be watched at a time", "-w");
  }
  for (const auto& g : groups) {
    if (!g.names.empty() && options.scope.all_namespaces && g.kind->namespaced) {
      throw Error(ErrorCode::kInvalidArgument,
                  "an object is named within one namespace: use -n, or leave the name away", "-A");
    }
  }
  if (options.output.is_table()) return get_tables(cluster, console, options, groups);
  if (watching) return watch_objects(cluster, console, options, groups.front());
  return get_objects(cluster, console, options, groups);
}

}  // namespace sedna::cli
