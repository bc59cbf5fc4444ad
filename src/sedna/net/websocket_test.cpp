#include "sedna/net/websocket.hpp"

#include <gtest/gtest.h>

#include "sedna/net/http_parse.hpp"
#include "sedna/net/io.hpp"
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

HttpRequest upgrade_request() {
  HttpRequest request;
  request.target = "/chat";
  request.headers = {{"Host", "h"},
                     {"Upgrade", "websocket"},
                     {"Connection", "Upgrade"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"Sec-WebSocket-Version", "13"}};
  return request;
}

/// Reads the client's upgrade off the stream, as the server core does, and echoes until the client closes.
Task<void> echo_server(Stream& stream, WebSocketOptions options, std::string* closed_with) {
  std::string input;
  std::array<char, 1> byte;
  while (find_head_end(input) == std::string::npos) {
    const IoResult got = co_await read_some(stream, asio::buffer(byte));
    if (got.error) co_return;
    input.append(byte.data(), got.bytes);
  }
  HttpRequest request;
  request.target = "/chat";
  for (std::size_t at = input.find("\r\n") + 2; at + 2 < input.size();) {
    const std::size_t colon = input.find(": ", at);
    const std::size_t end = input.find("\r\n", at);
    request.headers.add(input.substr(at, colon - at), input.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  auto socket = co_await WebSocketStream::accept(stream, std::move(request), std::string(), options);
  while (auto message = co_await socket->read()) {
    co_await socket->write(message->text, message->data);
  }
  if (closed_with != nullptr) *closed_with = std::to_string(socket->close_code()) + " " + socket->close_reason();
}

Task<void> chat(StreamPtr stream, WebSocketOptions options, std::vector<std::string> texts) {
  auto socket = co_await WebSocketStream::handshake(std::move(stream), "h", "/chat", options);
  for (const std::string& text : texts) {
    const Bytes data = Bytes::copy_of(text);
    co_await socket->write(false, data);
    const auto echo = co_await socket->read();
    EXPECT_TRUE(echo && echo->data.text() == text);
    if (!echo) co_return;
    EXPECT_FALSE(echo->text);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(echo->data.data()) % kBufferAlignment, 0u);
  }
  co_await socket->close(1000, std::string(200, 'r'));
}

// JI-1.12
TEST(WebSocket, EchoesAndCloses) {
  for (const bool deflate : {false, true}) {
    for (const bool drip : {false, true}) {
      Loop loop;
      auto [near, far] = make_memory_pipe(loop.executor());
      ChaosPlan plan;
      plan.drip = drip;
      StreamPtr client = make_chaos_stream(std::move(near), plan);
      WebSocketOptions options;
      options.deflate = deflate;
      std::string closed_with;
      std::vector<std::string> texts{"", "hello", pattern(drip ? 3000 : 300'000)};
      loop.spawn(echo_server(*far, options, &closed_with));
      loop.spawn(chat(std::move(client), options, std::move(texts)));
      loop.run();
      EXPECT_EQ(closed_with, "1000 " + std::string(123, 'r'));
    }
  }
}

Task<void> send_large(StreamPtr stream, std::size_t size, std::uint16_t& code) {
  const WebSocketOptions options;
  auto socket = co_await WebSocketStream::handshake(std::move(stream), "h", "/chat", options);
  const Bytes data = Bytes::from_string(std::string(size, 'x'));
  co_await socket->write(true, data);
  const auto answer = co_await socket->read();
  EXPECT_FALSE(answer);
  code = socket->close_code();
}

// JI-1.12
TEST(WebSocket, RefusesMessagesOverTheLimitAndSaysSo) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  WebSocketOptions options;
  options.max_message = 1000;
  std::uint16_t code = 0;
  loop.spawn(echo_server(*far, options, nullptr));
  loop.spawn(send_large(std::move(near), 1001, code));
  try {
    loop.run();
    FAIL() << "the server took it";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
  }
  loop.run();
  EXPECT_EQ(code, 1009);
}

Task<void> accept_with(Stream& stream, HttpRequest request, std::string leftover, std::string& first) {
  const WebSocketOptions options;
  auto socket = co_await WebSocketStream::accept(stream, std::move(request), std::move(leftover), options);
  const auto message = co_await socket->read();
  if (message) first = message->data.text();
}

TEST(WebSocket, TakesBytesThatCameBehindTheHead) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  std::string first;
  // A masked text frame "hi" with mask 0.
  loop.run(accept_with(*far, upgrade_request(), std::string("\x81\x82\0\0\0\0hi", 8), first));
  EXPECT_EQ(first, "hi");
}

TEST(WebSocket, RefusesWhatIsNoUpgrade) {
  HttpRequest request = upgrade_request();
  request.headers.set("Sec-WebSocket-Version", "12");
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  std::string first;
  std::string answer;
  boost::system::error_code end;
  try {
    loop.run(accept_with(*far, request, std::string(), first));
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
  }
  far->close();
  loop.run(receive_text(*near, answer, end));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 426") || answer.starts_with("HTTP/1.1 400")) << answer;
}

Task<void> connect_url(std::string url) {
  const WebSocketOptions options;
  auto socket = co_await WebSocketStream::connect(url, std::nullopt, options, soon());
}

TEST(WebSocket, ARefusalKeepsItsStatus) {
  testing::ImposterServer server(testing::Script::reply(testing::http_answer(503, "later")));
  Loop loop;
  try {
    loop.run(connect_url("ws://127.0.0.1:" + std::to_string(server.port()) + "/chat"));
    FAIL() << "connected";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnavailable);
    EXPECT_NE(std::string(e.what()).find("503"), std::string::npos);
  }
}

Task<void> idle_read(Stream& stream, WebSocketOptions options, ErrorCode& code) {
  std::string leftover;
  HttpRequest request = upgrade_request();
  auto socket = co_await WebSocketStream::accept(stream, std::move(request), std::move(leftover), options);
  try {
    co_await socket->read();
  } catch (const Error& e) {
    code = e.code();
  }
}

// JI-1.12
TEST(WebSocket, ASilentPeerIsDroppedAfterTheIdleTime) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  WebSocketOptions options;
  options.idle_timeout = milliseconds(20);
  ErrorCode code = ErrorCode::kInternal;
  loop.run(idle_read(*far, options, code));
  EXPECT_EQ(code, ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sedna::net
