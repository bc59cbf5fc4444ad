#include <thread>

#include <gtest/gtest.h>

#include "sedna/net/http_client.hpp"
#include "sedna/net/stream_test_kit.hpp"
#include "sedna/testing/imposter_server.hpp"

namespace sedna::net {
namespace {

using testing::http_answer;
using testing::ImposterServer;
using testing::Script;

HttpRequest get(std::string target = "/watch") {
  HttpRequest request;
  request.target = std::move(target);
  return request;
}

/// Everything until the end; "!" and the error when it failed.
std::string rest_of(HttpStream& stream) {
  std::string text;
  while (true) {
    const HttpStream::Piece piece = stream.next(soon());
    if (piece.state == HttpStream::Piece::State::kFailed) return text + "!" + piece.error->message();
    if (piece.state != HttpStream::Piece::State::kData) return text;
    EXPECT_FALSE(piece.data.empty());
    text.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
  }
}

constexpr std::string_view kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends the first piece of a body, then nothing more, and keeps the connection.
Script silent_after_one_piece() {
  return Script::serve([](const testing::ImposterRequest&) { return std::string(kChunkedHead) + "1\r\na\r\n"; });
}

TEST(HttpStream, TakesTheFramingOff) {
  ImposterServer server;
  HttpClient client(server.origin());
  server.next(Script::reply(std::string(kChunkedHead) + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"));
  HttpStreamOutcome chunked = client.open(get(), soon());
  ASSERT_TRUE(chunked.stream);
  EXPECT_EQ(chunked.stream->head().status, 200);
  EXPECT_EQ(rest_of(*chunked.stream), "abcde");
  EXPECT_EQ(chunked.stream->next(soon()).state, HttpStream::Piece::State::kEnd);

  server.next(Script::reply(http_answer(410, "gone")));
  HttpStreamOutcome counted = client.open(get(), soon());
  ASSERT_TRUE(counted.stream);
  EXPECT_EQ(counted.stream->head().status, 410);
  EXPECT_EQ(rest_of(*counted.stream), "gone");

  server.next(Script::reply("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  HttpStreamOutcome open_ended = client.open(get(), soon());
  ASSERT_TRUE(open_ended.stream);
  EXPECT_EQ(rest_of(*open_ended.stream), "until the end");
}

TEST(HttpStream, BytesThatDripInComeOneByOne) {
  ImposterServer server;
  HttpClient client(server.origin());
  server.next(Script::drip(std::string(kChunkedHead) + "5\r\nhello\r\n0\r\n\r\n", std::chrono::microseconds(200)));
  HttpStreamOutcome outcome = client.open(get(), soon());
  ASSERT_TRUE(outcome.stream);
  EXPECT_EQ(rest_of(*outcome.stream), "hello");
}

TEST(HttpStream, ABrokenLinkIsAFailureAndNotAnEnd) {
  ImposterServer server;
  HttpClient client(server.origin());
  const std::string answer = std::string(kChunkedHead) + "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
  server.next(Script::cut(answer, kChunkedHead.size() + 15));
  HttpStreamOutcome outcome = client.open(get(), soon());
  ASSERT_TRUE(outcome.stream);
  EXPECT_EQ(rest_of(*outcome.stream), "hellowo!connection closed by the server in the middle of the response");
  EXPECT_EQ(outcome.stream->next(soon()).state, HttpStream::Piece::State::kFailed);

  server.next(Script::reply(std::string(kChunkedHead) + "5\r\nhello\r\nzz\r\n"));
  HttpStreamOutcome garbled = client.open(get(), soon());
  ASSERT_TRUE(garbled.stream);
  EXPECT_EQ(rest_of(*garbled.stream).substr(0, 6), "hello!");
}

TEST(HttpStream, SaysNothingBeforeTheDeadlineAndGoesOnAfterIt) {
  ImposterServer server(silent_after_one_piece());
  HttpClient client(server.origin());
  HttpStreamOutcome outcome = client.open(get(), soon());
  ASSERT_TRUE(outcome.stream);
  const HttpStream::Piece first = outcome.stream->next(soon());
  ASSERT_EQ(first.state, HttpStream::Piece::State::kData);
  const auto begin = SteadyClock::now();
  EXPECT_EQ(outcome.stream->next(Deadline::after(std::chrono::milliseconds(20))).state,
            HttpStream::Piece::State::kDeadline);
  EXPECT_LT(SteadyClock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(outcome.stream->next(Deadline::after(std::chrono::milliseconds(1))).state,
            HttpStream::Piece::State::kDeadline);
}

TEST(HttpStream, InterruptEndsAReaderThatWaits) {
  ImposterServer server(silent_after_one_piece());
  HttpClient client(server.origin());
  HttpStreamOutcome outcome = client.open(get(), soon());
  ASSERT_TRUE(outcome.stream);
  ASSERT_EQ(outcome.stream->next(soon()).state, HttpStream::Piece::State::kData);
  std::thread other([&outcome] { outcome.stream->interrupt(); });
  EXPECT_EQ(outcome.stream->next(Deadline::never()).state, HttpStream::Piece::State::kEnd);
  other.join();
  EXPECT_EQ(outcome.stream->next(soon()).state, HttpStream::Piece::State::kEnd);
}

TEST(HttpStream, NobodyThereIsAFailureOfTheTransport) {
  ImposterServer server;
  const std::string origin = server.origin();
  server.refuse();
  HttpClient client(origin);
  const HttpStreamOutcome outcome = client.open(get(), soon());
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->error.code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(outcome.failure->may_have_executed);

  server.listen();
  server.next(Script::hang());
  const HttpStreamOutcome silent = client.open(get(), Deadline::after(std::chrono::milliseconds(30)));
  ASSERT_TRUE(silent.failure);
  EXPECT_EQ(silent.failure->error.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_TRUE(silent.failure->may_have_executed);
}

}  // namespace
}  // namespace sedna::net
