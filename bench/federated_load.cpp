// N clients of a federated job in one process, each with an update that was made before: what a round costs is the
// server's. bench/federated.py drives it.
//   federated_load MODE PORT M N ROUNDS [FIRST]   prints {"rounds": [seconds of each], "sent": bytes of updates}
// MODE: raw (federated_floor), http, https, int8 (coded changes), async (nobody waits for the others; ROUNDS updates of
// each on average, "rounds" is one time for all of them). FIRST: the job's round that the first one here is.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <openssl/ssl.h>

#include "sedna/federated/codec.hpp"
#include "sedna/federated/update_file.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using sedna::AlignedBuffer;
using sedna::Bytes;
namespace federated = sedna::federated;

std::atomic<std::uint64_t> bytes_sent = 0;

SSL_CTX* tls_context() {
  static SSL_CTX* const context = [] {
    SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256");
    return made;
  }();
  return context;
}

class Connection {
 public:
  Connection(int port, bool tls) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!tls) return;
    tls_ = SSL_new(tls_context());
    SSL_set_fd(tls_, fd_);
    if (SSL_connect(tls_) != 1) throw std::runtime_error("TLS handshake");
  }
  ~Connection() {
    SSL_free(tls_);
    ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view head, const std::vector<Bytes>& body) {
    std::vector<iovec> parts = {{const_cast<char*>(head.data()), head.size()}};
    for (const Bytes& part : body) parts.push_back({const_cast<std::byte*>(part.data()), part.size()});
    std::size_t first = 0;
    while (first < parts.size()) {
      std::size_t sent = 0;
      if (tls_ != nullptr) {
        if (SSL_write_ex(tls_, parts[first].iov_base, std::min<std::size_t>(parts[first].iov_len, 1 << 20), &sent) !=
            1) {
          throw std::runtime_error("SSL_write");
        }
      } else {
        const auto n = ::writev(fd_, parts.data() + first, static_cast<int>(parts.size() - first));
        if (n <= 0) throw std::runtime_error("send");
        sent = static_cast<std::size_t>(n);
      }
      for (; first < parts.size() && sent >= parts[first].iov_len; ++first) sent -= parts[first].iov_len;
      if (first == parts.size()) break;
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + sent;
      parts[first].iov_len -= sent;
    }
  }
  void receive(std::size_t size) {
    while (size > 0) size -= receive_some(std::min(size, scratch_.size()));
  }
  struct Answer {
    int status = 0;
    std::string body;  ///< when it is short, else nothing of it
  };
  Answer exchange(std::string_view head, const std::vector<Bytes>& body = {}) {
    send(head, body);
    std::string text;
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
      const std::size_t n = receive_some(4096);
      text.append(scratch_.data(), n);
      end = text.find("\r\n\r\n");
    }
    Answer answer;
    answer.status = std::atoi(text.c_str() + 9);
    const std::size_t field = text.find("Content-Length: ");
    const std::size_t length = std::strtoull(text.c_str() + field + 16, nullptr, 10);
    answer.body = text.substr(end + 4);
    if (length > 8192) {
      receive(length - answer.body.size());
      answer.body.clear();
      return answer;
    }
    while (answer.body.size() < length) {
      const std::size_t n = receive_some(length - answer.body.size());
      answer.body.append(scratch_.data(), n);
    }
    return answer;
  }
  std::string must(std::string_view head, const std::vector<Bytes>& body = {}) {
    Answer answer = exchange(head, body);
    if (answer.status != 200) throw std::runtime_error(std::to_string(answer.status) + " " + answer.body);
    return std::move(answer.body);
  }

 private:
  std::size_t receive_some(std::size_t most) {
    if (tls_ != nullptr) {
      std::size_t n = 0;
      if (SSL_read_ex(tls_, scratch_.data(), most, &n) != 1) throw std::runtime_error("SSL_read");
      return n;
    }
    const auto n = ::recv(fd_, scratch_.data(), most, 0);
    if (n <= 0) throw std::runtime_error("recv");
    return static_cast<std::size_t>(n);
  }

  int fd_;
  SSL* tls_ = nullptr;
  std::vector<char> scratch_ = std::vector<char>(256 * 1024);
};

std::string field_of(const std::string& json, const std::string& name) {
  const std::size_t at = json.find("\"" + name + "\":\"");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 4;
  return json.substr(from, json.find('"', from) - from);
}
/// The first number after `name`; −1 without it.
long number_after(const std::string& json, const std::string& name) {
  const std::size_t at = json.find(name);
  return at == std::string::npos ? -1 : std::strtol(json.c_str() + at + name.size(), nullptr, 10);
}

