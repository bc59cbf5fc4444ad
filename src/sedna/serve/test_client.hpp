// Raw bytes to a server under test, over a blocking loopback socket: tests say exactly what is on the wire.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace sedna::serve::test {

struct Answer {
  int status = 0;    ///< 0: the connection ended without an answer
  std::string head;  ///< lower-case names, as sent otherwise
  std::string body;
  std::string header(std::string_view lower_name) const {
    const std::string key = "\r\n" + std::string(lower_name) + ": ";
    const std::size_t at = head.find(key);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + key.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_seconds = 10)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{receive_seconds, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void shutdown_write() { ::shutdown(fd_, SHUT_WR); }
  /// False when the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// The next final answer; interim ones (100) are counted.
  Answer receive(bool head_request = false) {
    for (;;) {
      Answer answer = receive_any(head_request);
      if (answer.status != 100) return answer;
      ++interim;
    }
  }
  /// The next bytes as they come; empty at the end.
  std::string receive_bytes() {
    if (!pending_.empty()) return std::exchange(pending_, {});
    char piece[65536];
    const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
    return n > 0 ? std::string(piece, static_cast<std::size_t>(n)) : std::string();
  }
  /// True when the server ends the connection without another byte.
  bool ended() { return pending_.empty() && receive_bytes().empty(); }
  Answer ask(std::string_view request, bool head_request = false) {
    send(request);
    return receive(head_request);
  }
  int interim = 0;

 private:
  bool more() {
    char piece[65536];
    const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
    if (n > 0) pending_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }
  Answer receive_any(bool head_request) {
    Answer answer;
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return answer;
    }
    answer.head = pending_.substr(0, end + 2);
    pending_.erase(0, end + 4);
    answer.status = std::atoi(answer.head.c_str() + 9);
    bool in_name = false;
    for (std::size_t i = 1; i < answer.head.size(); ++i) {
      if (answer.head[i - 1] == '\n') in_name = true;
      if (answer.head[i] == ':') in_name = false;
      if (in_name) answer.head[i] = static_cast<char>(std::tolower(answer.head[i]));
    }
    if (head_request || answer.status < 200 || answer.status == 204 || answer.status == 304) return answer;
    if (answer.header("transfer-encoding") == "chunked") {
      for (;;) {
        std::size_t line = 0;
        while ((line = pending_.find("\r\n")) == std::string::npos) {
          if (!more()) return Answer{};
        }
        const std::size_t size = std::strtoul(pending_.c_str(), nullptr, 16);
        pending_.erase(0, line + 2);
        while (pending_.size() < size + 2) {
          if (!more()) return Answer{};
        }
        answer.body += pending_.substr(0, size);
        pending_.erase(0, size + 2);
        if (size == 0) return answer;
      }
    }
    const std::size_t size = std::strtoul(answer.header("content-length").c_str(), nullptr, 10);
    while (pending_.size() < size) {
      if (!more()) {
        answer.status = 0;
        return answer;
      }
    }
    answer.body = pending_.substr(0, size);
    pending_.erase(0, size);
    return answer;
  }

  int fd_;
  bool connected_ = false;
  std::string pending_;
};

}  // namespace sedna::serve::test
