// Garbage collection: what all of its owners are gone of goes too. Internal to cluster.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"

namespace sedna::cluster {

enum class Owner : std::uint8_t { kThere, kGone, kUnknown };

struct Verdict {
  enum class What : std::uint8_t { kKeep, kRemove, kForgetOwners } what = What::kKeep;
  std::vector<api::OwnerReference> left;  ///< kForgetOwners: the references that stay
};

/// What to do with an object, by what `look` says of each of its owners. An owner that cannot be told keeps the object.
Verdict judge(const api::Object& object, const std::function<Owner(const api::OwnerReference&)>& look);

/// Keys are "plural.group/namespace/name".
class GarbageLoop final : public control::Reconciler {
 public:
  GarbageLoop(store::ApiServer& server, Caches& caches);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  Owner look(const api::OwnerReference& owner, std::string_view ns, std::string& problem);

  store::ApiServer& server_;
  Caches& caches_;
};

}  // namespace sedna::cluster
