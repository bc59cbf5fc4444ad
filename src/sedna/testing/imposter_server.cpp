#include "sedna/testing/imposter_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "sedna/base/error.hpp"

namespace sedna::testing {
namespace {

// Ends connections whose owner wants them gone: everything that waits polls this beside its socket.
class StopEvent {
 public:
  StopEvent() : fd_(::eventfd(0, EFD_CLOEXEC)) { SEDNA_CHECK(fd_ >= 0); }
  ~StopEvent() { ::close(fd_); }
  StopEvent(const StopEvent&) = delete;
  StopEvent& operator=(const StopEvent&) = delete;
  void set() {
    const std::uint64_t one = 1;
    SEDNA_CHECK(::write(fd_, &one, sizeof one) == sizeof one);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A connected socket as scripts use it; every call returns false once the connection or the server is over.
class Peer {
 public:
  Peer(int fd, const StopEvent& stop) : fd_(fd), stop_(stop) {}
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool wait(short events, std::chrono::microseconds limit = std::chrono::microseconds(-1)) {
    pollfd entries[2] = {{fd_, events, 0}, {stop_.fd(), POLLIN, 0}};
    const timespec timeout{limit.count() / 1'000'000, (limit.count() % 1'000'000) * 1000};
    int ready = 0;
    do {
      ready = ::ppoll(entries, 2, limit.count() < 0 ? nullptr : &timeout, nullptr);
    } while (ready < 0 && errno == EINTR);
    return entries[1].revents == 0;
  }
  bool read(std::string& into, std::size_t at_most = 64 * 1024) {
    if (!wait(POLLIN)) return false;
    std::string piece(at_most, '\0');
    const ssize_t n = ::recv(fd_, piece.data(), piece.size(), 0);
    if (n <= 0) return false;
    into.append(piece, 0, static_cast<std::size_t>(n));
    return true;
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_writing() { ::shutdown(fd_, SHUT_WR); }
  // Until the client closes.
  void drain() {
    std::string ignored;
    while (read(ignored)) ignored.clear();
  }
  // Makes the coming close a reset.
  void arm_reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

 private:
  int fd_;
  const StopEvent& stop_;
};

std::string_view line_of(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

// Reads one request with Content-Length; what came behind it stays in `input`.
bool read_request(Peer& peer, std::string& input, ImposterRequest& request) {
  std::size_t end = 0;
  while ((end = input.find("\r\n\r\n")) == std::string::npos) {
    if (!peer.read(input)) return false;
  }
  std::string_view head = std::string_view(input).substr(0, end + 2);
  const std::string_view start = line_of(head);
  request.method = start.substr(0, start.find(' '));
  const std::size_t target = request.method.size() + 1;
  request.target = start.substr(std::min(start.size(), target), start.rfind(' ') - target);
  while (!head.empty()) {
    const std::string_view field = line_of(head);
    const std::size_t colon = std::min(field.find(':'), field.size());
    std::string_view value = field.substr(std::min(field.size(), colon + 1));
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    request.headers.add(std::string(field.substr(0, colon)), std::string(value));
  }
  std::size_t length = 0;
  const std::string_view declared = request.headers.get("Content-Length", "0");
  std::from_chars(declared.data(), declared.data() + declared.size(), length);
  input.erase(0, end + 4);
  while (input.size() < length) {
    if (!peer.read(input)) return false;
  }
  request.body = input.substr(0, length);
  input.erase(0, length);
  return true;
}

}  // namespace

Script Script::serve(Answer answer) {
  Script s;
  s.answer_ = std::move(answer);
  return s;
}
Script Script::reply(std::string bytes) {
  Script s;
  s.kind_ = Kind::kReply;
  s.bytes_ = std::move(bytes);
  return s;
}
Script Script::speak_first(std::string bytes) {
  Script s;
  s.kind_ = Kind::kSpeakFirst;
  s.bytes_ = std::move(bytes);
  return s;
}
Script Script::cut(std::string bytes, std::size_t count, bool reset) {
  Script s;
  s.kind_ = Kind::kCut;
  s.bytes_ = bytes.substr(0, count);
  s.reset_ = reset;
  return s;
}
Script Script::drip(std::string bytes, std::chrono::microseconds interval) {
  Script s;
  s.kind_ = Kind::kDrip;
  s.bytes_ = std::move(bytes);
  s.interval_ = interval;
  return s;
}
Script Script::hang() {
  Script s;
  s.kind_ = Kind::kHang;
  return s;
}
Script Script::deaf() {
  Script s;
  s.kind_ = Kind::kDeaf;
  return s;
}
Script Script::reset() {
  Script s;
  s.kind_ = Kind::kReset;
  return s;
}
Script Script::answer_early(std::size_t count, std::string bytes) {
  Script s;
  s.kind_ = Kind::kAnswerEarly;
  s.count_ = count;
  s.bytes_ = std::move(bytes);
  return s;
}

std::string http_answer(int status, std::string_view body, std::string_view fields) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(net::reason_phrase(status)) + "\r\n";
  out.append(fields).append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  return out;
}

struct ImposterServer::Impl {
  explicit Impl(Script script) : fallback(std::move(script)) { start(); }
  ~Impl() { stop(false); }

  // Everything that ends when connections are dropped, the server refuses or is destroyed.
  struct Run {
    StopEvent stop;
    std::thread acceptor;
    std::list<std::thread> workers;  // touched by the acceptor, then by stop() after it has ended
  };

  void start() {
    const std::lock_guard lock(lifecycle);
    if (run) return;
    if (listener < 0) open_listener();
    auto fresh = std::make_shared<Run>();
    fresh->acceptor = std::thread([this, current = fresh.get()] { accept_all(*current); });
    run = std::move(fresh);
  }

  void open_listener() {
    listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener, raw, length) != 0 || ::listen(listener, 64) != 0 ||
        ::getsockname(listener, raw, &length) != 0) {
      const std::string why = std::strerror(errno);
      ::close(std::exchange(listener, -1));
      throw Error(ErrorCode::kUnavailable, "imposter cannot listen: " + why);
    }
    port = ntohs(address.sin_port);
  }

