#include "sedna/cluster/namespaces.hpp"

namespace sedna::cluster {

using control::ReconcileResult;

NamespaceLoop::NamespaceLoop(store::ApiServer& server, Caches& caches) : server_(server), caches_(caches) {}

void NamespaceLoop::watch(control::Controller& controller) {
  caches_.of(api::kinds::kNamespace).add_handler([&controller](const control::ObjectCache::Change& change) {
    if (change.after == nullptr || api::is_deleting(*change.after))
      controller.queue().add(api::name_of(change.after ? *change.after : *change.before));
  });
}

std::size_t NamespaceLoop::empty(const std::string& name, std::string& problem) {
  std::size_t left = 0;
  for (const api::Kind* kind : api::all_kinds()) {
    if (!kind->namespaced) continue;
    store::ListOptions options;
    options.ns = name;
    auto all = server_.list(*kind, options);
    if (!all) {
      problem = all.status().message;
      return left + 1;
    }
    for (const auto& object : all->items) {
      if (!api::is_deleting(object)) {
        store::DeleteOptions remove;
        remove.uid = api::uid_of(object);
        auto gone = server_.remove(*kind, name, api::name_of(object), remove);
        if (!gone && !gone.status().is_not_found() && !gone.status().is_conflict()) problem = gone.status().message;
        if (gone && !api::is_deleting(*gone)) continue;
      }
      if (server_.get(*kind, name, api::name_of(object)).ok()) ++left;
    }
  }
  return left;
}

ReconcileResult NamespaceLoop::reconcile(const std::string& name) {
  const auto there = caches_.of(api::kinds::kNamespace).cache().get(name);
  if (there != nullptr && !api::is_deleting(*there)) return ReconcileResult::done();
  std::string problem;
  const auto left = empty(name, problem);
  if (!problem.empty()) return ReconcileResult::failed(problem);
  // Pods end in their own time; the wait grows to a few seconds at most by asking again rather than by watching all.
  if (left > 0) return ReconcileResult::after(std::chrono::milliseconds(300));
  if (there == nullptr) return ReconcileResult::done();
  auto fresh = server_.get(api::kinds::kNamespace, {}, name);
  if (!fresh) {
    return fresh.status().is_not_found() ? ReconcileResult::done() : ReconcileResult::failed(fresh.status().message);
  }
  if (auto* finalizers = api::find(*fresh, {"spec", "finalizers"}); finalizers != nullptr)
    api::make_object(*fresh, {"spec"})["finalizers"] = json::array();
  auto written = server_.update(api::kinds::kNamespace, *fresh);
  if (!written && !written.status().is_not_found()) return ReconcileResult::failed(written.status().message);
  return ReconcileResult::done();
}

}  // namespace sedna::cluster
