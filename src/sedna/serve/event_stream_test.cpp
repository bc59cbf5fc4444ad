// Bodies that wait for events, identities that change while the server runs, and listening sockets that are handed
// over.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"

namespace sedna::serve {
namespace {

using std::chrono::milliseconds;
using test::Answer;
using test::RawClient;
using test::TestServer;

constexpr std::string_view kGetEvents = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n";

/// One event at once, then it waits until it is cancelled.
struct Events {
  std::atomic<int> waiting{0};
  std::promise<void> ended;
};

class EventBody final : public BodyProducer {
 public:
  explicit EventBody(std::shared_ptr<Events> events) : events_(std::move(events)) {}
  ~EventBody() override { events_->ended.set_value(); }
  EventBody(const EventBody&) = delete;
  EventBody& operator=(const EventBody&) = delete;
  bool waits() const override { return true; }
  Task<Bytes> next() override {
    if (!sent_) {
      sent_ = true;
      co_return Bytes::copy_of(std::string_view("first\n"));
    }
    ++events_->waiting;
    net::asio::steady_timer never(co_await net::asio::this_coro::executor);
    never.expires_at(SteadyClock::time_point::max());
    co_await never.async_wait(net::asio::use_awaitable);
    co_return Bytes();
  }

 private:
  std::shared_ptr<Events> events_;
  bool sent_ = false;
};

/// `events` outlives every request.
void serve_events(TestServer& server, const std::shared_ptr<Events>& events) {
  server->route("GET", "/events", [&events](Request&) -> Task<Response> {
    Response response;
    response.producer = std::make_shared<EventBody>(events);
    co_return response;
  });
  server->start();
}

/// The header and the first event.
void receive_first(RawClient& client) {
  client.send(kGetEvents);
  std::string seen;
  while (seen.find("first\n") == std::string::npos) {
    const std::string piece = client.receive_bytes();
    ASSERT_FALSE(piece.empty());
    seen += piece;
  }
}

TEST(EventStream, QuietnessIsNoFault) {
  ServerOptions options = test::quiet_options();
  options.body_timeout = milliseconds(30);
  options.request_deadline = milliseconds(30);
  TestServer server(options);
  const auto events = std::make_shared<Events>();
  auto ended = events->ended.get_future();
  serve_events(server, events);
  RawClient client(server->port());
  receive_first(client);
  EXPECT_EQ(ended.wait_for(milliseconds(150)), std::future_status::timeout);
}

TEST(EventStream, EndsWhenTheClientGoes) {
  TestServer server;
  const auto events = std::make_shared<Events>();
  auto ended = events->ended.get_future();
  serve_events(server, events);
  RawClient client(server->port());
  receive_first(client);
  while (events->waiting == 0) std::this_thread::yield();
  client.close();
  EXPECT_EQ(ended.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(EventStream, EndsRegularlyWhenTheServerDrains) {
  TestServer server;
  const auto events = std::make_shared<Events>();
  serve_events(server, events);
  RawClient client(server->port());
  receive_first(client);
  while (events->waiting == 0) std::this_thread::yield();
  std::thread drainer([&] { server->drain(); });
  std::string rest;
  for (std::string piece = client.receive_bytes(); !piece.empty(); piece = client.receive_bytes()) rest += piece;
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << "the last chunk: nothing is missing";
  client.close();
  drainer.join();
}

TEST(Identities, ComeFromATableThatChanges) {
  std::mutex mutex;
  std::string known = "token-of-the-first-hour";
  ServerOptions options = test::quiet_options();
  options.find_identity = [&](std::string_view token) -> std::optional<Identity> {
    const std::lock_guard lock(mutex);
    return token == known ? std::optional<Identity>({"somebody", {"role"}}) : std::nullopt;
  };
  TestServer server(options);
  server->route("GET", "/who", [](Request& r) -> Task<Response> { co_return Response::text(200, r.identity.name); });
  server->start();
  const auto ask = [&](const std::string& token) {
    RawClient client(server->port());
    return client.ask("GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n");
  };
  EXPECT_EQ(ask("token-of-the-first-hour").body, "somebody");
  EXPECT_EQ(ask("token-of-another-hour").status, 401);
  {
    const std::lock_guard lock(mutex);
    known = "token-of-another-hour";
  }
  EXPECT_EQ(ask("token-of-another-hour").status, 200);
  EXPECT_EQ(ask("token-of-the-first-hour").status, 401);
}

TEST(Listener, TakesOverASocketThatListensAlready) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ServerOptions options = test::quiet_options();
  options.listen_fd = fd;
  {
    TestServer silent(options);
    EXPECT_THROW(silent->start(), Error) << "it does not listen yet";
  }
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  TestServer server(options);
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").body, "a");
}

TEST(HealthRoutes, StayWhenAFeatureServesEverythingElse) {
  TestServer server;
  server->route("GET", "/{path...}", [](Request&) -> Task<Response> { co_return Response::text(200, "everything"); });
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").body, "ok\n");
  EXPECT_EQ(client.ask("GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n").body, "everything");
}

}  // namespace
}  // namespace sedna::serve
