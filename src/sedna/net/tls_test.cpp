// TLS at both ends: contexts, streams, and the blocking client against a TLS server.
#include "sedna/net/tls.hpp"

#include <fstream>
#include <functional>
#include <thread>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "sedna/net/http_client.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/net/stream_test_kit.hpp"
#include "sedna/testing/certificates.hpp"
#include "sedna/testing/imposter_server.hpp"
#include "sedna/testing/memory_stream.hpp"

namespace sedna::net {
namespace {

using std::chrono::milliseconds;
using testing::make_memory_pipe;
using testing::TestAuthority;

Task<void> take_client(StreamPtr under, TlsContext context, std::string host, StreamPtr& into) {
  into = co_await tls_client(std::move(under), context, host, soon());
}
Task<void> take_server(StreamPtr under, TlsContext context, StreamPtr& into) {
  into = co_await tls_server(std::move(under), context, soon());
}

TlsServerFiles server_files(const TestAuthority::Files& files, std::string client_ca = {}) {
  TlsServerFiles out;
  out.cert_file = files.cert_file;
  out.key_file = files.key_file;
  out.client_ca_file = std::move(client_ca);
  return out;
}
TlsClientOptions trusting(const TestAuthority& authority) {
  TlsClientOptions options;
  options.ca_file = authority.ca_file();
  return options;
}

// JI-1.21
TEST(TlsStream, CarriesBytesAndNamesBothSides) {
  TestAuthority authority;
  const auto server_pair = authority.issue("server", {"DNS:localhost"});
  const auto client_pair = authority.issue("edge-7");
  TlsClientOptions options = trusting(authority);
  options.cert_file = client_pair.cert_file;
  options.key_file = client_pair.key_file;
  const TlsContext server_context = TlsContext::server(server_files(server_pair, authority.ca_file()));
  const TlsContext client_context = TlsContext::client(options);
  for (const bool memory : {true, false}) {
    Loop loop;
    auto [near, far] = memory ? make_memory_pipe(loop.executor()) : tcp_pair(loop);
    StreamPtr client;
    StreamPtr server;
    loop.spawn(take_client(std::move(near), client_context, "localhost", client));
    loop.spawn(take_server(std::move(far), server_context, server));
    loop.run();
    EXPECT_TRUE(client->encrypted());
    EXPECT_EQ(tls_peer_name(*server), "edge-7");
    EXPECT_EQ(tls_peer_name(*client), "server");
    expect_transfer(loop, *client, *server, 300'000);
  }
}

std::string handshake_failure(const TlsContext& client_context, const TlsContext& server_context, std::string host,
                              ErrorCode* code = nullptr) {
  Loop loop;
  auto [near, far] = make_memory_pipe(loop.executor());
  StreamPtr client;
  StreamPtr server;
  std::string what;
  asio::co_spawn(loop.context(), take_server(std::move(far), server_context, server), asio::detached);
  try {
    loop.run(take_client(std::move(near), client_context, std::move(host), client));
  } catch (const Error& e) {
    what = e.what();
    if (code != nullptr) *code = e.code();
  }
  return what;
}

// JI-1.21
TEST(TlsStream, RefusesWhomItCannotVerify) {
  TestAuthority authority;
  TestAuthority stranger("Another authority");
  const TlsContext fine = TlsContext::server(server_files(authority.issue("h", {"DNS:h", "IP:10.0.0.1"})));
  const TlsContext expired = TlsContext::server(server_files(authority.issue("h", {"DNS:h"}, true)));
  const TlsContext client = TlsContext::client(trusting(authority));
  EXPECT_EQ(handshake_failure(client, fine, "h"), "");
  EXPECT_EQ(handshake_failure(client, fine, "10.0.0.1"), "");
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_NE(handshake_failure(client, fine, "other", &code).find("hostname mismatch"), std::string::npos);
  EXPECT_EQ(code, ErrorCode::kUnauthenticated);
  EXPECT_NE(handshake_failure(client, fine, "10.0.0.2").find("IP address mismatch"), std::string::npos);
  EXPECT_NE(handshake_failure(client, expired, "h").find("certificate has expired"), std::string::npos);
  const TlsContext distrusting = TlsContext::client(trusting(stranger));
  EXPECT_NE(handshake_failure(distrusting, fine, "h").find("certificate verify failed"), std::string::npos);
  TlsClientOptions careless;
  careless.verify = false;
  EXPECT_EQ(handshake_failure(TlsContext::client(careless), fine, "other"), "");
}

std::string contents(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// What a kubeconfig carries inside it.
TEST(TlsContext, TakesPemTextFromMemory) {
  TestAuthority authority;
  const auto server_pair = authority.issue("server", {"DNS:localhost"});
  const auto client_pair = authority.issue("edge-7");
  const TlsContext server = TlsContext::server(server_files(server_pair, authority.ca_file()));
  TlsClientOptions options;
  options.ca_pem = contents(authority.ca_file());
  options.cert_pem = contents(client_pair.cert_file);
  options.key_pem = contents(client_pair.key_file);
  EXPECT_EQ(handshake_failure(TlsContext::client(options), server, "localhost"), "");
  TlsClientOptions stranger = options;
  stranger.ca_pem = contents(TestAuthority("Another").ca_file());
  EXPECT_NE(handshake_failure(TlsContext::client(stranger), server, "localhost"), "");
  options.key_pem = contents(server_pair.key_file);
  EXPECT_THROW(TlsContext::client(options), Error);
  options.key_pem = "junk";
  EXPECT_THROW(TlsContext::client(options), Error);
  TlsClientOptions no_authority;
  no_authority.ca_pem = "junk";
  EXPECT_THROW(TlsContext::client(no_authority), Error);
}

// JI-1.21
TEST(TlsContext, ErrorsNameTheFile) {
  TestAuthority authority;
  const auto one = authority.issue("one");
  const auto two = authority.issue("two");
  const std::string junk = (authority.folder() / "junk.pem").string();
  std::ofstream(junk) << "not a certificate";
  const auto subject_of = [](const std::function<void()>& make) -> std::string {
    try {
      make();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      return e.subject();
    }
    return "no error";
  };
  TlsClientOptions client;
  client.ca_file = "/no/such/ca.pem";
  EXPECT_EQ(subject_of([&] { TlsContext::client(client); }), "/no/such/ca.pem");
  client.ca_file = junk;
  EXPECT_EQ(subject_of([&] { TlsContext::client(client); }), junk);
  client.ca_file = authority.ca_file();
  client.cert_file = one.cert_file;
  EXPECT_EQ(subject_of([&] { TlsContext::client(client); }), one.cert_file);
  EXPECT_EQ(subject_of([&] { TlsContext::server(server_files({one.cert_file, two.key_file})); }), two.key_file);
  EXPECT_EQ(subject_of([&] { TlsContext::server(server_files({junk, two.key_file})); }), junk);
  EXPECT_EQ(subject_of([&] { TlsContext::server(server_files(one, junk)); }), junk);
}

// ---- the blocking client over TLS ----------------------------------------------------------------------------------

/// Accepts TLS connections on a thread and answers each request, of any size, with the number of its connection.
class TlsResponder {
 public:
  TlsResponder(const TlsContext& context, bool cut_body) : cut_body_(cut_body), context_(context) {
    loop_.spawn(accept_all());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~TlsResponder() {
    asio::post(loop_.context(), [this] {
      acceptor_.close();
      for (Stream* stream : open_) stream->close();
    });
    thread_.join();
  }
  std::string origin(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  Task<void> accept_all() {
    boost::system::error_code error;
    while (true) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      asio::co_spawn(loop_.context(), serve(make_tcp_stream(std::move(socket)), ++count_), asio::detached);
    }
  }
  Task<void> serve(StreamPtr tcp_stream, int number) {
    StreamPtr stream = co_await tls_server(std::move(tcp_stream), context_, soon());
    Stream* const raw = stream.get();
    open_.push_back(raw);
    std::string input;
    std::vector<char> piece(100'000);
    while (true) {
      const std::size_t end = find_head_end(input);
      if (end != std::string::npos) {
        const std::size_t at = input.find("Content-Length: ");
        const std::size_t length = at < end ? std::stoul(input.substr(at + 16)) : 0;
        if (input.size() >= end + length) {
          input.erase(0, end + length);
          const std::string answer = testing::http_answer(200, std::to_string(number) + pattern(40'000));
          std::vector<asio::const_buffer> parts;
          parts.push_back(asio::buffer(answer.data(), cut_body_ ? answer.size() / 2 : answer.size()));
          co_await write_all(*stream, std::move(parts));
          if (cut_body_) break;
          continue;
        }
      }
      const asio::mutable_buffer into = asio::buffer(piece);
      const IoResult got = co_await read_some(*stream, into);
      if (got.error) break;
      input.append(piece.data(), got.bytes);
    }
    std::erase(open_, raw);
  }

  bool cut_body_;
  TlsContext context_;
  Loop loop_;
  tcp::acceptor acceptor_{loop_.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::vector<Stream*> open_;
  int count_ = 0;
  std::thread thread_;
};

HttpClientOptions client_options(const TestAuthority& authority) {
  HttpClientOptions options;
  options.tls = trusting(authority);
  return options;
}

// JI-5.5
TEST(HttpClientTls, KeepsConnectionsAndVerifies) {
  TestAuthority authority;
  TlsResponder server(TlsContext::server(server_files(authority.issue("s", {"DNS:localhost"}))), false);
  HttpClient client(server.origin("localhost"), client_options(authority));
  HttpRequest request;
  request.method = "POST";
  request.body.push_back(Bytes::from_string(pattern(1'000'000)));
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome outcome = client.exchange(request, soon());
    ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
    EXPECT_TRUE(outcome.response->body.text() == "1" + pattern(40'000));
  }
  HttpClientOptions named = client_options(authority);
  named.tls.server_name = "localhost";
  EXPECT_TRUE(HttpClient(server.origin("127.0.0.1"), named).exchange(request, soon()).response);
  HttpClient by_address(server.origin("127.0.0.1"), client_options(authority));
  const HttpOutcome mismatch = by_address.exchange(request, soon());
  ASSERT_TRUE(mismatch.failure);
  EXPECT_EQ(mismatch.failure->error.code(), ErrorCode::kUnauthenticated);
  EXPECT_FALSE(mismatch.failure->may_have_executed);
  EXPECT_NE(std::string(mismatch.failure->error.what()).find("IP address mismatch"), std::string::npos);
}

// JI-7.3
TEST(HttpClientTls, ACutBodyIsNoBody) {
  TestAuthority authority;
  TlsResponder server(TlsContext::server(server_files(authority.issue("s", {"DNS:localhost"}))), true);
  HttpClient client(server.origin("localhost"), client_options(authority));
  const HttpOutcome outcome = client.exchange(HttpRequest(), soon());
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->error.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(outcome.failure->may_have_executed);
}

// JI-5.4
TEST(HttpClientTls, ATlsHandshakeHasTheDeadlineToo) {
  TestAuthority authority;
  testing::ImposterServer silent(testing::Script::deaf());
  testing::ImposterServer plain(testing::Script::speak_first("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const auto fail = [&](const testing::ImposterServer& server, milliseconds limit) {
    HttpClient client("https://127.0.0.1:" + std::to_string(server.port()), client_options(authority));
    return client.exchange(HttpRequest(), Deadline::after(limit)).failure.value();
  };
  const TransportFailure late = fail(silent, milliseconds(30));
  EXPECT_EQ(late.error.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(late.may_have_executed);
  EXPECT_EQ(fail(plain, milliseconds(2000)).error.code(), ErrorCode::kUnauthenticated);
}

}  // namespace
}  // namespace sedna::net
