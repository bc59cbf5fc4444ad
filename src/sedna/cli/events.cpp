#include "sedna/cli/events.hpp"

#include <algorithm>
#include <map>

#include "sedna/base/error.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

/// "default", or what an object without a namespace has its events in.
std::string event_namespace(const api::Object& object) {
  const std::string ns(api::namespace_of(object));
  return ns.empty() ? "default" : ns;
}

bool is_warning(const api::Object& event) {
  return api::string_at(event, {"type"}) == "Warning";
}

}  // namespace

void sort_by_time(std::vector<api::Object>& events) {
  std::multimap<std::string, api::Object> sorted;  // keeps the order of equal times
  for (auto& event : events) {
    std::string time(last_seen(event));
    sorted.emplace(std::move(time), std::move(event));
  }
  events.clear();
  for (auto& [time, event] : sorted) events.push_back(std::move(event));
}

std::string_view last_seen(const api::Object& event) {
  for (const auto path : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
    const std::string_view time = api::string_at(event, {path});
    if (!time.empty()) return time;
  }
  return api::string_at(event, {"metadata", "creationTimestamp"});
}

std::vector<api::Object> events_of(Cluster& cluster, const api::Object& object) {
  store::ListOptions list;
  list.ns = event_namespace(object);
  list.field_selector = "involvedObject.kind=" + std::string(api::kind_of(object)) +
                        ",involvedObject.name=" + std::string(api::name_of(object));
  if (!api::uid_of(object).empty() && api::kind_of(object) != "Node") {  // kubelets put a node's name as its uid
    list.field_selector += ",involvedObject.uid=" + std::string(api::uid_of(object));
  }
  auto found = cluster.api().list(api::kinds::kEvent, list);
  if (!found) return {};
  sort_by_time(found->items);
  return std::move(found->items);
}

std::string render_events(const Console& console, const std::vector<api::Object>& events, bool with_object,
                          bool with_namespace, bool headers, std::vector<std::size_t>* widths) {
  std::vector<std::string> names;
  if (with_namespace) names.emplace_back("NAMESPACE");
  names.insert(names.end(), {"LAST SEEN", "TYPE", "REASON"});
  if (with_object) names.emplace_back("OBJECT");
  names.emplace_back("MESSAGE");
  TextTable table(std::move(names));
  table.set_headers_shown(headers);
  if (!with_object) table.set_indent("  ");
  for (const auto& event : events) {
    std::vector<Cell> row;
    if (with_namespace) row.emplace_back(api::namespace_of(event));
    std::string age = age_of(last_seen(event), SystemClock::now());
    const std::int64_t count = api::int_at(event, {"count"}, 1);
    if (count > 1) age += " (x" + std::to_string(count) + ")";
    row.emplace_back(std::move(age));
    row.emplace_back(std::string(api::string_at(event, {"type"})), is_warning(event) ? Style::kWarning : Style::kPlain);
    row.emplace_back(one_line(api::string_at(event, {"reason"})));
    if (with_object) {
      std::string kind(api::string_at(event, {"involvedObject", "kind"}));
      std::transform(kind.begin(), kind.end(), kind.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
      row.emplace_back(kind + "/" + std::string(api::string_at(event, {"involvedObject", "name"})));
    }
    row.emplace_back(one_line(api::string_at(event, {"message"})));
    table.add(std::move(row));
  }
  return table.render(console, widths);
}

int events(Cluster& cluster, Console& console, const EventsOptions& options) {
  store::ListOptions list;
  list.ns = options.scope.all_namespaces ? "" : options.scope.ns;
  list.field_selector = options.scope.field_selector;
  list.label_selector = options.scope.label_selector;
  const auto also = [&](const std::string& term) {
    list.field_selector += (list.field_selector.empty() ? "" : ",") + term;
  };
  if (!options.object.empty()) {
    const auto targets = parse_targets(cluster, {options.object});
    if (targets.size() != 1 || targets.front().name.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "expected kind/name", "--for '" + options.object + "'");
    }
    also("involvedObject.kind=" + std::string(targets.front().kind->kind));
    also("involvedObject.name=" + targets.front().name);
  }
  if (options.warnings_only) also("type=Warning");
  auto found = cluster.api().list(api::kinds::kEvent, list);
  if (!found) throw found.status().to_error();
  sort_by_time(found->items);
  const bool show_ns = options.scope.all_namespaces;
  std::vector<std::size_t> widths;
  if (!options.output.is_table()) {
    print_objects(console, options.output, std::move(found->items), false);
  } else if (found->items.empty() && !options.watch) {
    console.err_line("No events" + (show_ns ? std::string() : " in " + options.scope.ns + " namespace") +
                     "; they are kept for an hour");
  } else {
    console.out(render_events(console, found->items, true, show_ns, true, &widths));
  }
  if (!options.watch) return 0;
  store::WatchOptions watch;
  watch.ns = list.ns;
  watch.field_selector = list.field_selector;
  watch.label_selector = list.label_selector;
  watch.resource_version = found->resource_version;
  for (;;) {
    auto stream = cluster.api().watch(api::kinds::kEvent, watch);
    if (!stream) throw stream.status().to_error();
    while (auto event = (*stream)->next(Deadline::never())) {
      if (event->type == store::WatchEvent::Type::kError) {
        watch.resource_version.clear();  // from now on
        break;
      }
      watch.resource_version = api::resource_version_of(event->object);
      using Type = store::WatchEvent::Type;
      if (event->type != Type::kAdded && event->type != Type::kModified) continue;
      std::vector<api::Object> one;
      one.push_back(std::move(event->object));
      if (options.output.is_table()) {
        console.out(render_events(console, one, true, show_ns, false, &widths));
      } else {
        print_objects(console, options.output, std::move(one), true);
      }
    }
  }
}

}  // namespace sedna::cli
