// The walking server: routes, bodies, keep-alive, pipelining, built-in routes.
#include "sedna/serve/server.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"

namespace sedna::serve {
namespace {

using test::Answer;
using test::RawClient;
using test::TestServer;

// JI-1.1
TEST(Server, AnswersARouteWithParametersAndQuery) {
  TestServer server;
  server->route("GET", "/v2/models/{name}/versions/{version}", [](Request& r) -> Task<Response> {
    co_return Response::text(200, r.params[0] + "|" + r.params[1] + "|" + std::string(r.query("a").value_or("none")));
  });
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /v2/models/a%20b/versions/3?x=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n").body, "a b|3|2");
  EXPECT_EQ(client.ask("GET /v2/models//versions/3 HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
  EXPECT_EQ(client.ask("GET http://any.host/v2/models/m/versions/1 HTTP/1.1\r\nHost: x\r\n\r\n").body, "m|1|none");
}

// JI-1.2
TEST(Server, ReadsABodyStraightIntoAlignedMemoryAndKeepsTheConnection) {
  TestServer server;
  server->route("POST", "/echo", [](Request& r) -> Task<Response> {
    Response out;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(r.body.data()) % 64, 0u);
    out.body.push_back(r.body.slice(0, 1));
    out.body.push_back(r.body.slice(1, r.body.size() - 1));
    co_return out;
  });
  server->start();
  RawClient client(server->port());
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{8192}, std::size_t{3'000'000}}) {
    std::string body(size, 'x');
    for (std::size_t i = 0; i < size; i += 97) body[i] = static_cast<char>('a' + i % 26);
    const Answer answer =
        client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body == body) << size;
  }
}

// JI-1.2
TEST(Server, DecodesChunkedBodies) {
  TestServer server;
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(client.ask(head + "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n").body, "abc0123456789");
  std::string expected;
  std::string body;
  for (int i = 0; i < 50; ++i) {
    const std::string chunk(static_cast<std::size_t>(1 + i * 997), static_cast<char>('a' + i % 26));
    char size[16];
    std::snprintf(size, sizeof size, "%zX\r\n", chunk.size());
    body += size + chunk + "\r\n";
    expected += chunk;
  }
  EXPECT_TRUE(client.ask(head + body + "0\r\n\r\n").body == expected);
}

// JI-1.2
TEST(Server, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string body = "request " + std::to_string(i);
    all += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  client.send(all);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.receive().body, "request " + std::to_string(i));
}

// JI-1.1
TEST(Server, AnswersHeadWithoutBodyAndWrongMethodsWithAllow) {
  TestServer server;
  server->route("GET", "/thing", [](Request&) -> Task<Response> { co_return Response::text(200, "12345"); });
  server->start();
  RawClient client(server->port());
  const Answer head = client.ask("HEAD /thing HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "5");
  EXPECT_FALSE(head.header("date").empty());
  const Answer wrong = client.ask("DELETE /thing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "GET, HEAD");
  EXPECT_EQ(client.ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
  EXPECT_EQ(client.ask("GET /thing HTTP/1.1\r\nHost: x\r\n\r\n").body, "12345");
}

// JI-1.2
TEST(Server, SpeaksHttp10) {
  TestServer server;
  server->route("GET", "/thing", [](Request&) -> Task<Response> { co_return Response::text(200, "old"); });
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /thing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("connection"), "keep-alive");
  EXPECT_EQ(client.ask("GET /thing HTTP/1.0\r\n\r\n").body, "old");
  EXPECT_TRUE(client.ended());
}

// JI-1.13
TEST(Server, ShowsHealthReadinessAndMetrics) {
  TestServer server;
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  server->set_ready(false, "the model is loading");
  const Answer not_ready = client.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_NE(not_ready.body.find("the model is loading"), std::string::npos);
  const Answer metrics = client.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(metrics.body.find("sedna_http_requests_total{route=\"/readyz\",method=\"GET\",code=\"503\"} 1"),
            std::string::npos)
      << metrics.body;
  EXPECT_NE(metrics.body.find("sedna_http_connections 1"), std::string::npos);
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ",
                           "process_threads ", "process_start_time_seconds "}) {
    EXPECT_NE(metrics.body.find(std::string("\n") + name), std::string::npos) << name;
  }
}

// JI-1.17
TEST(Server, MapsErrorsToAnswers) {
  TestServer server;
  server->route("GET", "/mine", [](Request&) -> Task<Response> {
    throw Error(ErrorCode::kInvalidArgument, "expected a number", "inputs[0]");
    co_return Response();
  });
  server->route("GET", "/theirs", [](Request&) -> Task<Response> {
    throw std::runtime_error("secret detail");
    co_return Response();
  });
  RouteOptions own;
  own.error_body = [](int status, const Error& e) { return Response::text(status, "own:" + e.message()); };
  server->route(
      "GET", "/own",
      [](Request&) -> Task<Response> {
        throw Error(ErrorCode::kNotFound, "gone");
        co_return Response();
      },
      own);
  server->start();
  RawClient client(server->port());
  const Answer mine = client.ask("GET /mine HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(mine.status, 400);
  EXPECT_NE(mine.body.find("inputs[0]"), std::string::npos);
  const Answer theirs = client.ask("GET /theirs HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(theirs.status, 500);
  EXPECT_EQ(theirs.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.ask("GET /own HTTP/1.1\r\nHost: x\r\n\r\n").body, "own:gone");
}

}  // namespace
}  // namespace sedna::serve
