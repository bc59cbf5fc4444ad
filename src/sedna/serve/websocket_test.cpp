// WebSocket routes against the client of net: echo, refusals, the farewell when the server drains.
#include "sedna/net/websocket.hpp"

#include <atomic>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "sedna/serve/server.hpp"
#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"

namespace sedna::serve {
namespace {

namespace asio = net::asio;
using test::RawClient;
using test::TestServer;

Task<void> echo_socket(Request&, WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.read();
    if (!message) co_return;
    co_await socket.write(message->text, message->data);
  }
}

template <class T>
T run_client(Task<T> task) {
  asio::io_context io;
  auto future = asio::co_spawn(io, std::move(task), asio::use_future);
  io.run();
  return future.get();
}

Task<std::string> talk(std::string url, std::size_t big) {
  net::WebSocketOptions options;
  auto socket =
      co_await net::WebSocketStream::connect(url, std::nullopt, options, Deadline::after(std::chrono::seconds(10)));
  std::string all;
  for (int i = 0; i < 3; ++i) {
    Bytes data = Bytes::copy_of("message " + std::to_string(i));
    co_await socket->write(true, data);
    const auto back = co_await socket->read();
    all += std::string(back->data.text()) + ";";
  }
  Bytes data = Bytes::copy_of(std::string(big, 'b'));
  co_await socket->write(false, data);
  const auto back = co_await socket->read();
  all += (back->text ? "text " : "binary ") + std::to_string(back->data.size());
  co_await socket->close(1000, "done");
  co_return all;
}

// JI-1.12
TEST(WebSockets, Echo) {
  TestServer server;
  server->websocket("/ws/{room}", echo_socket);
  server->start();
  const std::string url = "ws://127.0.0.1:" + std::to_string(server->port()) + "/ws/a";
  EXPECT_EQ(run_client(talk(url, 1'000'000)), "message 0;message 1;message 2;binary 1000000");
  EXPECT_EQ(run_client(talk(url, 10)), "message 0;message 1;message 2;binary 10");
  EXPECT_EQ(server.registry()
                .counter("sedna_http_requests_total", "", {{"route", "/ws/{room}"}, {"method", "GET"}, {"code", "101"}})
                .value(),
            2u);
}

// JI-1.12
TEST(WebSockets, PlainRequestsAreToldToUpgrade) {
  TestServer server;
  server->websocket("/ws", echo_socket);
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").status, 426);
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").status / 100,
            4);
}

Task<Response> say_plain(Request& request) {
  co_return Response::json(200, "\"plain " + std::string(request.body.text()) + "\"");
}

// FL-3.4
TEST(WebSockets, APathMayAnswerPlainRequestsToo) {
  TestServer server;
  RouteOptions options;
  options.without_upgrade = say_plain;
  server->websocket("/ws", echo_socket, options);
  server->start();
  RawClient client(server->port());
  const auto answer = client.ask("GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "\"plain body\"");
  EXPECT_EQ(run_client(talk("ws://127.0.0.1:" + std::to_string(server->port()) + "/ws", 10)),
            "message 0;message 1;message 2;binary 10");
}

Task<std::uint16_t> stay(std::string url, std::atomic<bool>* up) {
  net::WebSocketOptions options;
  auto socket =
      co_await net::WebSocketStream::connect(url, std::nullopt, options, Deadline::after(std::chrono::seconds(10)));
  Bytes hello = Bytes::copy_of("hello");
  co_await socket->write(true, hello);
  co_await socket->read();
  up->store(true);
  up->notify_all();
  const auto end = co_await socket->read();
  EXPECT_FALSE(end);
  co_return socket->close_code();
}

// JI-1.9
TEST(WebSockets, AreToldToGoWhenTheServerDrains) {
  TestServer server;
  server->websocket("/ws", echo_socket);
  server->start();
  std::atomic<bool> up{false};
  std::thread drainer([&] {
    up.wait(false);
    server->drain();
  });
  EXPECT_EQ(run_client(stay("ws://127.0.0.1:" + std::to_string(server->port()) + "/ws", &up)), 1001);
  drainer.join();
}

Task<void> failing_socket(Request&, WebSocket& socket) {
  co_await socket.read();
  throw Error(ErrorCode::kInvalidArgument, "not what was agreed");
}

// JI-1.12
TEST(WebSockets, AFailingHandlerClosesWith1011) {
  TestServer server;
  server->websocket("/ws", failing_socket);
  server->start();
  RawClient client(server->port());
  client.send(
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      std::string("\x81\x80\0\0\0\0", 6));  // an empty masked text frame right behind the handshake
  const auto answer = client.receive();
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const std::string frame = client.receive_bytes();
  ASSERT_GE(frame.size(), 4u);
  EXPECT_EQ(static_cast<unsigned char>(frame[0]), 0x88);
  EXPECT_EQ(static_cast<unsigned char>(frame[2]) * 256 + static_cast<unsigned char>(frame[3]), 1011);
}

}  // namespace
}  // namespace sedna::serve
