#include "sedna/cluster/scheduling.hpp"

#include "sedna/cluster/placement.hpp"
#include "sedna/cluster/pods.hpp"

namespace sedna::cluster {

using control::ReconcileResult;

SchedulingLoop::SchedulingLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events,
                               const Clock& clock)
    : server_(server), caches_(caches), events_(events), clock_(clock) {}

void SchedulingLoop::watch(control::Controller& controller) {
  caches_.pods().add_handler([this, &controller](const control::ObjectCache::Change& change) {
    const auto node_of = [](const control::ObjectPtr& pod) {
      return pod == nullptr || is_terminal(*pod) ? std::string_view() : api::string_at(*pod, {"spec", "nodeName"});
    };
    const auto before = node_of(change.before), after = node_of(change.after);
    if (before != after) {
      const std::lock_guard lock(mutex_);
      if (!before.empty()) {
        if (const auto it = active_.find(before); it != active_.end() && --it->second == 0) active_.erase(it);
      }
      if (!after.empty()) ++active_[std::string(after)];
    }
    // Bound, running Pods are the agents' business: only what has no node, a strange one or is going concerns us.
    if (change.after == nullptr || is_terminal(*change.after)) return;
    const bool started = api::find(*change.after, {"status", "startTime"}) != nullptr;
    if (!started || api::is_deleting(*change.after)) controller.queue().add(api::key_of(*change.after));
  });
  // A node that came, went or changed its mind may change what is true for every Pod that waits.
  caches_.nodes().add_handler([this, &controller](const control::ObjectCache::Change& change) {
    if (change.before && change.after) {
      const auto same = [&](std::initializer_list<std::string_view> path) {
        const auto* a = api::find(*change.before, path);
        const auto* b = api::find(*change.after, path);
        return a == nullptr ? b == nullptr : b != nullptr && *a == *b;
      };
      if (same({"spec"}) && same({"metadata", "labels"}) && same({"status", "allocatable"}) &&
          is_ready(*change.before) == is_ready(*change.after))
        return;
    }
    for (const auto& pod : caches_.pods().cache().by_index(kByNode, "")) controller.queue().add(api::key_of(*pod));
    const auto& any = change.after ? change.after : change.before;
    for (const auto& pod : caches_.pods().cache().by_index(kByNode, api::name_of(*any)))
      controller.queue().add(api::key_of(*pod));
  });
}

ReconcileResult SchedulingLoop::say_unschedulable(const api::Object& pod, const std::string& message,
                                                  bool unknown_node) {
  const std::string_view reason = unknown_node ? "NodeNotFound" : "Unschedulable";
  const auto* said = condition(pod, "PodScheduled");
  if (said != nullptr && api::string_at(*said, {"message"}) == message && api::string_at(*said, {"status"}) == "False")
    return ReconcileResult::done();
  auto fresh = server_.get(api::kinds::kPod, api::namespace_of(pod), api::name_of(pod));
  if (!fresh) {
    return fresh.status().is_not_found() ? ReconcileResult::done() : ReconcileResult::failed(fresh.status().message);
  }
  auto& status = api::make_object(*fresh, {"status"});
  if (!status.contains("phase")) status["phase"] = "Pending";
  set_condition(status,
                json::object{{"type", "PodScheduled"}, {"status", "False"}, {"reason", reason}, {"message", message}},
                clock_.wall());
  events_.warning(pod, "FailedScheduling", message);
  auto written = server_.update_status(api::kinds::kPod, *fresh);
  if (!written) {
    return written.status().is_not_found() ? ReconcileResult::done()
                                           : ReconcileResult::failed(written.status().message);
  }
  caches_.pods().remember(std::move(*written));
  return ReconcileResult::done();
}

/// A deleted Pod that no agent has or will ever have: nobody else would take it away.
ReconcileResult SchedulingLoop::clear_deleted(const api::Object& pod) {
  const auto node = api::string_at(pod, {"spec", "nodeName"});
  if (!node.empty() && caches_.nodes().cache().get(node) != nullptr) return ReconcileResult::done();
  std::string why;
  if (!remove_object(server_, caches_.pods(), pod, why, 0)) return ReconcileResult::failed(std::move(why));
  return ReconcileResult::done();
}

ReconcileResult SchedulingLoop::bind(const api::Object& pod, const std::string& node) {
  auto bound = server_.merge_patch(
      api::kinds::kPod, api::namespace_of(pod), api::name_of(pod),
      store::MergePatch(json::object{{"metadata", {{"uid", api::uid_of(pod)}}}, {"spec", {{"nodeName", node}}}},
                        api::resource_version_of(pod)));
  if (!bound) {
    if (bound.status().is_not_found()) return ReconcileResult::done();
    return ReconcileResult::failed(bound.status().message);
  }
  events_.normal(pod, "Scheduled", "Successfully assigned " + api::key_of(pod) + " to " + node);
  caches_.pods().remember(std::move(*bound));
  return ReconcileResult::done();
}

ReconcileResult SchedulingLoop::reconcile(const std::string& key) {
  const auto pod = caches_.pods().cache().get(key);
  if (pod == nullptr || is_terminal(*pod)) return ReconcileResult::done();
  if (api::is_deleting(*pod)) return clear_deleted(*pod);
  const auto nodes = caches_.nodes().cache().list();
  std::map<std::string, std::size_t, std::less<>> counts;
  {
    const std::lock_guard lock(mutex_);
    counts = active_;
  }
  const auto wanted = extended_resources(*pod);
  std::map<std::string, std::map<std::string, std::int64_t>, std::less<>> in_use;
  if (!wanted.empty()) {
    for (const auto& other : caches_.pods().cache().list()) {
      const auto node = api::string_at(*other, {"spec", "nodeName"});
      if (node.empty() || is_terminal(*other)) continue;
      for (const auto& [name, amount] : extended_resources(*other)) in_use[std::string(node)][name] += amount;
    }
  }
  const auto place_at = place(*pod, nodes, counts, in_use);
  const auto bound = api::string_at(*pod, {"spec", "nodeName"});
  if (place_at.node.empty()) return say_unschedulable(*pod, place_at.message, place_at.unknown_node);
  if (!bound.empty()) return ReconcileResult::done();
  return bind(*pod, place_at.node);
}

}  // namespace sedna::cluster
