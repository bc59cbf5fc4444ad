// Streams of every kind, coroutine I/O, the watchdog, connecting, TLS at both ends, WebSocket.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/net/http_client.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/net/io.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/net/tcp_stream.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/net/websocket.hpp"
#include "sedna/testing/certificates.hpp"
#include "sedna/testing/chaos_stream.hpp"
#include "sedna/testing/imposter_server.hpp"
#include "sedna/testing/memory_stream.hpp"

namespace sedna::net {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using testing::ChaosPlan;
using testing::make_chaos_stream;
using testing::make_memory_pipe;
using testing::TestAuthority;

/// One thread that runs coroutines until all are done; the first exception comes out of run().
class Loop {
 public:
  void spawn(Task<void> task) {
    asio::co_spawn(context_, std::move(task), [this](std::exception_ptr error) {
      if (error && !first_) first_ = error;
    });
  }
  void run() {
    context_.run();
    context_.restart();
    if (auto error = std::exchange(first_, nullptr)) std::rethrow_exception(error);
  }
  void run(Task<void> task) {
    spawn(std::move(task));
    run();
  }
  asio::io_context& context() { return context_; }
  asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  asio::io_context context_{1};
  std::exception_ptr first_;
};

Deadline soon() { return Deadline::after(std::chrono::seconds(5)); }

/// A connected pair over loopback.
std::pair<StreamPtr, StreamPtr> tcp_pair(Loop& loop) {
  tcp::acceptor acceptor(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket near(loop.context());
  near.connect(acceptor.local_endpoint());
  tcp::socket far = acceptor.accept();
  return {make_tcp_stream(std::move(near)), make_tcp_stream(std::move(far))};
}

Task<void> send_text(Stream& stream, std::string text) {
  std::vector<asio::const_buffer> parts;
  // Many parts, more than one gathered write takes.
  const std::size_t step = std::max<std::size_t>(1, text.size() / 40);
  for (std::size_t at = 0; at < text.size(); at += step) {
    parts.emplace_back(text.data() + at, std::min(step, text.size() - at));
  }
  const IoResult sent = co_await write_all(stream, std::move(parts));
  EXPECT_FALSE(sent.error) << sent.error.message();
  EXPECT_EQ(sent.bytes, text.size());
  stream.shutdown_write();
}

Task<void> receive_text(Stream& stream, std::string& into, boost::system::error_code& end) {
  std::array<char, 1000> piece;
  while (true) {
    const IoResult got = co_await read_some(stream, asio::buffer(piece));
    into.append(piece.data(), got.bytes);
    if (got.error) {
      end = got.error;
      break;
    }
  }
  if (stream.encrypted()) stream.shutdown_write();  // TLS says goodbye from both sides
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

void expect_transfer(Loop& loop, Stream& from, Stream& to, std::size_t size) {
  const std::string text = pattern(size);
  std::string got;
  boost::system::error_code end;
  loop.spawn(send_text(from, text));
  loop.spawn(receive_text(to, got, end));
  loop.run();
  EXPECT_EQ(got.size(), text.size());
  EXPECT_TRUE(got == text);
  EXPECT_EQ(end, asio::error::eof);
}

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
  watchdog.set(Deadline(start + milliseconds(60)));  // later
  watchdog.set(Deadline(start + milliseconds(20)));  // earlier again
  std::array<char, 1> byte;
  const IoResult result = co_await read_some(stream, asio::buffer(byte));
  EXPECT_TRUE(result.error);
  EXPECT_TRUE(watchdog.fired());
  EXPECT_GE(SteadyClock::now() - start, milliseconds(20));
  EXPECT_LT(SteadyClock::now() - start, milliseconds(50));
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

// ---- TLS -----------------------------------------------------------------------------------------------------------

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
  HttpClient by_address(server.origin("127.0.0.1"), client_options(authority));
  const HttpOutcome mismatch = by_address.exchange(request, soon());
  ASSERT_TRUE(mismatch.failure);
  EXPECT_EQ(mismatch.failure->error.code(), ErrorCode::kUnauthenticated);
  EXPECT_FALSE(mismatch.failure->may_have_executed);
  EXPECT_NE(std::string(mismatch.failure->error.what()).find("IP address mismatch"), std::string::npos);
}

TEST(HttpClientTls, ACutBodyIsNoBody) {
  TestAuthority authority;
  TlsResponder server(TlsContext::server(server_files(authority.issue("s", {"DNS:localhost"}))), true);
  HttpClient client(server.origin("localhost"), client_options(authority));
  const HttpOutcome outcome = client.exchange(HttpRequest(), soon());
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->error.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(outcome.failure->may_have_executed);
}

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

// ---- WebSocket -----------------------------------------------------------------------------------------------------

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
