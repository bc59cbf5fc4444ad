// The objects that this node should know, as GM last said, kept through restarts so that the node works on while GM
// cannot be reached.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sedna/journal/journal.hpp"
#include "sedna/link/client.hpp"

namespace sedna::lc {

using ObjectPtr = std::shared_ptr<const json::object>;

/// Thread-safe.
class NodeState final : public link::StateSink {
 public:
  /// `store` outlives it. `changed` is called after each change, on the link's thread: wake somebody.
  explicit NodeState(journal::Journal& store);
  void on_change(std::function<void(const link::StateKey&)> changed) { changed_ = std::move(changed); }
  /// Called when a connection has brought everything: what was reported before may be told again.
  void on_synced(std::function<void()> synced) { synced_ = std::move(synced); }

  /// Called when the link comes up or goes down.
  void on_link(std::function<void(bool up)> callback) { on_link_ = std::move(callback); }

  ObjectPtr get(const link::StateKey& subject) const;
  /// "namespace/name" and object of each of the kind.
  std::vector<std::pair<std::string, ObjectPtr>> list(const std::string& kind) const;
  bool connected() const;
  /// A connection has brought everything since this process began: what is not known then is not this node's.
  bool complete() const;
  /// Why there is no link; "" when there is one.
  std::string problem() const;

  std::map<link::StateKey, std::string> known() override;
  void object(const link::StateKey& subject, const std::string& version, json::object object) override;
  void gone(const link::StateKey& subject) override;
  void synced() override;
  void connected(bool up, const std::string& why) override;

 private:
  struct Known {
    std::string version;
    ObjectPtr object;
    bool secret = false;  ///< holds a credential: never on the disk, asked for again after a restart
  };
  journal::Journal& store_;
  std::function<void(const link::StateKey&)> changed_;
  std::function<void()> synced_;
  std::function<void(bool)> on_link_;
  mutable std::mutex mutex_;
  std::map<link::StateKey, Known> objects_;
  bool up_ = false, complete_ = false;
  std::string problem_ = "not connected yet";
};

}  // namespace sedna::lc