/// What all clients send, but for the round in its header.
struct Load {
  federated::Weights weights;
  std::string codec;
  std::vector<Bytes> file(long round) const {
    federated::UpdateInfo info;
    info.round = round;
    info.samples = 3;
    info.codec = codec;
    return federated::write_update_file(info, weights, {});
  }
};

Load make_load(std::size_t params, const std::string& codec) {
  const auto tensor_of = [&](float step) {
    AlignedBuffer buffer(params * sizeof(float));
    auto* const values = reinterpret_cast<float*>(buffer.data());
    for (std::size_t k = 0; k < params; ++k) values[k] = step * static_cast<float>(k % 1000);
    sedna::tensor::Tensor out;
    out.dtype = sedna::tensor::DType::kFp32;
    out.shape = {static_cast<std::int64_t>(params)};
    out.data = std::move(buffer).freeze();
    return out;
  };
  Load load{{tensor_of(1e-3F)}, codec};
  if (!codec.empty()) {
    federated::Residual residual;
    load.weights = federated::encode_change(load.weights, {tensor_of(0)}, federated::Codec(codec), residual);
  }
  return load;
}

class Client {
 public:
  Client(int port, bool tls, std::size_t number, const Load& load)
      : connection_(port, tls), name_("c" + std::to_string(number)), load_(load) {}

  Connection& connection() { return connection_; }
  /// Its update, the news, the model.
  void round(long round) {
    const auto file = load_.file(round);
    connection_.must(put(round, file), file);
    fetch(round);
  }
  /// The same for whichever round is open; false when the update came too late for it, and nothing else was done.
  bool any_round() {
    const long round = number_after(connection_.must(plan("")), "\"round\":");
    const auto file = load_.file(round);
    const auto answer = connection_.exchange(put(round, file), file);
    if (answer.status != 200) return false;
    fetch(number_after(answer.body, "\"round\":"));
    return true;
  }

 private:
  std::string put(long round, const std::vector<Bytes>& file) const {
    std::size_t size = 0;
    for (const Bytes& part : file) size += part.size();
    bytes_sent += size;
    return "PUT /FedAvg/rounds/" + std::to_string(round) + "/updates/" + name_ +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  }
  std::string plan(const std::string& after) const {
    return "GET /FedAvg/plan?client=" + name_ + (after.empty() ? "" : "&wait=60&after=" + after) +
           " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  void fetch(long round) {
    std::string text;
    do {
      text = connection_.must(plan(version_));
      version_ = field_of(text, "version");
    } while (number_after(text, "\"model\":{\"round\":") < round);
    connection_.must("GET " + field_of(text, "url") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  Connection connection_;
  std::string name_;
  const Load& load_;
  std::string version_;
};

void report(const std::vector<double>& seconds) {
  std::printf("{\"rounds\": [");
  for (std::size_t r = 0; r < seconds.size(); ++r) std::printf("%s%.6f", r > 0 ? ", " : "", seconds[r]);
  std::printf("], \"sent\": %llu}\n", static_cast<unsigned long long>(bytes_sent.load()));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) return 2;
  const std::string mode = argv[1];
  const int port = std::atoi(argv[2]);
  const std::size_t params = std::strtoull(argv[3], nullptr, 10);
  const std::size_t clients = std::strtoull(argv[4], nullptr, 10);
  const long rounds = std::atol(argv[5]);
  const long first = argc == 7 ? std::atol(argv[6]) : 1;
  const Load load = make_load(params, mode == "int8" ? "int8" : "");
  std::vector<Clock::time_point> ends;
  std::barrier round_over(static_cast<std::ptrdiff_t>(clients), [&]() noexcept { ends.push_back(Clock::now()); });
  std::atomic<std::size_t> done = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Client client(port, mode == "https", i, load);
        round_over.arrive_and_wait();
        while (mode == "async") {
          // The last ones would wait for a buffer that nobody fills any more: with the last model counted it is over.
          if (!client.any_round() || ++done != clients * static_cast<std::size_t>(rounds)) continue;
          report({std::chrono::duration<double>(Clock::now() - ends.front()).count()});
          std::_Exit(0);
        }
        for (long round = first; mode != "async" && round < first + rounds; ++round) {
          if (mode == "raw") {
            client.connection().send({}, {load.weights.front().data});
            client.connection().receive(params * sizeof(float));
          } else {
            client.round(round);
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
  std::vector<double> seconds;
  for (std::size_t r = 1; r < ends.size(); ++r) {
    seconds.push_back(std::chrono::duration<double>(ends[r] - ends[r - 1]).count());
  }
  report(seconds);
  return 0;
}
