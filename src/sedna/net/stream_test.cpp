// Streams of every kind, coroutine I/O, the watchdog, connecting.
#include <gtest/gtest.h>

#include "sedna/net/io.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/net/stream_test_kit.hpp"
#include "sedna/testing/chaos_stream.hpp"
#include "sedna/testing/imposter_server.hpp"
#include "sedna/testing/memory_stream.hpp"

namespace sedna::net {
namespace {

using std::chrono::milliseconds;
using testing::ChaosPlan;
using testing::make_chaos_stream;
using testing::make_memory_pipe;

TEST(TcpStream, CarriesGatheredWritesBothWays) {
  Loop loop;
  auto [near, far] = tcp_pair(loop);
  EXPECT_TRUE(near->remote().starts_with("127.0.0.1:"));
  EXPECT_GE(near->native_handle(), 0);
  expect_transfer(loop, *near, *far, 5'000'000);
  expect_transfer(loop, *far, *near, 10);
  near->close();
  near->close();
  EXPECT_EQ(near->native_handle(), -1);
}

TEST(MemoryPipe, CarriesMoreThanItHolds) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor(), 100);
  expect_transfer(loop, *near, *far, 10'000);
  expect_transfer(loop, *far, *near, 1);
}

Task<void> read_all(Stream& stream, std::string& into, IoResult& result) {
  std::array<char, 10> buffer;
  result = co_await read_exact(stream, asio::buffer(buffer));
  into.assign(buffer.data(), result.bytes);
}

TEST(ReadExact, GivesWhatCameBeforeTheEnd) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  std::string got;
  IoResult result;
  loop.spawn(send_text(*near, "short"));
  loop.run(read_all(*far, got, result));
  EXPECT_EQ(got, "short");
  EXPECT_TRUE(result.eof());
}

Task<void> read_until(Stream& stream, Deadline deadline, IoResult& result) {
  std::array<char, 10> buffer;
  result = co_await read_exact(stream, asio::buffer(buffer), deadline);
}

TEST(Deadlines, EndAReadThatNobodyServes) {
  for (const bool memory : {false, true}) {
    Loop loop;
    auto [near, far] = memory ? make_memory_pipe(loop.executor()) : tcp_pair(loop);
    IoResult result;
    const auto start = SteadyClock::now();
    loop.run(read_until(*near, Deadline::after(milliseconds(20)), result));
    EXPECT_EQ(result.error, asio::error::timed_out);
    EXPECT_GE(SteadyClock::now() - start, milliseconds(20));
    EXPECT_EQ(io_error(result.error, "waiting").code(), ErrorCode::kDeadlineExceeded);
  }
}

Task<void> move_watchdog(Stream& stream, Watchdog& watchdog, std::vector<int>& order) {
  const auto start = SteadyClock::now();
  watchdog.set(Deadline(start + milliseconds(10)));
  watchdog.set(Deadline(start + std::chrono::minutes(1)));  // later
  watchdog.set(Deadline(start + milliseconds(20)));         // earlier again
  std::array<char, 1> byte;
  const IoResult result = co_await read_some(stream, asio::buffer(byte));
  EXPECT_TRUE(result.error);
  EXPECT_TRUE(watchdog.fired());
  EXPECT_GE(SteadyClock::now() - start, milliseconds(20));
  EXPECT_LT(SteadyClock::now() - start, std::chrono::seconds(10));
  order.push_back(1);
}

TEST(Watchdog, FollowsTheDeadlineLaterAndEarlier) {
  Loop loop;
  auto [near, far] = tcp_pair(loop);
  std::vector<int> order;
  Watchdog watchdog(*near);
  loop.run(move_watchdog(*near, watchdog, order));
  EXPECT_EQ(order.size(), 1u);
}

TEST(Watchdog, ClearedOrGoneDoesNothing) {
  Loop loop;
  auto [near, far] = tcp_pair(loop);
  {
    Watchdog gone(*near);
    gone.set(Deadline::after(milliseconds(1)));
  }
  Watchdog cleared(*far);
  cleared.set(Deadline::after(milliseconds(1)));
  cleared.clear();
  loop.run();  // until the timers are through
  EXPECT_FALSE(cleared.fired());
  EXPECT_GE(near->native_handle(), 0);
  EXPECT_GE(far->native_handle(), 0);
}

