// The few rtnetlink requests that the Pod network is made of. Used by HomeNetwork and the namespace network.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sedna::node {

using MacAddress = std::array<unsigned char, 6>;

/// The hardware address that goes with an IPv4 address here. The same one always has the same: neighbours that remember
/// it are right at once, also after a restart. Throws Error (kInvalidArgument).
MacAddress mac_of(const std::string& ip);

/// Works on the network namespace that the opening thread was in. Not thread-safe. Throws Error with what was asked and
/// the kernel's reason; things that are there already are fine.
class Netlink {
 public:
  Netlink();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  std::optional<int> find_link(const std::string& name);
  /// With a hardware address of its own: without one a bridge takes that of one of its ports, so that it changes with
  /// them and what neighbours send to the old one is lost until they ask again.
  void add_bridge(const std::string& name, const MacAddress& mac);
  /// A veth pair: `name` here (a port of bridge `master`), `peer` in the namespace behind `peer_netns`, with this
  /// hardware address.
  void add_veth(const std::string& name, int master, const std::string& peer, const std::optional<MacAddress>& peer_mac,
                int peer_netns);
  void set_master(int link, int master);
  void set_up(int link, bool up);
  bool is_up(int link);
  /// Up, and with a carrier.
  bool is_running(int link);
  void add_address(int link, const std::string& ip, int prefix);
  /// Packets for `network`/`prefix` go to `gateway`.
  void add_route(const std::string& network, int prefix, const std::string& gateway);
  /// Every address of `network`/`prefix` is this namespace's own.
  void add_local_route(const std::string& network, int prefix);
  void remove_link(const std::string& name);
  /// Names of all links.
  std::vector<std::string> links();

 private:
  struct Message;
  void request(Message& message, const std::string& what, bool exists_is_fine = false);
  int socket_ = -1;
  std::uint32_t sequence_ = 0;
};

}  // namespace sedna::node
