// The Node object and its Lease: the agent's sign of life. Used by Agent.
#pragma once

#include <string>

#include "sedna/control/periodic.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::node {

struct NodeIdentity {
  NodeIdentity() {}
  std::string name, role;  ///< role: cloud or edge
  std::string ip;
  std::uint16_t port = 0;   ///< of the agent's HTTPS face
  std::string certificate;  ///< PEM
  std::int64_t cpu_millis = 0, memory_bytes = 0;
  int gpus = 0;
  bool plain = false;
  std::string plain_reason;
  std::string disk_folder;  ///< whose file system the node reports on; "": none
};

/// Why the file system of this folder is too full to go on (under 64 MiB or one percent free); "" when it is not.
std::string disk_pressure(const std::string& folder);

/// The Node as this agent wants it: `node` is what the server has (or an empty object). What others write (taints,
/// foreign labels, conditions of other types) stays.
api::Object node_object(const NodeIdentity& identity, api::Object node, SystemClock::time_point now);

class Registration {
 public:
  Registration(store::ApiServer& server, NodeIdentity identity, const Clock& clock = Clock::real());
  void start() { task_.start(); }
  void stop() { task_.stop(); }
  /// One beat: the Node as it should be, the Lease renewed. "" or why it failed.
  std::string beat();

 private:
  std::string renew();

  store::ApiServer& server_;
  const NodeIdentity identity_;
  const Clock& clock_;
  bool failing_ = false;
  control::PeriodicTask task_;
};

}  // namespace sedna::node
