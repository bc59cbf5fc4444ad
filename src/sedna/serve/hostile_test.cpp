// Malformed, slow and oversized requests, byte by byte: each gets the documented answer and the connection ends.
#include <gtest/gtest.h>

#include "sedna/serve/server.hpp"
#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"

namespace sedna::serve {
namespace {

using test::Answer;
using test::RawClient;
using test::TestServer;

struct Case {
  const char* name;
  int status;
  std::string bytes;
};

std::vector<Case> cases() {
  using namespace std::string_literals;
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  return {
      {"BareLf", 400, "GET /echo HTTP/1.1\nHost: x\n\n"},
      {"BareLfInHeader", 400, "GET /echo HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"},
      {"BareCrInValue", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"},
      {"NulInValue", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"s},
      {"ControlInValue", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n"},
      {"ObsFold", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"},
      {"SpaceBeforeColon", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc"},
      {"NoColon", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"},
      {"EmptyName", 400, "GET /echo HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n"},
      {"NoHost", 400, "GET /echo HTTP/1.1\r\n\r\n"},
      {"TwoHosts", 400, "GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
      {"HostWithPath", 400, "GET /echo HTTP/1.1\r\nHost: x/y\r\n\r\n"},
      {"NoVersion", 400, "GET /echo\r\n\r\n"},
      {"BadVersion", 400, "GET /echo HTTP/1.x\r\nHost: x\r\n\r\n"},
      {"Http2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"TwoSpaces", 400, "GET  /echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"TargetWithoutSlash", 400, "GET echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"OtherScheme", 400, "GET ftp://x/echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"RawNonAsciiTarget", 400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"DotDot", 400, "GET /a/../echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"EscapedDotDot", 400, "GET /a/%2e%2E/echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"EscapedSlashDotDot", 400, "GET /a%2f..%2fecho HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"EscapedNul", 400, "GET /echo%00 HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"BrokenEscape", 400, "GET /echo%4 HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"BothLengths", 400, post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"DifferingLengths", 400, post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
      {"LengthList", 400, post + "Content-Length: 3, 3\r\n\r\nabc"},
      {"LengthWithSign", 400, post + "Content-Length: +3\r\n\r\nabc"},
      {"NegativeLength", 400, post + "Content-Length: -1\r\n\r\n"},
      {"HexLength", 400, post + "Content-Length: 0x3\r\n\r\nabc"},
      {"EmptyLength", 400, post + "Content-Length: \r\n\r\nabc"},
      {"HugeLength", 400, post + "Content-Length: 99999999999999999999\r\n\r\n"},
      {"LengthOverLimit", 413, post + "Content-Length: 9000000000000000000\r\n\r\n"},
      {"UnknownCoding", 501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
      {"CodingTrick", 501, post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {"TwoCodings", 400, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"CodingInHttp10", 400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"ChunkSizeNotHex", 400, post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"},
      {"ChunkSizeSigned", 400, post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"},
      {"ChunkSizeOverflow", 400, post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"},
      {"ChunkTooLarge", 413, post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\nabc"},
      {"ChunkLfOnly", 400, post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"},
      {"ChunkWithoutEnd", 400, post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
      {"UnknownExpectation", 417, post + "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"},
      {"BadMethod", 400, "G@T /echo HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"TlsHello", 400, "\x16\x03\x01\x02\x00\x01\n\n"s},
      {"HugeHeader", 431, "GET /echo HTTP/1.1\r\nHost: x\r\nA: " + std::string(40'000, 'a')},
      {"ManyHeaders", 431,
       [] {
         std::string all = "GET /echo HTTP/1.1\r\nHost: x\r\n";
         for (int i = 0; i < 200; ++i) all += "A" + std::to_string(i) + ": b\r\n";
         return all + "\r\n";
       }()},
      {"HugeTarget", 414, "GET /" + std::string(40'000, 'a')},
      {"LongTarget", 414, "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"},
  };
}

class Hostile : public ::testing::TestWithParam<Case> {};

// JI-1.3, JI-1.4, JI-7.7, JI-7.14
TEST_P(Hostile, IsRefusedAndTheConnectionEnds) {
  ServerOptions options = test::quiet_options();
  options.max_body = 1 << 20;
  TestServer server(options);
  server->route("POST", "/echo", test::echo);
  server->route("GET", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  // A smuggled second request must never be answered.
  const Answer answer = client.ask(GetParam().bytes);
  EXPECT_EQ(answer.status, GetParam().status) << answer.head << answer.body;
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_NE(answer.body.find("\"error\""), std::string::npos) << answer.body;
  client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.ended());
  RawClient next(server->port());
  EXPECT_EQ(next.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
}

INSTANTIATE_TEST_SUITE_P(Requests, Hostile, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

// JI-1.5
TEST(Arrival, HeadsArriveByteByByte) {
  TestServer server;
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  const std::string request =
      "\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nT: "
      "r\r\n\r\n";
  for (int round = 0; round < 2; ++round) {
    for (const char c : request) client.send(std::string_view(&c, 1));
    EXPECT_EQ(client.receive().body, "abc");
  }
}

// JI-1.5, JI-7.7
TEST(Arrival, ASlowHeadIsAnsweredWith408) {
  ServerOptions options = test::quiet_options();
  options.header_timeout = std::chrono::milliseconds(60);
  TestServer server(options);
  server->start();
  RawClient client(server->port());
  client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  const auto begin = std::chrono::steady_clock::now();
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(client.ended());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

// JI-1.5, JI-7.7
TEST(Arrival, DrippingBytesDoNotMoveTheHeadDeadline) {
  ServerOptions options = test::quiet_options();
  options.header_timeout = std::chrono::milliseconds(100);
  TestServer server(options);
  server->start();
  RawClient client(server->port());
  client.send("GET /healthz HTTP/1.1\r\nX-Slow: ");
  timeval brief{0, 5000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
  const auto begin = std::chrono::steady_clock::now();
  std::string got;
  while (got.empty() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(5)) {
    client.send("a");
    got = client.receive_bytes();
  }
  EXPECT_TRUE(got.starts_with("HTTP/1.1 408")) << got;
}

// JI-1.5
TEST(Arrival, AStalledBodyIsAnsweredWith408) {
  ServerOptions options = test::quiet_options();
  options.body_timeout = std::chrono::milliseconds(60);
  TestServer server(options);
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  const Answer answer = client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
  EXPECT_EQ(answer.status, 408);
  EXPECT_TRUE(client.ended());
}

// JI-1.5
TEST(Arrival, AnIdleConnectionIsClosedQuietly) {
  ServerOptions options = test::quiet_options();
  options.idle_timeout = std::chrono::milliseconds(60);
  TestServer server(options);
  server->start();
  RawClient client(server->port());
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_TRUE(client.ended());
}

// JI-1.4
TEST(Arrival, ATooLargeBodyIsRefusedBeforeItIsSent) {
  ServerOptions options = test::quiet_options();
  options.max_body = 1000;
  TestServer server(options);
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  const Answer answer =
      client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(client.interim, 0);
  // One that sends without asking still gets to read the answer.
  RawClient eager(server->port());
  eager.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n");
  eager.send(std::string(5'000'000, 'x'));
  EXPECT_EQ(eager.receive().status, 413);
}

// JI-1.6
TEST(Arrival, ContinueIsSentWhenTheBodyIsWanted) {
  TestServer server;
  server->route("POST", "/echo", test::echo);
  server->start();
  RawClient client(server->port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.receive_bytes(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("abc").body, "abc");
  EXPECT_EQ(client.ask("POST /none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").status,
            404);
  EXPECT_EQ(client.interim, 0);
  EXPECT_TRUE(client.ended());  // nobody knows whether the body will come
}

// JI-1.6
TEST(Arrival, ABodyNobodyReadsDoesNotBecomeTheNextRequest) {
  TestServer server;
  server->route("GET", "/ok", [](Request&) -> Task<Response> { co_return Response::text(200, "ok"); });
  server->start();
  RawClient client(server->port());
  const std::string smuggled = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(smuggled.size()) + "\r\n\r\n" +
              smuggled + "GET /ok HTTP/1.1\r\nHost: x\r\nX-Request-Id: second\r\n\r\n");
  EXPECT_EQ(client.receive().status, 404);
  const Answer second = client.receive();
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.header("x-request-id"), "second");
}

}  // namespace
}  // namespace sedna::serve