  // Connections that come while nobody accepts wait in the backlog when the listener is kept.
  void stop(bool keep_listener) {
    const std::lock_guard lock(lifecycle);
    if (run) {
      run->stop.set();
      run->acceptor.join();
      for (std::thread& worker : run->workers) worker.join();
      run.reset();
    }
    if (!keep_listener && listener >= 0) ::close(std::exchange(listener, -1));
  }

  void accept_all(Run& current) {
    while (true) {
      pollfd entries[2] = {{listener, POLLIN, 0}, {current.stop.fd(), POLLIN, 0}};
      if (::poll(entries, 2, -1) < 0 && errno != EINTR) return;
      if (entries[1].revents != 0) return;
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Script script = take_script();
      const int number = ++accepted;
      current.workers.emplace_back([this, fd, number, script = std::move(script), &current] {
        Peer peer(fd, current.stop);
        play(peer, script, number);
      });
    }
  }

  Script take_script() {
    const std::lock_guard lock(mutex);
    if (scripts.empty()) return fallback;
    Script script = std::move(scripts.front());
    scripts.pop_front();
    return script;
  }

  bool take_request(Peer& peer, std::string& input, int number, ImposterRequest& request) {
    request = ImposterRequest();
    request.connection = number;
    if (!read_request(peer, input, request)) return false;
    const std::lock_guard lock(mutex);
    seen.push_back(request);
    changed.notify_all();
    return true;
  }

  void play(Peer& peer, const Script& script, int number) {
    using Kind = Script::Kind;
    std::string input;
    ImposterRequest request;
    switch (script.kind_) {
      case Kind::kServe:
        while (take_request(peer, input, number, request)) {
          if (!peer.write(script.answer_(request))) return;
        }
        return;
      case Kind::kReply:
      case Kind::kCut:
        if (!take_request(peer, input, number, request)) return;
        peer.write(script.bytes_);
        if (script.reset_) peer.arm_reset();
        return;
      case Kind::kSpeakFirst:
        peer.write(script.bytes_);
        peer.finish_writing();
        peer.drain();
        return;
      case Kind::kDrip:
        if (!take_request(peer, input, number, request)) return;
        for (std::size_t i = 0; i < script.bytes_.size(); ++i) {
          if (!peer.write(std::string_view(script.bytes_).substr(i, 1)) || !peer.wait(0, script.interval_)) return;
        }
        return;
      case Kind::kHang:
        while (take_request(peer, input, number, request)) {
        }
        return;
      case Kind::kDeaf:
        peer.wait(0);
        return;
      case Kind::kReset:
        peer.arm_reset();
        return;
      case Kind::kAnswerEarly:
        while (input.size() < script.count_) {
          if (!peer.read(input, script.count_ - input.size())) return;
        }
        peer.write(script.bytes_);
        peer.arm_reset();
        // A reset at once could overtake the answer: wait until the client hangs up or has had time to read.
        peer.wait(POLLRDHUP, std::chrono::milliseconds(200));
        return;
    }
  }

  std::mutex lifecycle;
  std::shared_ptr<Run> run;
  int listener = -1;  // changes only while no acceptor runs
  std::uint16_t port = 0;
  std::atomic<int> accepted{0};
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::deque<Script> scripts;
  Script fallback;
  std::vector<ImposterRequest> seen;
};

ImposterServer::ImposterServer(Script fallback) : impl_(std::make_unique<Impl>(std::move(fallback))) {}
ImposterServer::~ImposterServer() = default;

std::uint16_t ImposterServer::port() const {
  return impl_->port;
}
std::string ImposterServer::origin() const {
  return "http://127.0.0.1:" + std::to_string(impl_->port);
}

void ImposterServer::next(Script script) {
  const std::lock_guard lock(impl_->mutex);
  impl_->scripts.push_back(std::move(script));
}
void ImposterServer::fallback(Script script) {
  const std::lock_guard lock(impl_->mutex);
  impl_->fallback = std::move(script);
}
void ImposterServer::refuse() {
  impl_->stop(false);
}
void ImposterServer::listen() {
  impl_->start();
}
void ImposterServer::drop_connections() {
  impl_->stop(true);
  impl_->start();
}
int ImposterServer::connections() const {
  return impl_->accepted;
}

std::vector<ImposterRequest> ImposterServer::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

bool ImposterServer::wait_for_requests(std::size_t count, Deadline deadline) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_until(lock, deadline.at(), [&] { return impl_->seen.size() >= count; });
}

}  // namespace sedna::testing
