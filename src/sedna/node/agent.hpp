// The node agent: watches the Pods that are bound to its node and gives each to a PodRunner. Used by sedna-node; tests
// run it in process against the embedded server.
#pragma once

#include <memory>
#include <string>

#include "sedna/base/metrics.hpp"
#include "sedna/node/environment.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::node {

struct AgentOptions {
  AgentOptions() {}
  std::string node, role = "cloud";
  std::string state;       ///< the home's state folder
  std::string images;      ///< image-to-command file; "": none
  std::string token;       ///< callers of the log server must show it
  std::string programs;    ///< folder of sedna-shim and sedna-storage-initializer
  bool plain = false;      ///< plain mode although the kernel would allow more
  std::uint16_t port = 0;  ///< of the log server; 0: any
  int workers = 3;         ///< Pods that are worked on at once
};

class Agent {
 public:
  /// Throws Error: another agent has the node's folder, a program is missing, the images file is wrong.
  Agent(store::ApiServer& server, AgentOptions options, metrics::Registry& registry);
  /// Ends the agent and leaves its Pods running.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void start();
  void stop();
  /// Address of the log server.
  std::string origin() const;
  std::string node_ip() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Ends every Pod of a node whose agent is gone, with their grace periods but at most `limit`; for `sedna down`.
/// Returns how many processes it had to kill.
int stop_node(const std::string& state, const std::string& node, SteadyClock::duration limit);

}  // namespace sedna::node
