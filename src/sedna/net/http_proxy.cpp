#include "sedna/net/http_proxy.hpp"

#include <poll.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sedna::net {

namespace {

constexpr std::size_t kMaxAnswer = 16 * 1024;

Result<void> send_all(Transport& transport, std::string_view text, Deadline deadline) {
  while (!text.empty()) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    const auto step = transport.try_write({&part, 1});
    if (step.state == IoStep::State::kMoved) {
      text.remove_prefix(step.bytes);
    } else if (step.state != IoStep::State::kWantWrite) {
      return Error(ErrorCode::kUnavailable,
                   std::string("the proxy closed the connection: ") + std::strerror(step.error));
    } else if (wait_ready(transport.descriptor(), POLLOUT, deadline) == 0) {
      return Error(ErrorCode::kDeadlineExceeded, "deadline passed while asking the proxy");
    }
  }
  return {};
}

/// The head of the answer. Nothing follows it before we speak, so that nothing can be read too far.
Result<std::string> read_head(Transport& transport, Deadline deadline) {
  std::string head;
  std::array<std::byte, 1024> piece{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto step = transport.try_read(piece);
    if (step.state == IoStep::State::kMoved) {
      head.append(reinterpret_cast<const char*>(piece.data()), step.bytes);
      if (head.size() > kMaxAnswer) return Error(ErrorCode::kDataLoss, "the proxy's answer is too long");
    } else if (step.state != IoStep::State::kWantRead) {
      return Error(ErrorCode::kUnavailable, "the proxy closed the connection");
    } else if (wait_ready(transport.descriptor(), POLLIN, deadline) == 0) {
      return Error(ErrorCode::kDeadlineExceeded, "deadline passed while waiting for the proxy");
    }
  }
  return head;
}

}  // namespace

std::string proxy_of_this_process() {
  const char* value = std::getenv("SEDNA_PROXY");
  return value == nullptr ? std::string() : std::string(value);
}

Result<std::unique_ptr<Transport>> connect_through_proxy(const std::string& proxy, const std::string& host,
                                                         std::uint16_t port, Deadline deadline) {
  const auto colon = proxy.rfind(':');
  std::uint16_t proxy_port = 0;
  if (colon != std::string::npos) std::from_chars(proxy.data() + colon + 1, proxy.data() + proxy.size(), proxy_port);
  if (proxy_port == 0) return Error(ErrorCode::kInvalidArgument, "is not host:port of a proxy", proxy);
  auto addresses = resolve(proxy.substr(0, colon), proxy_port, deadline);
  if (!addresses) return addresses.error();
  auto transport = connect_tcp(*addresses, deadline);
  if (!transport) return transport;
  const std::string target =
      (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
  if (auto sent = send_all(**transport, "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n", deadline);
      !sent)
    return sent.error();
  const auto head = read_head(**transport, deadline);
  if (!head) return head.error();
  const std::string_view line = std::string_view(*head).substr(0, head->find("\r\n"));
  const auto space = line.find(' ');
  if (!line.starts_with("HTTP/1.") || space == std::string_view::npos || line.size() < space + 2 ||
      line[space + 1] != '2')
    return Error(ErrorCode::kUnavailable, "the proxy cannot reach " + target + ": " + std::string(line));
  return transport;
}

}  // namespace sedna::net
