// The Service loop: an address for each Service and its EndpointSlices. Internal to cluster.
#pragma once

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"

namespace sedna::cluster {

/// "10.96.0.0/16" → its addresses in host order: first usable, last usable. Throws Error(kInvalidArgument).
struct AddressRange {
  std::uint32_t first = 0, last = 0;
  static AddressRange parse(const std::string& cidr);
  static std::string text(std::uint32_t address);
};

class ServiceLoop final : public control::Reconciler {
 public:
  ServiceLoop(store::ApiServer& server, Caches& caches, const std::string& service_cidr);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  /// The lowest address that no Service has; "" when all are taken.
  std::string free_address() const;
  std::string sync_slices(const api::Object& service);

  store::ApiServer& server_;
  Caches& caches_;
  const AddressRange range_;
};

}  // namespace sedna::cluster
