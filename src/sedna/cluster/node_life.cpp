#include "sedna/cluster/node_life.hpp"

#include <algorithm>

#include "sedna/cluster/placement.hpp"
#include "sedna/cluster/pods.hpp"

namespace sedna::cluster {

using control::ReconcileResult;
using std::chrono::seconds;

namespace {

constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr seconds kServersDefault{300};

json::object unreachable_taint(std::string_view effect) {
  return json::object{{"key", kUnreachableTaint}, {"effect", effect}};
}

bool is_unreachable_taint(const json::value& taint) {
  return taint.is_object() && api::string_at(taint.get_object(), {"key"}) == kUnreachableTaint;
}

bool has_unreachable_taint(const api::Object& node) {
  const auto* taints = api::array_at(node, {"spec", "taints"});
  return taints != nullptr && std::ranges::any_of(*taints, is_unreachable_taint);
}

/// An agent has begun with it, or was to end it. One that only names a node waits for that node to come.
bool was_taken_on(const api::Object& pod) {
  return is_terminal(pod) || api::is_deleting(pod) || !api::string_at(pod, {"status", "startTime"}).empty();
}

}  // namespace

std::optional<seconds> tolerated_unreachable(const api::Object& pod, bool edge_node, seconds fallback) {
  const auto taint = unreachable_taint("NoExecute");
  if (const auto* all = api::array_at(pod, {"spec", "tolerations"})) {
    std::optional<seconds> shortest;
    bool any = false;
    for (const auto& entry : *all) {
      api::Object one;
      one["spec"] = json::object{{"tolerations", json::array{entry}}};
      if (!tolerates(one, taint)) continue;
      any = true;
      const auto* time = entry.get_object().if_contains("tolerationSeconds");
      if (time == nullptr || !time->is_int64()) continue;
      const seconds allowed(std::max<std::int64_t>(0, time->get_int64()));
      // The server gives every Pod that says nothing these five minutes: on an edge node that is nobody's wish.
      if (edge_node && allowed == kServersDefault) continue;
      if (!shortest || allowed < *shortest) shortest = allowed;
    }
    if (any) return shortest;
  }
  if (edge_node) return std::nullopt;
  return fallback;
}

NodeLifeLoop::NodeLifeLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events, const Clock& clock,
                           Options options)
    : server_(server), caches_(caches), events_(events), clock_(clock), options_(options) {}

void NodeLifeLoop::watch(control::Controller& controller) {
  controller.watch(caches_.nodes());
  controller.watch(caches_.of(api::kinds::kLease), [](const api::Object& lease) -> std::vector<std::string> {
    return {std::string(api::name_of(lease))};
  });
  // Also those of nodes that were removed while nobody looked.
  caches_.pods().add_handler([this, &controller](const control::ObjectCache::Change& change) {
    if (!change.after || !was_taken_on(*change.after)) return;
    const std::string node(api::string_at(*change.after, {"spec", "nodeName"}));
    if (!node.empty() && caches_.nodes().cache().get(node) == nullptr) controller.queue().add(node);
  });
}

SteadyClock::duration NodeLifeLoop::time_left(const std::string& node) {
  const auto lease = caches_.of(api::kinds::kLease).cache().get(kLeaseNamespace, node);
  const std::string renewed(lease ? api::string_at(*lease, {"spec", "renewTime"}) : std::string_view());
  auto grace = options_.grace;
  if (lease) {
    grace = std::max<SteadyClock::duration>(grace, seconds(api::int_at(*lease, {"spec", "leaseDurationSeconds"}, 0)));
  }
  const std::lock_guard lock(mutex_);
  auto& seen = seen_[node];
  if (seen.at == SteadyClock::time_point{} || seen.renew_time != renewed) seen = {renewed, clock_.now()};
  return seen.at + grace - clock_.now();
}

ReconcileResult NodeLifeLoop::alive(const api::Object& node, SteadyClock::duration left) {
  // The agent itself says Ready again; the taint is ours to take away, once it has.
  if (is_ready(node) && has_unreachable_taint(node)) {
    json::array keep;
    for (const auto& taint : *api::array_at(node, {"spec", "taints"})) {
      if (!is_unreachable_taint(taint)) keep.push_back(taint);
    }
    auto patched = server_.merge_patch(
        api::kinds::kNode, {}, api::name_of(node),
        store::MergePatch(json::object{{"spec", {{"taints", std::move(keep)}}}}, api::resource_version_of(node)));
    if (!patched && !patched.status().is_not_found()) return ReconcileResult::failed(patched.status().message);
    if (patched) caches_.nodes().remember(std::move(*patched));
  }
  constexpr auto kSlack = std::chrono::milliseconds(50);
  return ReconcileResult::after(left + kSlack);
}

std::string NodeLifeLoop::mark_pods_not_ready(const api::Object& node) {
  for (const auto& pod : caches_.pods().cache().by_index(kByNode, api::name_of(node))) {
    if (is_terminal(*pod) || !is_ready(*pod)) continue;
    auto fresh = server_.get(api::kinds::kPod, api::namespace_of(*pod), api::name_of(*pod));
    if (!fresh) {
      if (fresh.status().is_not_found()) continue;
      return fresh.status().message;
    }
    if (!is_ready(*fresh) || api::uid_of(*fresh) != api::uid_of(*pod)) continue;
    set_condition(api::make_object(*fresh, {"status"}),
                  json::object{{"type", "Ready"},
                               {"status", "False"},
                               {"reason", "NodeNotReady"},
                               {"message", "the agent of node " + std::string(api::name_of(node)) +
                                               " does not answer; the Pod may well go on working there"}},
                  clock_.wall());
    auto written = server_.update_status(api::kinds::kPod, *fresh);
    if (!written && !written.status().is_not_found()) return written.status().message;
    if (written) caches_.pods().remember(std::move(*written));
    events_.warning(*pod, "NodeNotReady", "Node is not ready");
  }
  return {};
}

