#include "sedna/node/netlink.hpp"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "sedna/base/error.hpp"

namespace sedna::node {

/// A request under construction: header, fixed part, attributes, some of them nested.
struct Netlink::Message {
  Message(std::uint16_t type, std::uint16_t flags) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
    header()->nlmsg_len = NLMSG_LENGTH(0);
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer.data()); }
  template <class T>
  void fixed(const T& part) {
    std::memcpy(buffer.data() + header()->nlmsg_len, &part, sizeof part);
    header()->nlmsg_len = NLMSG_ALIGN(header()->nlmsg_len + sizeof part);
  }
  rtattr* attribute(std::uint16_t type, const void* data, std::size_t size) {
    auto* at = reinterpret_cast<rtattr*>(buffer.data() + NLMSG_ALIGN(header()->nlmsg_len));
    if (NLMSG_ALIGN(header()->nlmsg_len) + RTA_SPACE(size) > buffer.size())
      throw Error(ErrorCode::kInternal, "netlink request too long");
    at->rta_type = type;
    at->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    if (size > 0) std::memcpy(RTA_DATA(at), data, size);
    header()->nlmsg_len = static_cast<std::uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(at->rta_len));
    return at;
  }
  void text(std::uint16_t type, const std::string& value) { attribute(type, value.c_str(), value.size() + 1); }
  template <class T>
  void number(std::uint16_t type, T value) {
    attribute(type, &value, sizeof value);
  }
  void address(std::uint16_t type, const std::string& ip) {
    in_addr in{};
    if (inet_pton(AF_INET, ip.c_str(), &in) != 1)
      throw Error(ErrorCode::kInvalidArgument, "is not an IPv4 address", ip);
    attribute(type, &in, sizeof in);
  }
  rtattr* begin(std::uint16_t type) { return attribute(type, nullptr, 0); }
  void end(rtattr* nest) {
    nest->rta_len = static_cast<std::uint16_t>(buffer.data() + header()->nlmsg_len - reinterpret_cast<char*>(nest));
  }
  alignas(8) std::array<char, 1024> buffer{};
};

namespace {

/// The header at `offset` of an answer, when a whole message is there.
std::optional<nlmsghdr> header_at(std::span<const char> bytes, std::size_t offset) {
  nlmsghdr header{};
  if (offset + sizeof header > bytes.size()) return std::nullopt;
  std::memcpy(&header, bytes.data() + offset, sizeof header);
  if (header.nlmsg_len < sizeof header || offset + header.nlmsg_len > bytes.size()) return std::nullopt;
  return header;
}

template <class T>
T payload_at(std::span<const char> bytes, std::size_t offset) {
  T out{};
  const std::size_t begin = offset + NLMSG_HDRLEN;
  if (begin + sizeof out <= bytes.size()) std::memcpy(&out, bytes.data() + begin, sizeof out);
  return out;
}

[[noreturn]] void fail(const std::string& what, int error) {
  throw Error(error == EPERM ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
              what + ": " + std::strerror(error));
}

/// Of a link; 0 when there is none.
unsigned flags_of(int link) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(static_cast<unsigned>(link), name.data()) == nullptr) return 0;
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool known = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  if (fd >= 0) close(fd);
  return known ? static_cast<unsigned short>(request.ifr_flags) : 0;
}

}  // namespace

Netlink::Netlink() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  if (socket_ < 0) fail("netlink", errno);
  const int on = 1;
  setsockopt(socket_, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
}

Netlink::~Netlink() {
  close(socket_);
}

