#include "sedna/node/outlet.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "sedna/node/tcp_relay.hpp"

namespace sedna::node {

namespace asio = net::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxHead = 32 * 1024;
constexpr auto kPatience = std::chrono::seconds(20);

bool may_go_to(const asio::ip::address& address, bool host_too) {
  if (host_too) return true;
  if (address.is_loopback() || address.is_unspecified() || address.is_multicast()) return false;
  if (address.is_v4()) return (address.to_v4().to_uint() >> 16) != 0xA9FE;  // 169.254.0.0/16
  const auto v6 = address.to_v6();
  return !v6.is_link_local() && !v6.is_v4_mapped();
}

net::Task<void> answer(tcp::socket& client, std::string text) {
  error_code ignored;  // it is the last thing said here
  co_await asio::async_write(client, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ignored));
}

std::string refusal(int status, const std::string& why) {
  return "HTTP/1.1 " + std::to_string(status) + " " + why + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

/// Watches over the part before bytes flow: a socket that is silent for too long is closed.
struct Guarded {
  explicit Guarded(tcp::socket s) : client(std::move(s)), server(client.get_executor()), timer(client.get_executor()) {}
  tcp::socket client, server;
  asio::steady_timer timer;
};

/// The refusal that the client gets; "" when `pair->server` is connected.
net::Task<std::string> connect_out(std::shared_ptr<Guarded> pair, std::string host, std::string port, bool host_too) {
  tcp::resolver resolver(pair->client.get_executor());
  error_code error;
  const auto found = co_await resolver.async_resolve(host, port, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return refusal(502, "Unknown host");
  std::string failure = refusal(403, "Not an address outside of this machine");
  for (const auto& entry : found) {
    if (!may_go_to(entry.endpoint().address(), host_too)) continue;
    error_code ignored;  // of a failed attempt
    pair->server.close(ignored);
    co_await pair->server.async_connect(entry.endpoint(), asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return std::string();
    failure = refusal(502, "Cannot connect");
  }
  co_return failure;
}

net::Task<void> serve_one(tcp::socket socket, bool host_too) {
  auto pair = std::make_shared<Guarded>(std::move(socket));
  pair->timer.expires_after(kPatience);
  pair->timer.async_wait([pair](error_code cancelled) {
    error_code ignored;  // whatever state they are in
    if (cancelled) return;
    pair->client.close(ignored);
    pair->server.close(ignored);
  });
  std::string head;
  error_code error;
  const std::size_t n = co_await asio::async_read_until(pair->client, asio::dynamic_buffer(head, kMaxHead), "\r\n\r\n",
                                                        asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  const auto request = parse_proxy_request(std::string_view(head).substr(0, n));
  if (!request) {
    co_await answer(pair->client, refusal(400, "Bad request"));
    co_return;
  }
  std::string failure = co_await connect_out(pair, request->host, request->port, host_too);
  if (!failure.empty()) {
    co_await answer(pair->client, std::move(failure));
    co_return;
  }
  std::string first = request->connect ? std::string() : request->head;
  first += head.substr(n);  // what came behind the head already
  if (request->connect) co_await answer(pair->client, "HTTP/1.1 200 Connection established\r\n\r\n");
  if (!first.empty())
    co_await asio::async_write(pair->server, asio::buffer(first), asio::redirect_error(asio::use_awaitable, error));
  pair->timer.cancel();
  co_await relay(std::move(pair->client), std::move(pair->server));
}

void accept_next(tcp::acceptor& acceptor, bool host_too) {
  acceptor.async_accept([&acceptor, host_too](error_code error, tcp::socket socket) {
    if (!error) asio::co_spawn(acceptor.get_executor(), serve_one(std::move(socket), host_too), asio::detached);
    accept_next(acceptor, host_too);
  });
}

int receive_listener(int channel) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

[[noreturn]] void run_outlet(int channel, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  prctl(PR_SET_NAME, "sedna-outlet");
  signal(SIGPIPE, SIG_IGN);
  const int pods = receive_listener(channel), host = receive_listener(channel);
  close(channel);
  if (pods < 0 || host < 0) _exit(1);
  try {
    asio::io_context io(1);
    tcp::acceptor for_pods(io), for_host(io);
    for_pods.assign(tcp::v4(), pods);
    for_host.assign(tcp::v4(), host);
    accept_next(for_pods, false);
    accept_next(for_host, true);
    io.run();
  } catch (const std::exception&) {
    _exit(1);  // the holder goes on; Pods are told that nobody listens
  }
  _exit(0);
}

}  // namespace

Result<ProxyRequest> parse_proxy_request(std::string_view head) {
  const auto bad = [](const char* why) { return Error(ErrorCode::kInvalidArgument, why); };
  const auto line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return bad("no request line");
  const auto line = head.substr(0, line_end);
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first + 1 || !line.substr(last + 1).starts_with("HTTP/1."))
    return bad("no request line");
  const auto method = line.substr(0, first);
  auto target = line.substr(first + 1, last - first - 1);
  for (const char c : target) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return bad("a control character in the target");
  }
  ProxyRequest out;
  out.connect = method == "CONNECT";
  std::string_view authority = target, path = "/";
  if (!out.connect) {
    constexpr std::string_view kScheme = "http://";
    if (!target.starts_with(kScheme)) return bad("not an http:// URL");
    target.remove_prefix(kScheme.size());
    const auto slash = target.find('/');
    authority = target.substr(0, slash);
    if (slash != std::string_view::npos) path = target.substr(slash);
  }
  if (authority.find('@') != std::string_view::npos) return bad("user information in the URL");
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  const std::string_view port = has_port ? authority.substr(colon + 1) : std::string_view("80");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
    return bad("no host and port");
  out.host = host;
  out.port = port;
  if (out.connect) return out;
  // One request a connection: what belongs to the way to us is left out.
  out.head = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\n";
  for (std::size_t begin = line_end + 2; begin < head.size();) {
    const auto end = std::min(head.find("\r\n", begin), head.size());
    const auto field = head.substr(begin, end - begin);
    begin = end + 2;
    if (field.empty()) break;
    std::string name(field.substr(0, field.find(':')));
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (name == "connection" || name == "proxy-connection" || name == "proxy-authorization" || name == "keep-alive")
      continue;
    out.head.append(field).append("\r\n");
  }
  out.head += "Connection: close\r\n\r\n";
  return out;
}

int start_outlet() {
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
    throw Error(ErrorCode::kResourceExhausted, std::string("cannot make a channel: ") + std::strerror(errno));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0)
    throw Error(ErrorCode::kResourceExhausted, std::string("cannot start a process: ") + std::strerror(errno));
  if (child == 0) {
    close(channel[0]);
    run_outlet(channel[1], parent);
  }
  close(channel[1]);
  return channel[0];
}

void give_listener(int outlet, const std::string& ip, std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  const bool listens =
      fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, 128) == 0;
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  const bool sent = listens && sendmsg(outlet, &message, MSG_NOSIGNAL) == 1;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!sent)
    throw Error(ErrorCode::kUnavailable,
                std::string("cannot offer a way out of the Pod network: ") + std::strerror(error));
}

}  // namespace sedna::node
