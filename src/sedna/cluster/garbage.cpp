#include "sedna/cluster/garbage.hpp"

#include <algorithm>

namespace sedna::cluster {

using control::ReconcileResult;

namespace {

std::string queue_key(const api::Kind& kind, const api::Object& object) {
  return std::string(kind.plural) + "." + std::string(kind.group) + "/" + std::string(api::namespace_of(object)) + "/" +
         std::string(api::name_of(object));
}

}  // namespace

Verdict judge(const api::Object& object, const std::function<Owner(const api::OwnerReference&)>& look) {
  Verdict out;
  bool any_gone = false, any_there = false;
  for (auto& owner : api::owners_of(object)) {
    switch (look(owner)) {
      case Owner::kThere:
        any_there = true;
        out.left.push_back(std::move(owner));
        break;
      case Owner::kGone:
        any_gone = true;
        break;
      case Owner::kUnknown:
        return {};
    }
  }
  if (any_gone) out.what = any_there ? Verdict::What::kForgetOwners : Verdict::What::kRemove;
  return out;
}

GarbageLoop::GarbageLoop(store::ApiServer& server, Caches& caches) : server_(server), caches_(caches) {}

void GarbageLoop::watch(control::Controller& controller) {
  for (const api::Kind* kind : caches_.collected()) {
    caches_.of(*kind).add_handler([this, &controller, kind](const control::ObjectCache::Change& change) {
      const auto enqueue_dependents = [&](std::string_view uid) {
        for (const api::Kind* other : caches_.collected()) {
          for (const auto& dependent : caches_.of(*other).cache().by_index(kByOwner, uid))
            controller.queue().add(queue_key(*other, *dependent));
        }
      };
      if (change.after == nullptr) {
        enqueue_dependents(api::uid_of(*change.before));
        return;
      }
      // Made again under the same name: the dependents of the first one are orphans.
      if (change.before && api::uid_of(*change.before) != api::uid_of(*change.after))
        enqueue_dependents(api::uid_of(*change.before));
      if (change.before == nullptr && !api::owners_of(*change.after).empty())
        controller.queue().add(queue_key(*kind, *change.after));
    });
  }
}

Owner GarbageLoop::look(const api::OwnerReference& owner, std::string_view ns, std::string& problem) {
  const api::Kind* kind = api::find_kind(owner.api_version, owner.kind);
  if (kind == nullptr || kind == &api::kinds::kEvent || kind == &api::kinds::kLease) return Owner::kUnknown;
  const auto where = kind->namespaced ? ns : std::string_view();
  const auto cached = caches_.of(*kind).cache().get(where, owner.name);
  if (cached && api::uid_of(*cached) == owner.uid) return Owner::kThere;
  // The cache may be behind: only the server's word ends a life.
  const auto there = server_.get(*kind, where, owner.name);
  if (there) return api::uid_of(*there) == owner.uid ? Owner::kThere : Owner::kGone;
  if (there.status().is_not_found()) return Owner::kGone;
  problem = there.status().message;
  return Owner::kUnknown;
}

ReconcileResult GarbageLoop::reconcile(const std::string& key) {
  const auto slash = key.find('/'), dot = key.find('.');
  const auto second = key.find('/', slash + 1);
  const auto plural = std::string_view(key).substr(0, dot);
  const auto group = std::string_view(key).substr(dot + 1, slash - dot - 1);
  const auto found = std::ranges::find_if(
      caches_.collected(), [&](const api::Kind* kind) { return kind->plural == plural && kind->group == group; });
  if (found == caches_.collected().end()) return ReconcileResult::done();
  const api::Kind& kind = **found;
  const auto ns = std::string_view(key).substr(slash + 1, second - slash - 1);
  const auto object = caches_.of(kind).cache().get(ns, std::string_view(key).substr(second + 1));
  if (object == nullptr || api::is_deleting(*object)) return ReconcileResult::done();

  std::string problem;
  const auto verdict = judge(
      *object, [&](const api::OwnerReference& owner) { return look(owner, api::namespace_of(*object), problem); });
  if (!problem.empty()) return ReconcileResult::failed(problem);
  if (verdict.what == Verdict::What::kRemove) {
    if (!remove_object(server_, caches_.of(kind), *object, problem)) return ReconcileResult::failed(problem);
  } else if (verdict.what == Verdict::What::kForgetOwners) {
    json::array left;
    for (const auto& owner : verdict.left) left.push_back(api::to_json(owner));
    auto patched =
        server_.merge_patch(kind, api::namespace_of(*object), api::name_of(*object),
                            store::MergePatch(json::object{{"metadata", {{"ownerReferences", std::move(left)}}}},
                                              api::resource_version_of(*object)));
    if (!patched && !patched.status().is_not_found()) return ReconcileResult::failed(patched.status().message);
  }
  return ReconcileResult::done();
}

}  // namespace sedna::cluster
