// Tells whoever applies an object of a kind that nothing here acts on: a condition that says so, and what would. For
// the kinds whose controllers are not part of this GM.
#pragma once

#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"

namespace sedna::gm {

/// One per kind. Writes the condition once; takes nothing away that another controller wrote.
class NoController final : public control::Reconciler {
 public:
  NoController(store::ApiServer& server, control::Informer& informer, const Clock& clock = Clock::real());
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  store::ApiServer& server_;
  control::Informer& informer_;
  const Clock& clock_;
};

}  // namespace sedna::gm
