// The informers that the loops share: full objects of the kinds they work on, metadata alone of all others (garbage
// collection asks for nothing more). Internal to cluster.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sedna/control/informer.hpp"

namespace sedna::cluster {

inline constexpr const char* kByController = "controller-uid";
inline constexpr const char* kByOwner = "owner-uid";
inline constexpr const char* kByNode = "node";          ///< Pods: spec.nodeName, "" for those without
inline constexpr const char* kByLabel = "label";        ///< Pods: "key=value" of each label
inline constexpr const char* kBySelector = "selector";  ///< Services: "key=value" of the selector's first entry

class Caches {
 public:
  explicit Caches(store::ApiServer& server);
  control::Informer& of(const api::Kind& kind) const;
  control::Informer& pods() const { return of(api::kinds::kPod); }
  control::Informer& nodes() const { return of(api::kinds::kNode); }
  /// Kinds that may own and be owned: all but Events and Leases.
  const std::vector<const api::Kind*>& collected() const { return collected_; }
  void start();
  void stop();
  bool wait_synced(Deadline deadline) const;

 private:
  std::map<const api::Kind*, std::unique_ptr<control::Informer>> informers_;
  std::vector<const api::Kind*> collected_;
};

/// Removes an object and lets the informer know at once. NotFound and a changed uid are fine. Returns false (and says
/// why) when it failed.
bool remove_object(store::ApiServer& server, control::Informer& informer, const api::Object& object, std::string& why,
                   std::optional<std::int64_t> grace = std::nullopt);

}  // namespace sedna::cluster