ReconcileResult NodeLifeLoop::lost(const api::Object& node) {
  const std::string name(api::name_of(node));
  const auto* ready = condition(node, "Ready");
  if (ready == nullptr || api::string_at(*ready, {"status"}) != "Unknown") {
    auto fresh = server_.get(api::kinds::kNode, {}, name);
    if (!fresh) {
      return fresh.status().is_not_found() ? ReconcileResult::done() : ReconcileResult::failed(fresh.status().message);
    }
    set_condition(api::make_object(*fresh, {"status"}),
                  json::object{{"type", "Ready"},
                               {"status", "Unknown"},
                               {"reason", "NodeStatusUnknown"},
                               {"message", "Kubelet stopped posting node status."}},
                  clock_.wall());
    auto written = server_.update_status(api::kinds::kNode, *fresh);
    if (!written) return ReconcileResult::failed(written.status().message);
    events_.normal(node, "NodeNotReady", "Node " + name + " status is now: NodeNotReady");
    caches_.nodes().remember(std::move(*written));
  }
  const auto current = caches_.nodes().cache().get(name);
  if (current == nullptr) return ReconcileResult::done();
  if (!has_unreachable_taint(*current)) {
    json::array taints;
    if (const auto* now = api::array_at(*current, {"spec", "taints"})) taints = *now;
    for (const auto* effect : {"NoSchedule", "NoExecute"}) {
      auto taint = unreachable_taint(effect);
      taint["timeAdded"] = api::format_time(clock_.wall());
      taints.push_back(std::move(taint));
    }
    auto patched = server_.merge_patch(
        api::kinds::kNode, {}, name,
        store::MergePatch(json::object{{"spec", {{"taints", std::move(taints)}}}}, api::resource_version_of(*current)));
    if (!patched && !patched.status().is_not_found()) return ReconcileResult::failed(patched.status().message);
    if (patched) caches_.nodes().remember(std::move(*patched));
  }
  if (auto why = mark_pods_not_ready(node); !why.empty()) return ReconcileResult::failed(std::move(why));

  const auto since = condition_since(*current, "Ready");
  if (!since) return ReconcileResult::done();
  const bool edge = api::label(*current, "node-role.kubernetes.io/edge").has_value();
  std::optional<seconds> next;
  for (const auto& pod : caches_.pods().cache().by_index(kByNode, name)) {
    if (!is_active(*pod)) continue;
    const auto tolerated = tolerated_unreachable(*pod, edge, options_.default_toleration);
    if (!tolerated) continue;
    const auto left = std::chrono::ceil<seconds>(*since + *tolerated - clock_.wall());
    if (left.count() > 0) {
      if (!next || left < *next) next = left;
      continue;
    }
    events_.normal(*pod, "TaintManagerEviction", "Marking for deletion Pod " + api::key_of(*pod));
    std::string why;
    if (!remove_object(server_, caches_.pods(), *pod, why)) return ReconcileResult::failed(std::move(why));
  }
  return next ? ReconcileResult::after(*next) : ReconcileResult::done();
}

ReconcileResult NodeLifeLoop::bygone(const std::string& name) {
  std::vector<control::ObjectPtr> left;
  for (const auto& pod : caches_.pods().cache().by_index(kByNode, name)) {
    if (was_taken_on(*pod)) left.push_back(pod);
  }
  SteadyClock::duration wait{};
  {
    const std::lock_guard lock(mutex_);
    seen_.erase(name);
    if (left.empty()) {
      missing_since_.erase(name);
      return ReconcileResult::done();
    }
    // A node that was deleted by hand comes back at once, and its Pods run on.
    wait = missing_since_.try_emplace(name, clock_.now()).first->second + options_.grace - clock_.now();
  }
  if (wait.count() > 0) return ReconcileResult::after(wait);
  if (auto there = server_.get(api::kinds::kNode, {}, name); there || !there.status().is_not_found()) {
    return there ? ReconcileResult::done() : ReconcileResult::failed(there.status().message);
  }
  for (const auto& pod : left) {
    events_.normal(*pod, "NodeRemoved", "Node " + name + " is no longer there: deleting Pod " + api::key_of(*pod));
    std::string why;
    if (!remove_object(server_, caches_.pods(), *pod, why, 0)) return ReconcileResult::failed(std::move(why));
  }
  return ReconcileResult::done();
}

ReconcileResult NodeLifeLoop::reconcile(const std::string& name) {
  const auto node = caches_.nodes().cache().get(name);
  if (node == nullptr) return bygone(name);
  {
    const std::lock_guard lock(mutex_);
    missing_since_.erase(name);
  }
  const auto left = time_left(name);
  if (left.count() > 0) return alive(*node, left);
  return lost(*node);
}

}  // namespace sedna::cluster
