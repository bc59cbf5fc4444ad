#include "sedna/cli/live_figures.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "sedna/api/object.hpp"

namespace sedna::cli {
namespace {

constexpr std::chrono::seconds kAskAgain(30);
constexpr const char* kWorkers = ":9100/proxy/sedna/workers";

bool newer(const EdgeFigures& a, const EdgeFigures& b) {
  const auto one = api::parse_time(a.updated), other = api::parse_time(b.updated);
  return one && (!other || *one >= *other);
}

}  // namespace

void LiveFigures::refresh(const std::string& ns) {
  services_.clear();
  pods_.clear();
  store::ListOptions list;
  list.ns = ns;
  list.label_selector = "jointinferenceservice.sedna.io/worker-type=edge";
  const auto found = cluster_.api().list(api::kinds::kPod, list);
  if (!found) throw found.status().to_error();
  std::set<std::string> nodes;
  for (const auto& pod : found->items) {
    const std::string node(api::string_at(pod, {"spec", "nodeName"}));
    pods_[std::string(api::uid_of(pod))] = {std::string(api::name_of(pod)), node};
    if (!node.empty()) nodes.insert(node);
  }
  for (const auto& node : nodes) {
    const auto silent = silent_.find(node);
    if (silent == silent_.end() || clock_.now() >= silent->second.until) ask(node);
  }
}

void LiveFigures::ask(const std::string& node) {
  silent_.erase(node);
  const auto silence = [&](std::string why) { silent_[node] = {std::move(why), clock_.now() + kAskAgain}; };
  const auto body = cluster_.get("/api/v1/nodes/" + node + kWorkers, "application/json");
  if (!body) {
    silence(body.status().message);
    return;
  }
  const auto parsed = json::parse(*body);
  const auto* workers = parsed && parsed->is_object() ? api::array_at(parsed->as_object(), {"workers"}) : nullptr;
  if (workers == nullptr) {
    silence("the local controller of node " + node + " is of another version");
    return;
  }
  for (const auto& entry : *workers) {
    const auto* figures = entry.is_object() ? api::object_at(entry.as_object(), {"figures"}) : nullptr;
    if (figures == nullptr) continue;
    EdgeFigures row = read_figures(*figures);
    row.uid = row.worker = api::string_at(entry.as_object(), {"worker"});
    row.node = node;
    row.updated = api::string_at(entry.as_object(), {"time"});
    row.live = true;
    if (const auto pod = pods_.find(row.uid); pod != pods_.end()) {
      row.worker = pod->second.name;
      row.ready = true;
    }
    services_[std::string(api::string_at(entry.as_object(), {"service"}))].push_back(std::move(row));
  }
}

void LiveFigures::put_into(const std::string& service, std::vector<EdgeFigures>& rows) const {
  const auto answered = services_.find(service);
  if (answered == services_.end()) return;
  auto total = std::find_if(rows.begin(), rows.end(), [](const EdgeFigures& row) { return row.is_total; });
  std::optional<EdgeFigures> sum;
  if (total != rows.end()) {
    sum = std::move(*total);
    rows.erase(total);
  }
  for (const EdgeFigures& now : answered->second) {
    const auto known = std::find_if(rows.begin(), rows.end(), [&now](const EdgeFigures& row) {
      return row.uid.empty() ? row.worker == now.worker && row.node == now.node : row.uid == now.uid;
    });
    if (known == rows.end()) {
      if (!now.ready) continue;  // its Pod is gone, and the status has let go of it, too
      if (sum) add_figures(*sum, now, 1);
      rows.push_back(now);
      continue;
    }
    if (!newer(now, *known)) continue;
    if (sum) {
      add_figures(*sum, *known, -1);
      add_figures(*sum, now, 1);
    }
    const EdgeFigures before = std::move(*known);
    *known = now;
    known->worker = before.worker;
    known->ready = before.ready;
  }
  if (!sum && rows.size() > 1) {
    sum.emplace();
    sum->worker = "total";
    sum->is_total = sum->ready = true;
    for (const EdgeFigures& row : rows) add_figures(*sum, row, 1);
  }
  if (sum) rows.push_back(std::move(*sum));
}

std::string LiveFigures::trouble(const std::string& node) const {
  const auto silent = silent_.find(node);
  return silent == silent_.end() ? std::string() : silent->second.why;
}

}  // namespace sedna::cli
