// N clients of a federated job in one process, each with an update that was made before: what a round costs is the
// server's. bench/run.py drives it.
//   federated_load raw|http PORT M N ROUNDS   prints {"rounds": [seconds of each]}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

class Connection {
 public:
  explicit Connection(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view head, const char* body, std::size_t size) {
    std::size_t at = 0;
    const std::size_t all = head.size() + size;
    while (at < all) {
      iovec parts[2];
      int n = 0;
      if (at < head.size()) parts[n++] = {const_cast<char*>(head.data()) + at, head.size() - at};
      const std::size_t inside = at > head.size() ? at - head.size() : 0;
      if (size > inside) parts[n++] = {const_cast<char*>(body) + inside, size - inside};
      const auto sent = ::writev(fd_, parts, n);
      if (sent <= 0) throw std::runtime_error("send");
      at += static_cast<std::size_t>(sent);
    }
  }
  void receive(std::size_t size) {
    while (size > 0) {
      const auto n = ::recv(fd_, scratch_.data(), std::min(size, scratch_.size()), 0);
      if (n <= 0) throw std::runtime_error("recv");
      size -= static_cast<std::size_t>(n);
    }
  }
  /// One HTTP exchange; the body when it is short, else nothing of it.
  std::string exchange(std::string_view head, const char* body = nullptr, std::size_t size = 0) {
    send(head, body, size);
    std::string text;
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
      const auto n = ::recv(fd_, scratch_.data(), 4096, 0);
      if (n <= 0) throw std::runtime_error("recv");
      text.append(scratch_.data(), static_cast<std::size_t>(n));
      end = text.find("\r\n\r\n");
    }
    if (text.compare(9, 3, "200") != 0) throw std::runtime_error(text);
    const std::size_t field = text.find("Content-Length: ");
    const std::size_t length = std::strtoull(text.c_str() + field + 16, nullptr, 10);
    std::string rest = text.substr(end + 4);
    if (length <= 4096) {
      while (rest.size() < length) {
        const auto n = ::recv(fd_, scratch_.data(), length - rest.size(), 0);
        if (n <= 0) throw std::runtime_error("recv");
        rest.append(scratch_.data(), static_cast<std::size_t>(n));
      }
      return rest;
    }
    receive(length - rest.size());
    return {};
  }

 private:
  int fd_;
  std::vector<char> scratch_ = std::vector<char>(256 * 1024);
};

std::string field_of(const std::string& json, const std::string& name) {
  const std::size_t at = json.find("\"" + name + "\":\"");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 4;
  return json.substr(from, json.find('"', from) - from);
}

std::string update_header(long round, std::size_t params) {
  std::string text = R"({"__metadata__":{"round":")" + std::to_string(round) +
                     R"(","num_samples":"3"},"weights.0":{"dtype":"F32","shape":[)" + std::to_string(params) +
                     R"(],"data_offsets":[0,)" + std::to_string(4 * params) + "]}}";
  while ((8 + text.size()) % 64 != 0) text += ' ';
  std::string out(8, '\0');
  const std::uint64_t size = text.size();
  std::memcpy(out.data(), &size, 8);
  return out + text;
}

/// One client's round over HTTP: its update, the news, the model.
void http_round(Connection& connection, std::size_t client, long round, const std::vector<float>& update,
                std::string& version) {
  const std::string name = "c" + std::to_string(client);
  const std::string header = update_header(round, update.size());
  const std::size_t bytes = update.size() * sizeof(float);
  connection.exchange("PUT /FedAvg/rounds/" + std::to_string(round) + "/updates/" + name +
                          " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(header.size() + bytes) +
                          "\r\n\r\n" + header,
                      reinterpret_cast<const char*>(update.data()), bytes);
  std::string plan;
  do {
    plan = connection.exchange("GET /FedAvg/plan?client=" + name + "&wait=60&after=" + version +
                               " HTTP/1.1\r\nHost: x\r\n\r\n");
    version = field_of(plan, "version");
  } while (plan.find("\"model\":{\"round\":" + std::to_string(round) + ",") == std::string::npos);
  connection.exchange("GET " + field_of(plan, "url") + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const bool http = std::string_view(argv[1]) == "http";
  const int port = std::atoi(argv[2]);
  const std::size_t params = std::strtoull(argv[3], nullptr, 10);
  const std::size_t clients = std::strtoull(argv[4], nullptr, 10);
  const long rounds = std::atol(argv[5]);
  std::vector<float> update(params);
  for (std::size_t k = 0; k < params; ++k) update[k] = 1e-3F * static_cast<float>(k % 1000);
  std::vector<Clock::time_point> ends;
  std::barrier round_over(static_cast<std::ptrdiff_t>(clients), [&]() noexcept { ends.push_back(Clock::now()); });
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Connection connection(port);
        std::string version;
        round_over.arrive_and_wait();
        for (long round = 1; round <= rounds; ++round) {
          if (http) {
            http_round(connection, i, round, update, version);
          } else {
            connection.send({}, reinterpret_cast<const char*>(update.data()), params * sizeof(float));
            connection.receive(params * sizeof(float));
          }
          round_over.arrive_and_wait();
        }
      } catch (const std::exception& error) {
        std::fprintf(stderr, "client %zu: %s\n", i, error.what());
        std::_Exit(1);
      }
    });
  }
  for (auto& t : threads) t.join();
  std::printf("{\"rounds\": [");
  for (std::size_t r = 1; r < ends.size(); ++r) {
    std::printf("%s%.6f", r > 1 ? ", " : "", std::chrono::duration<double>(ends[r] - ends[r - 1]).count());
  }
  std::printf("]}\n");
  return 0;
}
