// The floor of a federated round on this machine: a bare TCP server that receives N updates of M float32, looks for
// NaN, adds in float64, divides, and sends the model to all. No protocol, no checks, no states. bench/federated.py
// drives it.
//   federated_floor M N ROUNDS      prints READY port; after the rounds it waits for the end of its input
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::size_t params = std::strtoull(argv[1], nullptr, 10);
  const std::size_t clients = std::strtoull(argv[2], nullptr, 10);
  const int rounds = std::atoi(argv[3]);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 1;
  ::listen(listener, 1024);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("READY %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  std::vector<pollfd> polled(clients);
  for (auto& p : polled) {
    p = {::accept(listener, nullptr, nullptr), POLLIN, 0};
    const int one = 1;
    ::setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  const std::size_t bytes = params * sizeof(float);
  std::vector<double> sum(params);
  std::vector<float> model(params);
  constexpr std::size_t kPiece = 256 * 1024;
  std::vector<float> piece(kPiece / sizeof(float));
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::size_t> have(clients, 0);
    std::size_t done = 0;
    bool bad = false;
    for (double& s : sum) s = 0;
    for (auto& p : polled) p.events = POLLIN;
    while (done < clients) {
      ::poll(polled.data(), polled.size(), -1);
      for (std::size_t i = 0; i < clients; ++i) {
        if ((polled[i].revents & (POLLIN | POLLHUP)) == 0 || have[i] == bytes) continue;
        // Whole floats: an update's bytes are a multiple of four, and so is what MSG_WAITALL brings of a piece.
        const std::size_t want = std::min(kPiece, bytes - have[i]);
        const auto n = ::recv(polled[i].fd, piece.data(), want, MSG_WAITALL);
        if (n <= 0) return 1;
        const std::size_t first = have[i] / sizeof(float);
        const std::size_t count = static_cast<std::size_t>(n) / sizeof(float);
        unsigned wrong = 0;
        for (std::size_t k = 0; k < count; ++k) wrong |= static_cast<unsigned>(!(std::abs(piece[k]) <= 1e30F));
        bad |= wrong != 0;
        for (std::size_t k = 0; k < count; ++k) sum[first + k] += 3.0 * static_cast<double>(piece[k]);
        have[i] += static_cast<std::size_t>(n);
        if (have[i] == bytes) {
          ++done;
          polled[i].events = 0;
        }
      }
    }
    if (bad) return 1;
    const double total = 3.0 * static_cast<double>(clients);
    for (std::size_t k = 0; k < params; ++k) model[k] = static_cast<float>(sum[k] / total);
    std::vector<std::size_t> sent(clients, 0);
    for (auto& p : polled) p.events = POLLOUT;
    done = 0;
    while (done < clients) {
      ::poll(polled.data(), polled.size(), -1);
      for (std::size_t i = 0; i < clients; ++i) {
        if ((polled[i].revents & POLLOUT) == 0 || sent[i] == bytes) continue;
        const auto n = ::send(polled[i].fd, reinterpret_cast<const char*>(model.data()) + sent[i], bytes - sent[i],
                              MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) continue;
        sent[i] += static_cast<std::size_t>(n);
        if (sent[i] == bytes) {
          ++done;
          polled[i].events = 0;
        }
      }
    }
  }
  while (std::getchar() != EOF) {  // so that its memory can be looked at
  }
  return 0;
}
