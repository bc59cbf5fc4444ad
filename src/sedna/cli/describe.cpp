#include "sedna/cli/describe.hpp"

#include <algorithm>

#include "sedna/base/error.hpp"
#include "sedna/cli/apply.hpp"
#include "sedna/cli/describe_sections.hpp"
#include "sedna/cli/events.hpp"
#include "sedna/cli/logs.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

std::vector<api::Object> workers_of(Cluster& cluster, const api::Kind& kind, const api::Object& object) {
  return pods_of(cluster, kind, std::string(api::namespace_of(object)), std::string(api::name_of(object)));
}

/// Pods bound to a node.
std::vector<api::Object> pods_on(Cluster& cluster, std::string_view node) {
  store::ListOptions list;
  list.field_selector = "spec.nodeName=" + std::string(node);
  auto found = cluster.api().list(api::kinds::kPod, list);
  return found ? std::move(found->items) : std::vector<api::Object>{};
}

std::string hints(const Console& console, const std::vector<PodSummary>& pods) {
  std::string out;
  for (const auto& pod : pods) {
    if (pod.healthy || pod.status == "ContainerCreating" || pod.status == "PodInitializing") continue;
    out += "  " + console.styled(Style::kBad, pod.name) + ": " + pod.status +
           (pod.message.empty() ? "" : ": " + pod.message) + "\n";
    out += console.styled(Style::kDim, "      " + advice_for(pod)) + "\n";
  }
  return out.empty() ? out : console.styled(Style::kBold, "What to do") + "\n" + out;
}

/// The events of an object and of its Pods: what happened to a worker belongs to its service.
std::vector<api::Object> all_events(Cluster& cluster, const api::Object& object, const std::vector<api::Object>& pods) {
  auto out = events_of(cluster, object);
  for (const auto& pod : pods) {
    auto more = events_of(cluster, pod);
    std::move(more.begin(), more.end(), std::back_inserter(out));
  }
  sort_by_time(out);
  return out;
}

}  // namespace

std::string describe_text(Cluster& cluster, const Console& console, const api::Kind& kind, const api::Object& object) {
  std::string out = describe_metadata(console, kind, object);
  std::vector<api::Object> pods;
  if (kind.category == "sedna") {
    out += describe_sedna_spec(console, kind, object);
    if (&kind != &api::kinds::kDataset && &kind != &api::kinds::kModel) {
      pods = workers_of(cluster, kind, object);
      out += describe_workers(console, pods);
      out += describe_edge_figures(console, object);
      out += describe_rounds(console, object);
    } else {
      out += describe_facts(console, object);
    }
    out += describe_conditions(console, object);
  } else if (&kind == &api::kinds::kPod) {
    out += describe_pod(console, object);
    out += describe_conditions(console, object);
  } else if (&kind == &api::kinds::kNode) {
    out += describe_node(console, object);
    out += describe_conditions(console, object);
    out += describe_workers(console, pods_on(cluster, api::name_of(object)));
  } else {
    api::Object rest = object;
    for (const auto key : {"apiVersion", "kind", "metadata"}) rest.erase(key);
    if (&kind == &api::kinds::kSecret) hide_secret(rest);
    out += describe_tree(rest, 0);
  }
  const auto found = all_events(cluster, object, pods);
  out += "\n" + console.styled(Style::kBold, "Events") + "\n";
  out += found.empty() ? "  none in the last hour\n" : render_events(console, found, !pods.empty(), false);
  std::vector<PodSummary> summaries;
  for (const auto& pod : pods) summaries.push_back(summarise_pod(pod));
  if (&kind == &api::kinds::kPod) summaries.push_back(summarise_pod(object));
  const std::string advice = hints(console, summaries);
  return advice.empty() ? out : out + "\n" + advice;
}

int describe(Cluster& cluster, Console& console, const DescribeOptions& options) {
  bool failed = false;
  std::vector<std::pair<const api::Kind*, api::Object>> objects;
  for (const auto& target : parse_targets(cluster, options.words)) {
    const std::string ns = options.scope.namespace_for(*target.kind);
    if (!target.name.empty()) {
      auto object = cluster.api().get(*target.kind, ns, target.name);
      if (!object) {
        console.err_line(console.styled(Style::kBad, "Error") + " from server (" + object.status().reason +
                         "): " + explain_failure(object.status()));
        failed = true;
        continue;
      }
      objects.emplace_back(target.kind, std::move(*object));
      continue;
    }
    store::ListOptions list;
    list.ns = ns;
    list.label_selector = options.scope.label_selector;
    auto found = cluster.api().list(*target.kind, list);
    if (!found) throw found.status().to_error();
    for (auto& item : found->items) objects.emplace_back(target.kind, std::move(item));
  }
  if (objects.empty() && !failed) console.err_line("No resources found in " + options.scope.ns + " namespace.");
  bool first = true;
  for (const auto& [kind, object] : objects) {
    if (!options.output.is_table()) {
      json::object all{{"object", object}};
      json::array pods, events;
      if (kind->category == "sedna" && kind != &api::kinds::kDataset && kind != &api::kinds::kModel) {
        for (const auto& pod : workers_of(cluster, *kind, object)) pods.push_back(pod);
      }
      for (const auto& event : events_of(cluster, object)) events.push_back(event);
      all["workers"] = std::move(pods);
      all["events"] = std::move(events);
      print_value(console, options.output, all);
      continue;
    }
    if (!first) console.out("\n\n");
    console.out(describe_text(cluster, console, *kind, object));
    first = false;
  }
  return failed ? 1 : 0;
}

}  // namespace sedna::cli
