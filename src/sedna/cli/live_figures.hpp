// What edge workers do now, sooner than the status of their service says it (once a minute): asked of the local
// controllers of their nodes through the API server, for `sedna top`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/cli/cluster.hpp"
#include "sedna/cli/edge_figures.hpp"

namespace sedna::cli {

/// One thread. Where a local controller is not reached (the node is cut off; the cluster has no way to its nodes; the
/// rights are missing) the status stands, and that node is not asked again for half a minute.
class LiveFigures {
 public:
  explicit LiveFigures(Cluster& cluster, const Clock& clock = Clock::real()) : cluster_(cluster), clock_(clock) {}

  /// Asks the nodes that have edge workers of any service.
  void refresh(const std::string& ns);
  /// Puts what is newer into the rows of a service ("namespace/name"), and into their total.
  void put_into(const std::string& service, std::vector<EdgeFigures>& rows) const;
  /// Why the figures of workers on this node are those of the status; "" when they are not.
  std::string trouble(const std::string& node) const;

 private:
  void ask(const std::string& node);

  struct Pod {
    std::string name, node;
  };
  struct Silence {
    std::string why;
    SteadyClock::time_point until;
  };
  Cluster& cluster_;
  const Clock& clock_;
  std::map<std::string, Pod> pods_;                           ///< of edge workers, by uid
  std::map<std::string, std::vector<EdgeFigures>> services_;  ///< what was answered, by service
  std::map<std::string, Silence> silent_;                     ///< by node
};

}  // namespace sedna::cli