void Netlink::request(Message& message, const std::string& what, bool exists_is_fine) {
  message.header()->nlmsg_seq = ++sequence_;
  if (send(socket_, message.buffer.data(), message.header()->nlmsg_len, 0) < 0) fail(what, errno);
  alignas(8) std::array<char, 16384> answer{};
  for (;;) {
    const auto n = recv(socket_, answer.data(), answer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(what, errno);
    const std::span<const char> bytes(answer.data(), static_cast<std::size_t>(n));
    std::size_t at = 0;
    for (auto h = header_at(bytes, at); h; at += NLMSG_ALIGN(h->nlmsg_len), h = header_at(bytes, at)) {
      if (h->nlmsg_seq != sequence_ || h->nlmsg_type != NLMSG_ERROR) continue;
      const int error = -payload_at<nlmsgerr>(bytes, at).error;
      if (error == 0 || (error == EEXIST && exists_is_fine)) return;
      fail(what, error);
    }
  }
}

std::optional<int> Netlink::find_link(const std::string& name) {
  Message message(RTM_GETLINK, 0);
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  message.fixed(info);
  message.text(IFLA_IFNAME, name);
  message.header()->nlmsg_seq = ++sequence_;
  message.header()->nlmsg_flags = NLM_F_REQUEST;
  if (send(socket_, message.buffer.data(), message.header()->nlmsg_len, 0) < 0) fail("looking for " + name, errno);
  alignas(8) std::array<char, 16384> answer{};
  for (;;) {
    const auto n = recv(socket_, answer.data(), answer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("looking for " + name, errno);
    const std::span<const char> bytes(answer.data(), static_cast<std::size_t>(n));
    std::size_t at = 0;
    for (auto h = header_at(bytes, at); h; at += NLMSG_ALIGN(h->nlmsg_len), h = header_at(bytes, at)) {
      if (h->nlmsg_seq != sequence_) continue;
      if (h->nlmsg_type == NLMSG_ERROR) return std::nullopt;
      if (h->nlmsg_type == RTM_NEWLINK) return payload_at<ifinfomsg>(bytes, at).ifi_index;
    }
  }
}

MacAddress mac_of(const std::string& ip) {
  in_addr address{};
  if (inet_pton(AF_INET, ip.c_str(), &address) != 1)
    throw Error(ErrorCode::kInvalidArgument, "is not an IPv4 address", ip);
  MacAddress mac{0x02, 0x5e};  // locally administered, for one station
  std::memcpy(&mac[2], &address, sizeof address);
  return mac;
}

void Netlink::add_bridge(const std::string& name, const MacAddress& mac) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.fixed(ifinfomsg{});
  message.text(IFLA_IFNAME, name);
  message.attribute(IFLA_ADDRESS, mac.data(), mac.size());
  auto* info = message.begin(IFLA_LINKINFO);
  message.attribute(IFLA_INFO_KIND, "bridge", 6);
  message.end(info);
  request(message, "making the bridge " + name, true);
}

void Netlink::add_veth(const std::string& name, int master, const std::string& peer,
                       const std::optional<MacAddress>& peer_mac, int peer_netns) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.fixed(ifinfomsg{});
  message.text(IFLA_IFNAME, name);
  message.number(IFLA_MASTER, static_cast<std::uint32_t>(master));
  auto* info = message.begin(IFLA_LINKINFO);
  message.attribute(IFLA_INFO_KIND, "veth", 4);
  auto* data = message.begin(IFLA_INFO_DATA);
  auto* nest = message.begin(VETH_INFO_PEER);
  message.fixed(ifinfomsg{});
  message.text(IFLA_IFNAME, peer);
  message.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns));
  if (peer_mac) message.attribute(IFLA_ADDRESS, peer_mac->data(), peer_mac->size());
  message.end(nest);
  message.end(data);
  message.end(info);
  request(message, "making the link " + name);
}

void Netlink::set_master(int link, int master) {
  Message message(RTM_NEWLINK, 0);
  ifinfomsg info{};
  info.ifi_index = link;
  message.fixed(info);
  message.number(IFLA_MASTER, static_cast<std::uint32_t>(master));
  request(message, "putting a link into a bridge");
}

void Netlink::set_up(int link, bool up) {
  Message message(RTM_NEWLINK, 0);
  ifinfomsg info{};
  info.ifi_index = link;
  info.ifi_flags = up ? IFF_UP : 0;
  info.ifi_change = IFF_UP;
  message.fixed(info);
  request(message, up ? "raising a link" : "taking a link down");
}

bool Netlink::is_up(int link) {
  return (flags_of(link) & IFF_UP) != 0;
}

bool Netlink::is_running(int link) {
  return (flags_of(link) & IFF_RUNNING) != 0;
}

void Netlink::add_address(int link, const std::string& ip, int prefix) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg info{};
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<unsigned char>(prefix);
  info.ifa_index = static_cast<unsigned>(link);
  message.fixed(info);
  message.address(IFA_LOCAL, ip);
  message.address(IFA_ADDRESS, ip);
  request(message, "giving the address " + ip, true);
}

void Netlink::add_route(const std::string& network, int prefix, const std::string& gateway) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_dst_len = static_cast<unsigned char>(prefix);
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_UNICAST;
  message.fixed(info);
  message.address(RTA_DST, network);
  message.address(RTA_GATEWAY, gateway);
  request(message, "routing " + network + " to " + gateway, true);
}

void Netlink::add_local_route(const std::string& network, int prefix) {
  const auto loopback = find_link("lo");
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_dst_len = static_cast<unsigned char>(prefix);
  info.rtm_table = RT_TABLE_LOCAL;
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_scope = RT_SCOPE_HOST;
  info.rtm_type = RTN_LOCAL;
  message.fixed(info);
  message.address(RTA_DST, network);
  message.number(RTA_OIF, static_cast<std::uint32_t>(loopback.value_or(1)));
  request(message, "taking " + network + " as local", true);
}

void Netlink::remove_link(const std::string& name) {
  const auto link = find_link(name);
  if (!link) return;
  Message message(RTM_DELLINK, 0);
  ifinfomsg info{};
  info.ifi_index = *link;
  message.fixed(info);
  request(message, "removing the link " + name);
}

std::vector<std::string> Netlink::links() {
  std::vector<std::string> out;
  auto* all = if_nameindex();
  if (all == nullptr) fail("listing links", errno);
  for (auto* one = all; one->if_index != 0; ++one) out.emplace_back(one->if_name);
  if_freenameindex(all);
  return out;
}

}  // namespace sedna::node
