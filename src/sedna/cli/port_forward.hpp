// `sedna port-forward` and `sedna open`: from this machine to a port of a worker or service.
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

/// Forwards until the process is ended. In a home through its network, in a cluster through kubectl.
int port_forward(Cluster& cluster, Console& console, const PortForwardOptions& options);

}  // namespace sedna::cli
