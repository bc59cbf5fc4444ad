// Deadlines, bounded queues, drain, long-lived requests, WebSockets, streams of bytes.
#include <atomic>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "sedna/serve/offload.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"

namespace sedna::serve {
namespace {

using std::chrono::milliseconds;
using test::Answer;
using test::RawClient;
using test::TestServer;
namespace asio = net::asio;

/// A handler that waits until the test lets it go; cancellation ends the wait with operation_aborted.
struct Gate {
  std::atomic<int> entered{0};
  std::atomic<int> left{0};
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();
};

Task<Response> wait_at(std::shared_ptr<Gate> gate, Request& request) {
  gate->entered.fetch_add(1);
  gate->entered.notify_all();
  asio::steady_timer timer(request.executor);
  struct Left {
    Gate& gate;
    ~Left() {
      gate.left.fetch_add(1);
      gate.left.notify_all();
    }
  } const on_exit{*gate};
  while (gate->open.wait_for(milliseconds(0)) != std::future_status::ready) {
    timer.expires_after(milliseconds(2));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return Response::text(200, "opened");
}

Handler gate_handler(std::shared_ptr<Gate> gate) {
  return [gate](Request& request) { return wait_at(gate, request); };
}

void wait_for(std::atomic<int>& value, int wanted) {
  for (int seen = value.load(); seen < wanted; seen = value.load()) value.wait(seen);
}

constexpr std::string_view kGetWait = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";

// JI-1.7
TEST(Deadlines, ALateHandlerIsAnsweredForWith504) {
  ServerOptions options = test::quiet_options();
  options.request_deadline = milliseconds(50);
  TestServer server(options);
  const auto gate = std::make_shared<Gate>();
  server->route("GET", "/wait", gate_handler(gate));
  server->start();
  RawClient client(server->port());
  const Answer answer = client.ask(kGetWait);
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(client.ended());
  wait_for(gate->left, 1);  // its wait was cancelled
}

// JI-1.7
TEST(Deadlines, TheResultOfAHandlerThatIgnoresCancellationIsDropped) {
  Offload pool{OffloadOptions()};
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::atomic<int> finished{0};
  TestServer server;
  const auto wait = [&](Request&) -> Task<Response> {
    const auto job = [released] { released.wait(); };
    co_await pool.run(job);
    finished.fetch_add(1);
    finished.notify_all();
    co_return Response::text(200, "too late");
  };
  server->route("GET", "/wait", wait);
  server->start();
  RawClient client(server->port());
  const auto begin = SteadyClock::now();
  const Answer answer = client.ask("GET /wait HTTP/1.1\r\nHost: x\r\nX-Request-Timeout-Ms: 30\r\n\r\n");
  EXPECT_EQ(answer.status, 504);
  EXPECT_GE(SteadyClock::now() - begin, milliseconds(30));
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(finished.load(), 0);
  release.set_value();
  wait_for(finished, 1);
}

// JI-1.7
TEST(Deadlines, TheClientsWishMustBeANumber) {
  TestServer server;
  server->route("GET", "/thing", test::echo);
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /thing HTTP/1.1\r\nHost: x\r\nX-Request-Timeout-Ms: soon\r\n\r\n").status, 400);
  EXPECT_EQ(client.ask("GET /thing HTTP/1.1\r\nHost: x\r\nX-Request-Timeout-Ms: 5000\r\n\r\n").status, 200);
}

// JI-1.8
TEST(Queue, OneMoreThanTheBoundGets503WithRetryAfter) {
  ServerOptions options = test::quiet_options();
  options.max_queue = 2;
  TestServer server(options);
  const auto gate = std::make_shared<Gate>();
  server->route("GET", "/wait", gate_handler(gate));
  server->start();
  RawClient a(server->port()), b(server->port()), c(server->port());
  a.send(kGetWait);
  b.send(kGetWait);
  wait_for(gate->entered, 2);
  const Answer refused = c.ask(kGetWait);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(c.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);  // same connection, not counted
  gate->opened.set_value();
  EXPECT_EQ(a.receive().body, "opened");
  EXPECT_EQ(b.receive().body, "opened");
  EXPECT_EQ(c.ask(kGetWait).body, "opened");
}

// JI-1.8
TEST(Queue, ConnectionsOverTheBoundAreAnsweredAndClosed) {
  ServerOptions options = test::quiet_options();
  options.max_connections = 1;
  TestServer server(options);
  server->start();
  RawClient first(server->port());
  EXPECT_EQ(first.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  RawClient second(server->port());
  const Answer refused = second.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_TRUE(second.ended());
}

// JI-1.9
TEST(Drain, LetsRequestsFinishAndTellsTheClientToGo) {
  TestServer server;
  const auto gate = std::make_shared<Gate>();
  server->route("GET", "/wait", gate_handler(gate));
  server->start();
  RawClient idle(server->port());
  EXPECT_EQ(idle.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  RawClient busy(server->port());
  busy.send(kGetWait);
  wait_for(gate->entered, 1);
  std::thread drainer([&] { server->drain(); });
  EXPECT_TRUE(idle.ended());  // the drain has begun
  gate->opened.set_value();
  const Answer answer = busy.receive();
  EXPECT_EQ(answer.body, "opened");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(busy.ended());
  drainer.join();
  EXPECT_FALSE(RawClient(server->port()).connected());
}

// JI-1.9
TEST(Drain, CutsWhatDoesNotEnd) {
  ServerOptions options = test::quiet_options();
  options.drain_timeout = milliseconds(50);
  TestServer server(options);
  const auto gate = std::make_shared<Gate>();
  server->route("GET", "/wait", gate_handler(gate));
  server->start();
  RawClient busy(server->port());
  busy.send(kGetWait);
  wait_for(gate->entered, 1);
  server->drain();
  EXPECT_EQ(gate->left.load(), 1);
  EXPECT_EQ(busy.receive().status, 0);
}

// JI-1.10
TEST(LongPoll, IsNotCountedHasNoDeadlineAndEndsWhenTheClientGoes) {
  ServerOptions options = test::quiet_options();
  options.max_queue = 1;
  options.request_deadline = milliseconds(20);
  TestServer server(options);
  const auto gate = std::make_shared<Gate>();
  RouteOptions poll;
  poll.long_lived = true;
  server->route("GET", "/wait", gate_handler(gate), poll);
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient stays(server->port());
  auto goes = std::make_unique<RawClient>(server->port());
  stays.send(kGetWait);
  goes->send(kGetWait);
  wait_for(gate->entered, 2);
  RawClient other(server->port());
  EXPECT_EQ(other.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").status, 200);
  goes.reset();
  wait_for(gate->left, 1);
  // A request sent ahead is answered after the poll.
  stays.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nahead");
  gate->opened.set_value();
  EXPECT_EQ(stays.receive().body, "opened");
  EXPECT_EQ(stays.receive().body, "ahead");
  EXPECT_EQ(stays.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nagain").body, "again");
}

// JI-1.9
TEST(LongPoll, IsAnsweredWhenTheServerDrains) {
  TestServer server;
  const auto gate = std::make_shared<Gate>();
  RouteOptions poll;
  poll.long_lived = true;
  server->route("GET", "/wait", gate_handler(gate), poll);
  server->start();
  RawClient client(server->port());
  client.send(kGetWait);
  wait_for(gate->entered, 1);
  std::thread drainer([&] { server->drain(); });
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("connection"), "close");
  client.close();
  drainer.join();
}

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * 4096;
}

// JI-1.11
TEST(Streaming, AnUploadOf64MbUsesLittleMemoryAndPushesBack) {
  TestServer server;
  RouteOptions streams;
  streams.stream_body = true;
  streams.max_body = std::size_t{1} << 30;
  server->route(
      "PUT", "/store",
      [](Request& r) -> Task<Response> {
        std::vector<std::byte> piece(64 * 1024);
        std::uint64_t total = 0;
        std::uint64_t sum = 0;
        for (;;) {
          const std::size_t n = co_await r.stream->read(piece);
          if (n == 0) break;
          total += n;
          sum += static_cast<std::uint64_t>(piece[0]) + static_cast<std::uint64_t>(piece[n - 1]);
        }
        co_return Response::text(200, std::to_string(total) + (sum > 0 ? " seen" : ""));
      },
      streams);
  server->start();
  const std::string piece(1 << 20, 'z');
  for (const bool chunked : {false, true}) {
    const std::size_t before = resident_bytes();
    RawClient client(server->port());
    client.send(chunked ? "PUT /store HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        : "PUT /store HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\n");
    for (int i = 0; i < 64; ++i) {
      if (chunked) client.send("100000\r\n");
      client.send(piece);
      if (chunked) client.send("\r\n");
    }
    if (chunked) client.send("0\r\n\r\n");
    EXPECT_EQ(client.receive().body, "67108864 seen");
    EXPECT_LT(resident_bytes(), before + (std::size_t{16} << 20));
    EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  }
}

// JI-1.11
TEST(Streaming, LimitsAndBrokenOffUploadsReachTheHandler) {
  TestServer server;
  RouteOptions streams;
  streams.stream_body = true;
  streams.max_body = 1000;
  std::atomic<int> broken{0};
  server->route(
      "PUT", "/store",
      [&](Request& r) -> Task<Response> {
        std::vector<std::byte> piece(300);
        std::uint64_t total = 0;
        try {
          for (;;) {
            const std::size_t n = co_await r.stream->read(piece);
            if (n == 0) break;
            total += n;
          }
        } catch (const Error& e) {
          if (e.code() == ErrorCode::kAborted) {
            broken.fetch_add(1);
            broken.notify_all();
          }
          throw;
        }
        co_return Response::text(200, std::to_string(total));
      },
      streams);
  server->start();
  RawClient over(server->port());
  EXPECT_EQ(over.ask("PUT /store HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                     std::string(1001, 'x') + "\r\n0\r\n\r\n")
                .status,
            413);
  RawClient exact(server->port());
  EXPECT_EQ(exact
                .ask("PUT /store HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
                     std::string(1000, 'x') + "\r\n0\r\n\r\n")
                .body,
            "1000");
  {
    RawClient gone(server->port());
    gone.send("PUT /store HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc");
  }
  wait_for(broken, 1);
}

class Counting final : public BodyProducer {
 public:
  explicit Counting(int pieces) : left_(pieces) {}
  net::Task<Bytes> next() override {
    if (left_ < 0) throw Error(ErrorCode::kDataLoss, "the disk is gone");
    if (left_ == 0) co_return Bytes();
    --left_;
    co_return Bytes::copy_of(std::string(100'000, static_cast<char>('a' + left_ % 26)));
  }

 private:
  int left_;
};

// JI-1.11
TEST(Streaming, AnswersMadeWhileTheyAreSent) {
  TestServer server;
  server->route("GET", "/export", [](Request&) -> Task<Response> {
    Response out;
    out.producer = std::make_shared<Counting>(30);
    co_return out;
  });
  server->route("GET", "/broken", [](Request&) -> Task<Response> {
    Response out;
    out.producer = std::make_shared<Counting>(-1);
    co_return out;
  });
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /export HTTP/1.1\r\nHost: x\r\n\r\n").body.size(), 3'000'000u);
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n").status, 0);  // cut, so that nobody takes it as whole
}

// JI-1.24
TEST(Threads, ConnectionsAreSpread) {
  ServerOptions options = test::quiet_options();
  options.io_threads = 3;
  TestServer server(options);
  server->route("GET", "/thread", [](Request&) -> Task<Response> {
    co_return Response::text(200, std::to_string(std::hash<std::thread::id>()(std::this_thread::get_id())));
  });
  server->start();
  std::set<std::string> threads;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    threads.insert(clients.back()->ask("GET /thread HTTP/1.1\r\nHost: x\r\n\r\n").body);
  }
  EXPECT_EQ(threads.size(), 3u);
  server->drain();
}

// JI-1.14
TEST(Trace, RequestIdsAndTraceContext) {
  TestServer server;
  server->route("GET", "/trace", [](Request& r) -> Task<Response> { co_return Response::text(200, r.traceparent); });
  server->start();
  RawClient client(server->port());
  Answer answer = client.ask(
      "GET /trace HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-123\r\n"
      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
  EXPECT_EQ(answer.header("x-request-id"), "abc-123");
  EXPECT_TRUE(answer.body.starts_with("00-0af7651916cd43dd8448eb211c80319c-")) << answer.body;
  EXPECT_NE(answer.body.find("-01"), std::string::npos);
  EXPECT_EQ(answer.body.find("b7ad6b7169203331"), std::string::npos);  // a span of our own
  answer = client.ask("GET /trace HTTP/1.1\r\nHost: x\r\nX-Request-Id: <script>\r\ntraceparent: 00-zz\r\n\r\n");
  EXPECT_EQ(answer.header("x-request-id").size(), 16u);
  EXPECT_EQ(answer.body.size(), 55u);
}

}  // namespace
}  // namespace sedna::serve
