// Who may talk to a server: TLS, bearer tokens, client certificates, roles, and where it dares to listen.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/net/http_client.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/serve/test_client.hpp"
#include "sedna/serve/test_server.hpp"
#include "sedna/testing/certificates.hpp"

namespace sedna::serve {
namespace {

using test::RawClient;
using test::TestServer;

constexpr const char* kToken = "0123456789abcdef-alice";

class Security : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = authority_.folder();
    token_file_ = folder_ / "tokens";
    std::ofstream(token_file_) << "# people\nalice:" << kToken << ":reader,writer\nbob:0123456789abcdef-bob\n";
    ::chmod(token_file_.c_str(), 0600);
  }
  ServerOptions tls_options(bool client_certificates) {
    const auto files = authority_.issue("localhost", {"DNS:localhost", "IP:127.0.0.1"});
    ServerOptions options = test::quiet_options();
    options.tls.cert_file = files.cert_file;
    options.tls.key_file = files.key_file;
    if (client_certificates) options.tls.client_ca_file = authority_.ca_file();
    return options;
  }
  static void add_routes(TestServer& server) {
    server->route("GET", "/who", [](Request& r) -> Task<Response> { co_return Response::text(200, r.identity.name); });
    RouteOptions writers;
    writers.roles = {"writer"};
    server->route("POST", "/write", test::echo, writers);
  }
  static net::HttpOutcome get(net::HttpClient& client, const std::string& target) {
    net::HttpRequest request;
    request.target = target;
    return client.exchange(request, Deadline::after(std::chrono::seconds(10)));
  }
  sedna::testing::TestAuthority authority_;
  std::filesystem::path folder_;
  std::filesystem::path token_file_;
};

// JI-1.15
TEST_F(Security, BearerTokensNameTheCallerAndHealthNeedsNone) {
  ServerOptions options = test::quiet_options();
  options.token_file = token_file_;
  TestServer server(options);
  add_routes(server);
  server->start();
  RawClient client(server->port());
  const auto none = client.ask("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.header("www-authenticate"), "Bearer realm=\"sedna\"");
  EXPECT_EQ(client.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  EXPECT_EQ(client.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").status, 401);
  EXPECT_EQ(client.ask("GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef-alicf\r\n\r\n").status,
            401);
  EXPECT_EQ(client.ask("GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n\r\n").status, 401);
  const std::string alice = std::string("Authorization: Bearer ") + kToken + "\r\n";
  EXPECT_EQ(client.ask("GET /who HTTP/1.1\r\nHost: x\r\n" + alice + "\r\n").body, "alice");
  EXPECT_EQ(client.ask("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + alice + "\r\n").status, 200);
  EXPECT_EQ(client
                .ask("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                     "Authorization: bearer 0123456789abcdef-bob\r\n\r\n")
                .status,
            403);
  // The refusal comes before the body is read.
  EXPECT_EQ(client.ask("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").status, 401);
}

// JI-1.15
TEST_F(Security, ATokenFileOthersMayReadIsRefused) {
  ::chmod(token_file_.c_str(), 0644);
  ServerOptions options = test::quiet_options();
  options.token_file = token_file_;
  TestServer server(options);
  try {
    server->start();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kPermissionDenied);
    EXPECT_NE(std::string(e.what()).find("chmod 600"), std::string::npos);
  }
}

// JI-1.15
TEST_F(Security, TlsWithTokens) {
  ServerOptions options = tls_options(false);
  options.token_file = token_file_;
  options.host = "0.0.0.0";  // both are there: it may
  TestServer server(options);
  add_routes(server);
  server->start();
  net::HttpClientOptions client_options;
  client_options.tls.ca_file = authority_.ca_file();
  client_options.bearer_token = kToken;
  net::HttpClient client("https://127.0.0.1:" + std::to_string(server->port()), client_options);
  for (int i = 0; i < 3; ++i) {
    const auto outcome = get(client, "/who");
    ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
    EXPECT_EQ(outcome.response->status, 200);
    EXPECT_EQ(outcome.response->body.text(), "alice");
  }
  net::HttpRequest big;
  big.method = "POST";
  big.target = "/write";
  big.body.push_back(Bytes::from_string(std::string(2'000'000, 'q')));
  const auto echoed = client.exchange(big, Deadline::after(std::chrono::seconds(10)));
  ASSERT_TRUE(echoed.response) << echoed.failure->error.what();
  EXPECT_EQ(echoed.response->body.size(), 2'000'000u);
  // Plain text to a TLS port ends; so does a client that never says a word (below).
  RawClient plain(server->port());
  plain.send("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!plain.receive_bytes().empty()) continue;  // a TLS alert at most
}

// JI-1.15
TEST_F(Security, AClientCertificateIsAnIdentity) {
  TestServer server(tls_options(true));
  add_routes(server);
  server->start();
  const auto mine = authority_.issue("edge-7");
  net::HttpClientOptions with;
  with.tls.ca_file = authority_.ca_file();
  with.tls.cert_file = mine.cert_file;
  with.tls.key_file = mine.key_file;
  net::HttpClient client(server->origin(), with);
  const auto outcome = get(client, "/who");
  ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
  EXPECT_EQ(outcome.response->body.text(), "edge-7");
  net::HttpClientOptions without;
  without.tls.ca_file = authority_.ca_file();
  net::HttpClient stranger(server->origin(), without);
  EXPECT_FALSE(get(stranger, "/who").response);
}

// JI-1.21
TEST_F(Security, ASilentTlsClientIsDropped) {
  ServerOptions options = tls_options(false);
  options.header_timeout = std::chrono::milliseconds(50);
  TestServer server(options);
  server->start();
  RawClient client(server->port());
  EXPECT_TRUE(client.ended());
}

// JI-1.16
TEST(Exposure, PlaintextBeyondLoopbackMustBeMeant) {
  ServerOptions options = test::quiet_options();
  options.host = "0.0.0.0";
  {
    TestServer server(options);
    try {
      server->start();
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kPermissionDenied);
      EXPECT_NE(std::string(e.what()).find("SEDNA_SERVE_PLAINTEXT=1"), std::string::npos) << e.what();
    }
  }
  options.plaintext_beyond_loopback = true;
  TestServer meant(options);
  meant->start();
  EXPECT_GT(meant->port(), 0);
}

// JI-1.16
TEST(Exposure, AnAddressInUseIsNamed) {
  TestServer first;
  first->start();
  ServerOptions options = test::quiet_options();
  options.port = first->port();
  TestServer second(options);
  try {
    second->start();
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(std::to_string(first->port())), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace sedna::serve
