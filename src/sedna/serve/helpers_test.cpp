// The helpers for features: blocking work, compression, files, timers.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "sedna/serve/compression.hpp"
#include "sedna/serve/file_response.hpp"
#include "sedna/serve/offload.hpp"
#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"
#include "sedna/serve/timers.hpp"
#include "sedna/serve/trace.hpp"

namespace sedna::serve {
namespace {

using test::Answer;
using test::RawClient;
using test::TestServer;

std::string ask_get(RawClient& client, const std::string& path) {
  return client.ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n").body;
}

// JI-1.22
TEST(OffloadPool, RunsBlockingWorkElsewhereAndComesBack) {
  OffloadOptions options;
  options.threads = 2;
  Offload pool(options);
  TestServer server;
  server->route("GET", "/work", [&pool](Request&) -> Task<Response> {
    const auto io_thread = std::this_thread::get_id();
    const auto job = [] { return std::this_thread::get_id(); };
    const auto worker = co_await pool.run(job);
    const bool right = worker != io_thread && std::this_thread::get_id() == io_thread;
    co_return Response::text(200, right ? "right" : "wrong");
  });
  server->route("GET", "/throws", [&pool](Request&) -> Task<Response> {
    const auto job = [] { throw Error(ErrorCode::kConflict, "no"); };
    co_await pool.run(job);
    co_return Response();
  });
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(ask_get(client, "/work"), "right");
  EXPECT_EQ(client.ask("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n").status, 409);
}

// JI-1.22
TEST(OffloadPool, PushesBackAndDropsLateJobs) {
  metrics::Registry registry;
  OffloadOptions options;
  options.max_queue = 1;
  options.registry = &registry;
  Offload pool(options);
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::atomic<int> running{0};
  TestServer server;
  const auto block = [&](Request&) -> Task<Response> {
    const auto job = [&running, released] {
      running.fetch_add(1);
      running.notify_all();
      released.wait();
    };
    co_await pool.run(job);
    co_return Response::text(200, "done");
  };
  server->route("GET", "/block", block);
  server->route("GET", "/late", [&](Request&) -> Task<Response> {
    const auto job = [] {};
    co_await pool.run(job, Deadline(SteadyClock::now()));
    co_return Response::text(200, "done");
  });
  server->start();
  RawClient a(server->port()), b(server->port()), c(server->port());
  a.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int seen = 0; seen < 1; seen = running.load()) running.wait(seen);
  b.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
  auto& waiting = registry.gauge("sedna_offload_waiting", "", {{"pool", "work"}});
  while (waiting.value() < 1) std::this_thread::yield();
  const Answer refused = c.ask("GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  release.set_value();
  EXPECT_EQ(a.receive().body, "done");
  EXPECT_EQ(b.receive().status, 504);
}

// JI-1.23
TEST(Compression, RoundTripsAndBounds) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i % 100) + "\n";
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate, Coding::kIdentity}) {
    const Bytes small = deflate(coding, bytes);
    const auto back = inflate(coding, small.span(), text.size());
    ASSERT_TRUE(back) << back.error().what();
    EXPECT_TRUE(back->text() == text);
    EXPECT_EQ(inflate(coding, small.span(), text.size() - 1).error().code(), ErrorCode::kResourceExhausted);
    if (coding == Coding::kIdentity) continue;
    EXPECT_LT(small.size(), text.size() / 5);
    EXPECT_EQ(inflate(coding, small.span().subspan(0, small.size() / 2), text.size()).error().code(),
              ErrorCode::kInvalidArgument);
    std::string damaged(small.text());
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
    EXPECT_FALSE(inflate(coding, std::as_bytes(std::span(damaged.data(), damaged.size())), text.size()));
  }
  const std::string bomb(std::size_t{50} << 20, '\0');
  const Bytes packed = deflate(Coding::kGzip, std::as_bytes(std::span(bomb.data(), bomb.size())));
  EXPECT_EQ(inflate(Coding::kGzip, packed.span(), 1 << 20).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_FALSE(content_coding("gzip, gzip"));
}

