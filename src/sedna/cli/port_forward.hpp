// `sedna port-forward`: from this machine to a port of a worker or service. `sedna open` (open.hpp) builds on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

struct PortForwardOptions {
  PortForwardOptions() {}
  std::string what;  ///< POD, pod/x, svc/x, deploy/x, ji/x
  std::string ns;
  std::vector<std::string> ports;  ///< "5001", "8080:5001", ":5001"
  std::string address = "127.0.0.1";
  std::string state;       ///< of the home
  std::string kubeconfig;  ///< given by hand, for a cluster
};

/// A host port and where it leads.
struct Forward {
  std::uint16_t local = 0;
  std::uint16_t remote = 0;
};
/// Throws Error naming the text. ":5001" takes a free port.
Forward parse_forward(const std::string& text);

/// What a forwarding leads to, and the program that does it: in a home through its network, in a cluster kubectl.
struct ForwardPlan {
  ForwardPlan() {}
  Forward forward;
  std::string pod;
  std::vector<std::string> argv;
};
ForwardPlan plan_forward(Cluster& cluster, const PortForwardOptions& options);

/// Becomes another program; throws Error when it cannot.
[[noreturn]] void become(const std::vector<std::string>& argv);

/// Forwards until the process is ended.
int port_forward(Cluster& cluster, Console& console, const PortForwardOptions& options);

}  // namespace sedna::cli