// JI-7.3
TEST(ChaosStream, CutsCorruptsDripsAndSwallows) {
  Loop loop;
  const auto through = [&loop](ChaosPlan on_sender, ChaosPlan on_receiver, boost::system::error_code& end) {
    auto [near, far] = make_memory_pipe(loop.executor());
    StreamPtr from = make_chaos_stream(std::move(near), on_sender);
    StreamPtr to = make_chaos_stream(std::move(far), on_receiver);
    std::string got;
    loop.spawn(send_text(*from, "0123456789"));
    loop.spawn(receive_text(*to, got, end));
    loop.run();
    return got;
  };
  boost::system::error_code end;
  ChaosPlan cut;
  cut.cut_read_after = 4;
  EXPECT_EQ(through(ChaosPlan(), cut, end), "0123");
  EXPECT_EQ(end, asio::error::connection_reset);
  ChaosPlan corrupt;
  corrupt.corrupt_read_at = 3;
  corrupt.drip = true;
  EXPECT_EQ(through(ChaosPlan(), corrupt, end), std::string("012") + static_cast<char>('3' ^ 0xff) + "456789");
  ChaosPlan swallow;
  swallow.swallow_write_after = 6;
  EXPECT_EQ(through(swallow, ChaosPlan(), end), "012345");
  ChaosPlan slow;
  slow.delay = std::chrono::microseconds(100);
  slow.drip = true;
  EXPECT_EQ(through(slow, slow, end), "0123456789");
}

TEST(ChaosStream, HalfOpenIsEndedByTheDeadlineOnly) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  ChaosPlan plan;
  plan.never_read = true;
  StreamPtr stream = make_chaos_stream(std::move(near), plan);
  IoResult result;
  loop.spawn(send_text(*far, "0123456789"));
  loop.run(read_until(*stream, Deadline::after(milliseconds(10)), result));
  EXPECT_EQ(result.error, asio::error::timed_out);
}

Task<void> connect_to(std::string host, std::uint16_t port, Deadline deadline, StreamPtr& into) {
  into = co_await connect_tcp_stream(host, port, deadline);
}

// JI-5.4
TEST(Connect, TriesEveryAddressAndNamesTheFailure) {
  testing::ImposterServer server;
  Loop loop;
  StreamPtr stream;
  loop.run(connect_to("localhost", server.port(), soon(), stream));
  EXPECT_EQ(stream->remote(), "127.0.0.1:" + std::to_string(server.port()));
  server.refuse();
  try {
    loop.run(connect_to("localhost", server.port(), soon(), stream));
    FAIL() << "connected to nobody";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnavailable);
    EXPECT_NE(e.subject().find(std::to_string(server.port())), std::string::npos);
  }
  try {
    loop.run(connect_to("no-such-host.invalid", 1, Deadline::after(milliseconds(300)), stream));
    FAIL() << "resolved nobody";
  } catch (const Error& e) {
    EXPECT_TRUE(e.code() == ErrorCode::kUnavailable || e.code() == ErrorCode::kDeadlineExceeded) << e.what();
  }
}

TEST(Resolve, LiteralsNeedNoLookup) {
  EXPECT_EQ(resolve_literal("10.1.2.3", 80).front().text(), "10.1.2.3:80");
  EXPECT_EQ(resolve_literal("::1", 80).front().text(), "[::1]:80");
  EXPECT_TRUE(resolve_literal("::1", 80).front().is_loopback());
  EXPECT_EQ(resolve_literal("localhost", 80).size(), 2u);
  EXPECT_TRUE(resolve_literal("example.org", 80).empty());
  EXPECT_TRUE(resolve("127.9.9.9", 1, Deadline::after(milliseconds(-1))).value().front().is_loopback());
}

}  // namespace
}  // namespace sedna::net
