// What each node should know: GM's controllers write it, the connections of the nodes' local controllers read it. Only
// the newest version of an object is kept; whoever was away asks what has changed since, or for everything.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "sedna/link/frame.hpp"

namespace sedna::link {

using ObjectPtr = std::shared_ptr<const json::object>;

/// Thread-safe.
class StateBoard {
 public:
  /// One object of a node as it is now, or that it is gone.
  struct Entry {
    StateKey subject;
    ObjectPtr object;     ///< of one that is gone: as it was last
    std::string version;  ///< the resourceVersion, and more when more than the object counts
    bool gone = false;
    std::uint64_t revision = 0;
  };

  /// The object belongs to exactly these nodes now. `object` null: to none (what it was last is still told as gone).
  void set(const StateKey& subject, const ObjectPtr& object, const std::string& version,
           const std::set<std::string>& nodes);

  /// What changed for the node after `revision` (0: everything, with what is gone as far as it is remembered), oldest
  /// first, at most `limit` entries.
  std::vector<Entry> changes(const std::string& node, std::uint64_t revision, std::size_t limit) const;
  bool knows(const std::string& node, const StateKey& subject) const;
  std::size_t objects(const std::string& node) const;

  /// `wake` is called, on any thread and quickly, after something changed for the node. One connection, one number.
  std::uint64_t subscribe(const std::string& node, std::function<void()> wake);
  /// Afterwards `wake` is not called again, and no call is under way.
  void unsubscribe(std::uint64_t subscription);

 private:
  struct Node {
    std::map<StateKey, Entry> entries;
    std::map<std::uint64_t, StateKey> order;  ///< revision → entry
    std::size_t gone = 0;
  };
  void put(Node& node, Entry entry);
  static void forget_oldest_gone(Node& node);

  mutable std::mutex mutex_;
  std::map<std::string, Node> nodes_;
  std::map<StateKey, std::set<std::string>> places_;
  std::uint64_t revision_ = 0;
  std::mutex wake_mutex_;  ///< held while subscribers are called
  std::map<std::uint64_t, std::pair<std::string, std::function<void()>>> subscribers_;
  std::uint64_t next_subscription_ = 1;
};

}  // namespace sedna::link
