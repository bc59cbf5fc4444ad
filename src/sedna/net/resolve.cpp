#include "sedna/net/resolve.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/fork.hpp"

namespace sedna::net {
namespace {

// Look-ups that never come back keep their thread; beyond this many something is wrong with the resolver, so fail at
// once.
constexpr int kMaxLookups = 32;

// Shared by the caller, who may give up, and the look-up's thread, which may outlive it.
struct Lookup {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  int error = 0;
  std::vector<SocketAddress> addresses;
  asio::steady_timer* waiter = nullptr;  // of a coroutine; cleared by it before it goes
};

// Threads do not survive fork, so the count belongs to one process.
std::atomic<int> lookups_under_way{0};
std::atomic<std::uint64_t> lookups_of_process{0};

SocketAddress make_address(const sockaddr* address, socklen_t length) {
  SocketAddress out;
  std::memcpy(&out.storage, address, length);
  out.length = length;
  return out;
}

SocketAddress make_v4(const in_addr& ip, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr = ip;
  v4.sin_port = htons(port);
  return make_address(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

SocketAddress make_v6(const in6_addr& ip, std::uint16_t port) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = ip;
  v6.sin6_port = htons(port);
  return make_address(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

void run_lookup(const std::shared_ptr<Lookup>& lookup, const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* a = found; error == 0 && a != nullptr; a = a->ai_next) {
    addresses.push_back(make_address(a->ai_addr, a->ai_addrlen));
  }
  if (found != nullptr) freeaddrinfo(found);
  const std::lock_guard lock(lookup->mutex);
  lookup->done = true;
  lookup->error = error;
  lookup->addresses = std::move(addresses);
  lookup->changed.notify_all();
  if (lookup->waiter != nullptr) {
    // The executor is alive as long as the coroutine is registered here.
    asio::post(lookup->waiter->get_executor(), [lookup] {
      const std::lock_guard relock(lookup->mutex);
      if (lookup->waiter != nullptr) lookup->waiter->cancel();
    });
  }
}

Result<std::shared_ptr<Lookup>> start_lookup(const std::string& host, std::uint16_t port) {
  const std::uint64_t self = fork_generation();
  if (lookups_of_process.exchange(self) != self) lookups_under_way = 0;
  if (lookups_under_way.fetch_add(1) >= kMaxLookups) {
    --lookups_under_way;
    return Error(ErrorCode::kUnavailable, "name resolution is stuck: too many look-ups under way", host);
  }
  auto lookup = std::make_shared<Lookup>();
  try {
    std::thread([lookup, host, port] {
      run_lookup(lookup, host, port);
      --lookups_under_way;
    }).detach();
  } catch (const std::system_error& e) {
    --lookups_under_way;
    return Error(ErrorCode::kResourceExhausted, std::string("cannot start a look-up thread: ") + e.what(), host);
  }
  return lookup;
}

// With lookup.mutex held, after the wait.
Result<std::vector<SocketAddress>> outcome(Lookup& lookup, const std::string& host) {
  if (!lookup.done) return Error(ErrorCode::kDeadlineExceeded, "name resolution took longer than the deadline", host);
  if (lookup.error != 0 || lookup.addresses.empty()) {
    return Error(
        ErrorCode::kUnavailable,
        std::string("cannot resolve host name: ") + (lookup.error != 0 ? gai_strerror(lookup.error) : "no address"),
        host);
  }
  return lookup.addresses;
}

// Registers a timer with a look-up for as long as a coroutine waits, also when its frame is destroyed.
class Registration {
 public:
  Registration(std::shared_ptr<Lookup> lookup, asio::steady_timer& timer) : lookup_(std::move(lookup)) {
    const std::lock_guard lock(lookup_->mutex);
    lookup_->waiter = &timer;
  }
  ~Registration() {
    const std::lock_guard lock(lookup_->mutex);
    lookup_->waiter = nullptr;
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  bool done() {
    const std::lock_guard lock(lookup_->mutex);
    return lookup_->done;
  }

 private:
  std::shared_ptr<Lookup> lookup_;
};

}  // namespace

bool SocketAddress::is_loopback() const {
  if (family() == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr) >> 24) == 127;
  }
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr);
}

std::string SocketAddress::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (family() == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
  return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

std::vector<SocketAddress> resolve_literal(const std::string& host, std::uint16_t port) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return {make_v4(v4, port)};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return {make_v6(v6, port)};
  if (host == "localhost") {
    v4.s_addr = htonl(INADDR_LOOPBACK);
    return {make_v4(v4, port), make_v6(in6addr_loopback, port)};
  }
  return {};
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port, Deadline deadline) {
  if (auto literal = resolve_literal(host, port); !literal.empty()) return literal;
  auto started = start_lookup(host, port);
  if (!started) return started.error();
  Lookup& lookup = **started;
  std::unique_lock lock(lookup.mutex);
  const auto done = [&lookup] { return lookup.done; };
  if (deadline.is_never()) {
    lookup.changed.wait(lock, done);
  } else {
    lookup.changed.wait_until(lock, deadline.at(), done);
  }
  return outcome(lookup, host);
}

Task<Result<std::vector<SocketAddress>>> async_resolve(std::string host, std::uint16_t port, Deadline deadline) {
  auto literal = resolve_literal(host, port);
  if (!literal.empty()) co_return literal;
  auto started = start_lookup(host, port);
  if (!started) co_return started.error();
  const std::shared_ptr<Lookup> lookup = std::move(*started);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_at(deadline.at());
  {
    Registration registration(lookup, timer);
    boost::system::error_code ignored;  // cancelled by the look-up or expired: the state says which
    if (!registration.done()) co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  const std::lock_guard lock(lookup->mutex);
  co_return outcome(*lookup, host);
}

}  // namespace sedna::net
