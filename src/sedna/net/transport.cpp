#include "sedna/net/transport.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace sedna::net {
namespace {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(int fd) : fd_(fd) {}
  ~TcpTransport() override { ::close(fd_); }
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;

  IoStep try_read(std::span<std::byte> into) override {
    while (true) {
      const ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
      if (n > 0) return {IoStep::State::kMoved, static_cast<std::size_t>(n)};
      if (n == 0) return {IoStep::State::kEof};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStep::State::kWantRead};
      return {IoStep::State::kError, 0, errno};
    }
  }

  IoStep try_write(std::span<const iovec> parts) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg does not write to it
    message.msg_iovlen = parts.size();
    while (true) {
      const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (n >= 0) return {IoStep::State::kMoved, static_cast<std::size_t>(n)};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStep::State::kWantWrite};
      return {IoStep::State::kError, 0, errno};
    }
  }

  int descriptor() const override { return fd_; }

  bool quiet() override {
    char byte;
    const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  int fd_;
};

// Connecting to a closed loopback port inside the ephemeral range can meet itself; that is nobody answering.
bool connected_to_itself(int fd) {
  SocketAddress local;
  SocketAddress remote;
  local.length = remote.length = sizeof(sockaddr_storage);
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&local.storage), &local.length) == 0 &&
         ::getpeername(fd, reinterpret_cast<sockaddr*>(&remote.storage), &remote.length) == 0 &&
         local.length == remote.length && std::memcmp(&local.storage, &remote.storage, local.length) == 0;
}

// errno of the attempt; 0 when connected, ETIMEDOUT at the deadline.
int connect_until(int fd, const SocketAddress& address, Deadline deadline) {
  if (::connect(fd, address.data(), address.length) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    if (wait_ready(fd, POLLOUT, deadline) == 0) return ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    if (error != 0) return error;
  }
  if (address.is_loopback() && connected_to_itself(fd)) return ECONNREFUSED;
  return 0;
}

}  // namespace

short wait_ready(int descriptor, short events, Deadline deadline) {
  pollfd entry{descriptor, events, 0};
  while (true) {
    int ready = 0;
    if (deadline.is_never()) {
      ready = ::poll(&entry, 1, -1);
    } else {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.remaining());
      const timespec timeout{static_cast<time_t>(left.count() / 1'000'000'000),
                             static_cast<long>(left.count() % 1'000'000'000)};
      ready = ::ppoll(&entry, 1, &timeout, nullptr);
    }
    if (ready > 0) return entry.revents;
    if (ready == 0 && deadline.expired()) return 0;
    if (ready < 0 && errno != EINTR) return POLLERR;  // the next attempt meets the error itself
  }
}

void probe_while_silent(int descriptor) {
  const int idle = 30;
  const int interval = 10;
  const int count = 3;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

Result<std::unique_ptr<Transport>> connect_tcp(std::span<const SocketAddress> addresses, Deadline deadline) {
  Error last(ErrorCode::kUnavailable, "no address to connect to");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const SocketAddress& address = addresses[i];
    // A silent address must not use up the time of those behind it.
    const auto share = static_cast<SteadyClock::duration::rep>(addresses.size() - i);
    const Deadline until = share == 1 || deadline.is_never() ? deadline : Deadline::after(deadline.remaining() / share);
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
      last = Error(ErrorCode::kResourceExhausted, std::string("cannot open a socket: ") + std::strerror(errno),
                   address.text());
      continue;
    }
    auto transport = std::make_unique<TcpTransport>(fd);
    const int error = connect_until(fd, address, until);
    if (error == 0) {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      return std::unique_ptr<Transport>(std::move(transport));
    }
    if (deadline.expired())
      return Error(ErrorCode::kDeadlineExceeded, "no connection within the deadline", address.text());
    last = Error(ErrorCode::kUnavailable, std::string("cannot connect: ") + std::strerror(error), address.text());
  }
  return last;
}

}  // namespace sedna::net
