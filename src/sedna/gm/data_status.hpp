// The controllers of Dataset and Model: what local controllers count and see becomes status. GM makes no objects for
// either.
#pragma once

#include <functional>
#include <string>

#include "sedna/control/controller.hpp"
#include "sedna/gm/caches.hpp"
#include "sedna/gm/inbox.hpp"

namespace sedna::gm {

/// status.numberOfSamples, and the condition Ready: counted, or why not.
class DatasetController final : public control::Reconciler {
 public:
  /// `connected`: whether the node's local controller is there; thread-safe.
  DatasetController(store::ApiServer& server, Caches& caches, std::function<bool(const std::string& node)> connected,
                    const Clock& clock = Clock::real());
  control::ReconcileResult reconcile(const std::string& key) override;
  /// Facts: {"numberOfSamples": n} or {"reason": …, "message": …}.
  Inbox& inbox() { return inbox_; }

 private:
  store::ApiServer& server_;
  Caches& caches_;
  std::function<bool(const std::string&)> connected_;
  const Clock& clock_;
  Inbox inbox_;
};

/// status.nodes: what each node that uses the model sees.
class ModelController final : public control::Reconciler {
 public:
  ModelController(store::ApiServer& server, Caches& caches, const Clock& clock = Clock::real());
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;
  /// Facts: {"exists": bool, "bytes": n, "digest": "sha256:…", "message": …}.
  Inbox& inbox() { return inbox_; }

 private:
  store::ApiServer& server_;
  Caches& caches_;
  const Clock& clock_;
  Inbox inbox_;
};

}  // namespace sedna::gm