// JI-1.23
TEST(Files, WholeRangeAndTags) {
  char name[] = "/tmp/sedna_files_XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(name);
  std::string content;
  for (int i = 0; i < 200'000; ++i) content += static_cast<char>('a' + i % 26);
  std::ofstream(folder / "f") << content;
  TestServer server;
  const auto files = [&folder](Request& r) -> Task<Response> {
    co_return file_response(r, (folder / r.params[0]).string(), "application/octet-stream");
  };
  server->route("GET", "/files/{name}", files);
  server->start();
  RawClient client(server->port());
  const Answer whole = client.ask("GET /files/f HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(whole.body == content);
  const std::string etag = whole.header("etag");
  ASSERT_FALSE(etag.empty());
  EXPECT_EQ(client.ask("GET /files/f HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"z\", " + etag + "\r\n\r\n").status, 304);
  const Answer part =
      client.ask("GET /files/f HTTP/1.1\r\nHost: x\r\nRange: bytes=26-30\r\nIf-Range: " + etag + "\r\n\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "abcde");
  EXPECT_EQ(part.header("content-range"), "bytes 26-30/200000");
  EXPECT_EQ(client.ask("GET /files/f HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\nIf-Range: \"old\"\r\n\r\n").body.size(),
            200'000u);
  EXPECT_EQ(client.ask("GET /files/f HTTP/1.1\r\nHost: x\r\nRange: bytes=200000-\r\n\r\n").status, 416);
  const Answer head = client.ask("HEAD /files/f HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(head.header("content-length"), "200000");
  EXPECT_EQ(client.ask("GET /files/none HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
  EXPECT_EQ(client.ask("GET /files/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
  std::filesystem::remove_all(folder);
}

// JI-1.23
TEST(Files, Ranges) {
  EXPECT_EQ(parse_range("bytes=-5", 100)->offset, 95u);
  EXPECT_EQ(parse_range("bytes=-500", 100)->count, 100u);
  EXPECT_EQ(parse_range("bytes=90-", 100)->count, 10u);
  EXPECT_EQ(parse_range("bytes=100-", 100)->count, 0u);
  for (const char* ignored :
       {"bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=--5", "bytes=", "bytes=1-2x"}) {
    EXPECT_FALSE(parse_range(ignored, 100)) << ignored;
  }
}

struct Due final : TimerQueue::Entry {
  std::function<void()> act;
  void on_due() override { act(); }
};

TEST(Timers, FireInOrderAndFollowChanges) {
  boost::asio::io_context io;
  TimerQueue queue(io);
  std::string order;
  const auto now = SteadyClock::now();
  Due a, b, c, d;
  a.act = [&] { order += 'a'; };
  b.act = [&] { order += 'b'; };
  c.act = [&] { order += 'c'; };
  d.act = [&] { order += 'd'; };
  queue.set(a, now + std::chrono::milliseconds(30));
  queue.set(b, now + std::chrono::milliseconds(10));
  queue.set(c, now + std::chrono::milliseconds(5));
  queue.set(d, now + std::chrono::milliseconds(20));
  queue.set(c, now + std::chrono::milliseconds(40));  // later: lazily
  queue.set(a, now + std::chrono::milliseconds(15));  // sooner
  queue.set(d, SteadyClock::time_point::max());       // never
  io.run();
  EXPECT_EQ(order, "bac");
}

// JI-1.14
TEST(TraceContext, OnlyValidParentsAreFollowed) {
  const std::string_view good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_EQ(trace_id_of(good), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_FALSE(trace_id_of("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-future").empty());
  for (const std::string_view bad : {"", "00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                     "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"}) {
    EXPECT_TRUE(trace_id_of(bad).empty()) << bad;
    EXPECT_TRUE(traceparent_from(bad).ends_with("-00"));
  }
}

}  // namespace
}  // namespace sedna::serve
