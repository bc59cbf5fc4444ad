// A load generator that costs little itself: one thread, epoll, N keep-alive connections that each send the same
// request again as soon as its answer has arrived. Prints one JSON line. Only ever pointed at a server of ours on
// loopback.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  int fd = -1;
  std::size_t sent = 0;
  std::string received;
  std::size_t need = 0;  // whole response, once its header is known
  Clock::time_point started;
};

struct Totals {
  long done = 0;
  long not_ok = 0;
  std::vector<double> latencies;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

int dial(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

bool send_more(Connection& c, const std::string& request) {
  while (c.sent < request.size()) {
    const ssize_t n = send(c.fd, request.data() + c.sent, request.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) return false;
      fail("send");
    }
    c.sent += static_cast<std::size_t>(n);
  }
  return true;
}

/// Size of the whole response, or 0 while its header is not complete.
std::size_t response_size(const std::string& text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  std::string lower = text.substr(0, end);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char ch) { return std::tolower(ch); });
  const std::size_t at = lower.find("content-length:");
  return end + 4 + (at == std::string::npos ? 0 : std::strtoul(lower.c_str() + at + 15, nullptr, 10));
}

/// Reads what is there; true when a whole response has arrived.
bool receive_more(Connection& c) {
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
    if (n == 0) {
      std::fprintf(stderr, "load_client: the server closed a connection\n");
      std::exit(2);
    }
    if (n < 0) {
      if (errno == EAGAIN) return false;
      fail("recv");
    }
    c.received.append(buffer, static_cast<std::size_t>(n));
    if (c.need == 0) c.need = response_size(c.received);
    if (c.need != 0 && c.received.size() >= c.need) return true;
  }
}

void begin(Connection& c, const std::string& request) {
  c.sent = 0;
  c.need = 0;
  c.received.clear();
  c.started = Clock::now();
  send_more(c, request);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: load_client PORT CONNECTIONS SECONDS REQUEST_FILE\n");
    return 2;
  }
  const int port = std::atoi(argv[1]);
  const int connections = std::atoi(argv[2]);
  const double seconds = std::atof(argv[3]);
  std::ifstream in(argv[4], std::ios::binary);
  const std::string request((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (request.empty() || connections < 1) fail("request file");

  const int poll = epoll_create1(0);
  std::vector<Connection> all(static_cast<std::size_t>(connections));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].fd = dial(port);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = i;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) fail("epoll_ctl");
    begin(all[i], request);
  }
  Totals totals;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (Clock::now() < end) {
    epoll_event events[64];
    // Polls: a client on another machine is not woken by the server, so waking it (an interrupt to another processor,
    // dear in a virtual machine) must not count as the server's work.
    const int n = epoll_wait(poll, events, 64, 0);
    for (int k = 0; k < n; ++k) {
      Connection& c = all[events[k].data.u64];
      if (!send_more(c, request)) continue;
      while (receive_more(c)) {
        ++totals.done;
        if (c.received.compare(0, 12, "HTTP/1.1 200") != 0) ++totals.not_ok;
        totals.latencies.push_back(std::chrono::duration<double>(Clock::now() - c.started).count());
        begin(c, request);
        if (c.sent < request.size()) break;
      }
    }
  }
  const double wall = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(totals.latencies.begin(), totals.latencies.end());
  const auto at = [&](double q) {
    return totals.latencies.empty() ? 0.0
                                    : totals.latencies[static_cast<std::size_t>(q * (totals.latencies.size() - 1))];
  };
  std::printf("{\"requests\": %ld, \"not_ok\": %ld, \"seconds\": %.6f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
              totals.done, totals.not_ok, wall, at(0.5) * 1e3, at(0.99) * 1e3);
  return totals.not_ok != 0 || totals.done == 0;
}
