// Facts that local controllers have reported and that are not yet in an object's status. A reconciler takes what waits
// for its object, writes the status, and acknowledges; only then may the local controller forget. Kept in memory only:
// what is lost with GM is sent again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::gm {

/// One fact as the link hands it over.
struct Fact {
  Fact() {}
  std::string node;
  std::string source;          ///< which local controller; "" from upstream's
  std::uint64_t sequence = 0;  ///< rises with each fact of the source; 0 from upstream's
  std::string worker;          ///< of a report: what tells workers of one object apart (Pod uid, or name)
  json::object body;
  std::function<void()> acknowledge;  ///< may be empty; called once, on any thread
  std::uint64_t version = 0;          ///< the inbox's own
};

/// Thread-safe. Of each (node, worker) the newest fact stands; older ones are acknowledged together with it.
class Inbox {
 public:
  void put(const std::string& key, Fact fact);
  /// What waits for the object; it stays until acknowledge().
  std::vector<Fact> waiting(const std::string& key) const;
  bool empty(const std::string& key) const;
  /// These (or older ones in their place) are in the status now; newer ones that came meanwhile stay.
  void acknowledge(const std::string& key, const std::vector<Fact>& facts);
  /// The object is gone: nothing more can be done with its facts.
  void drop(const std::string& key);
  std::size_t size() const;

 private:
  struct Slot {
    Fact fact;
    std::uint64_t version = 0;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> acknowledges;
  };
  using Slots = std::map<std::pair<std::string, std::string>, Slot>;
  mutable std::mutex mutex_;
  std::map<std::string, Slots> objects_;
};

}  // namespace sedna::gm
