// The home's own network: an unprivileged user, mount and network namespace with a bridge, and a network namespace for
// each node, linked to it. Made and held by `sedna-node network`; the daemons of the home live inside (sedna-node
// enter). The host's network is not touched.
//
//   home netns: sedna0 10.77.0.1/16 (API server, GM) ── n1 ═ uplink ── node netns: pods0 10.77.1.1/16 (agent, LC)
//                                                                        └─ one veth for each Pod: 10.77.1.2 …
//
// All of it is one subnet; taking a node's n… down cuts the node off and leaves its Pods connected with each other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sedna/node/paths.hpp"
#include "sedna/node/process.hpp"

namespace sedna::node {

inline constexpr const char* kApiAddress = "10.77.0.1";
inline constexpr const char* kServiceNetwork = "10.96.0.0";
inline constexpr int kServicePrefix = 16;

/// What <state>/net/home.json says; namespaces by their inode numbers.
struct HomeFile {
  HomeFile() {}
  struct Node {
    int index = 0;
    std::uint64_t netns = 0;
    std::string ip() const { return "10.77." + std::to_string(index) + ".1"; }
  };
  ProcessId holder;
  std::uint64_t userns = 0, netns = 0;
  std::map<std::string, Node> nodes;

  static Path folder(const Path& state) { return state / "net"; }
  static Path node_file(const Path& state, const std::string& node) { return folder(state) / ("node-" + node); }
  static std::optional<HomeFile> read(const Path& state);
  void write(const Path& state) const;
};

/// Why this machine cannot have such a network; "" when it can. Tries it in a child.
std::string home_network_problem();

/// Makes the network, or takes over one whose holder has died while others still live in it, and adds nodes that are
/// new. The calling process must have one thread; it is inside afterwards. Throws Error(kUnimplemented) where the
/// kernel refuses.
HomeFile hold_home_network(const Path& state, const std::vector<std::string>& nodes);

/// Joins the home's namespaces, and those of a node when it is not empty. The calling process must have one thread.
/// Throws Error: kNotFound when there is no such network now.
void enter_home_network(const Path& state, const std::string& node);

/// From inside the home's network: takes the node's link down, or up again.
void set_node_link(const Path& state, const std::string& node, bool up);
bool node_link_is_up(const Path& state, const std::string& node);

/// The inode number of a namespace file ("/proc/self/ns/net"); 0 when there is none.
std::uint64_t namespace_id(const std::string& file);

}  // namespace sedna::node
