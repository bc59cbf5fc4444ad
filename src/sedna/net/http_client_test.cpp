#include "sedna/net/http_client.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>

#include "sedna/net/stream_test_kit.hpp"
#include "sedna/testing/imposter_server.hpp"

namespace sedna::net {
namespace {

using std::chrono::milliseconds;
using testing::http_answer;
using testing::ImposterRequest;
using testing::ImposterServer;
using testing::Script;

HttpRequest post(std::string body, std::string target = "/x") {
  HttpRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.body.push_back(Bytes::from_string(std::move(body)));
  return request;
}

/// The failure, or one that says that there was none.
TransportFailure failure_of(const HttpOutcome& outcome) {
  if (outcome.failure) return *outcome.failure;
  return TransportFailure{Error(ErrorCode::kInternal, "no failure"), false};
}

/// How far beyond its deadline a call came back.
template <class Call>
milliseconds overrun(milliseconds deadline, Call call) {
  const auto start = SteadyClock::now();
  call(Deadline(start + deadline));
  return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start - deadline);
}

// JI-5.5
TEST(HttpClient, ExchangesOverOneKeptConnection) {
  ImposterServer server(
      Script::serve([](const ImposterRequest& r) { return http_answer(200, r.method + " " + r.body); }));
  HttpClient client(server.origin());
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome outcome = client.exchange(post("hello"), soon());
    ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
    EXPECT_EQ(outcome.response->body.text(), "POST hello");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(outcome.response->body.data()) % kBufferAlignment, 0u);
  }
  EXPECT_EQ(server.connections(), 1);
  const ImposterRequest seen = server.requests().front();
  EXPECT_EQ(seen.headers.get("Host"), "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(seen.headers.get("Content-Length"), "5");
  EXPECT_EQ(seen.headers.get("User-Agent"), "sedna/0.1");
  EXPECT_FALSE(seen.headers.find("Expect"));
  EXPECT_FALSE(seen.headers.find("Authorization"));
}

TEST(HttpClient, GathersBodyPartsAndSendsTheToken) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) { return http_answer(200, r.body); }));
  HttpClientOptions options;
  options.bearer_token = "s3cret";
  HttpClient client(server.origin(), options);
  HttpRequest request = post("a");
  for (int i = 0; i < 100; ++i) request.body.push_back(Bytes::copy_of(std::to_string(i % 10)));
  request.body.push_back(Bytes::from_string(std::string(3'000'000, 'z')));
  const HttpOutcome outcome = client.exchange(request, soon());
  ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
  EXPECT_EQ(outcome.response->body.size(), 3'000'101u);
  EXPECT_EQ(outcome.response->body.text().substr(0, 5), "a0123");
  EXPECT_EQ(server.requests().front().headers.get("authorization"), "Bearer s3cret");
}

TEST(HttpClient, RefusesToSendWhatWouldBreakTheHeader) {
  ImposterServer server;
  HttpClient client(server.origin());
  HttpRequest bad_value;
  bad_value.headers.add("X", "a\r\nY: b");
  HttpRequest bad_name;
  bad_name.headers.add("X Y", "a");
  HttpRequest bad_target;
  bad_target.target = "/a b";
  HttpRequest bad_method;
  bad_method.method = "GET /";
  for (const HttpRequest& request : {bad_value, bad_name, bad_target, bad_method}) {
    const TransportFailure failure = failure_of(client.exchange(request, soon()));
    EXPECT_EQ(failure.error.code(), ErrorCode::kInvalidArgument);
    EXPECT_FALSE(failure.may_have_executed);
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClient, ReadsChunkedAndCloseDelimitedBodies) {
  ImposterServer server;
  server.next(
      Script::reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n"));
  server.next(Script::reply("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  server.next(Script::reply("HTTP/1.1 204 No Content\r\n\r\n"));
  server.next(Script::reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
                            http_answer(200, "after interims")));
  HttpClient client(server.origin());
  const auto body = [&client] {
    const HttpOutcome outcome = client.exchange(HttpRequest(), soon());
    return outcome.response ? std::string(outcome.response->body.text()) : outcome.failure->error.what();
  };
  EXPECT_EQ(body(), "wikipedia");
  EXPECT_EQ(body(), "until the end");
  EXPECT_EQ(body(), "");
  EXPECT_EQ(body(), "after interims");
}

TEST(HttpClient, HeadHasNoBodyWhateverItsLengthSays) {
  ImposterServer server(Script::serve(
      [](const ImposterRequest&) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"); }));
  HttpClient client(server.origin());
  HttpRequest request;
  request.method = "HEAD";
  for (int i = 0; i < 2; ++i) {
    const HttpOutcome outcome = client.exchange(request, soon());
    ASSERT_TRUE(outcome.response);
    EXPECT_EQ(outcome.response->headers.get("content-length"), "1000");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, StreamsSuccessfulBodiesIntoTheSinkOnly) {
  const std::string large(1'000'000, 'm');
  ImposterServer server(Script::serve([&large](const ImposterRequest& r) {
    return r.target == "/no" ? http_answer(404, "no such thing") : http_answer(200, large);
  }));
  HttpClientOptions options;
  options.max_response_body = 100;  // does not bound a stream
  HttpClient client(server.origin(), options);
  std::string got;
  int heads = 0;
  const BodySink sink = [&got](std::span<const std::byte> piece) {
    got.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  };
  const HeadSink head = [&](const HttpResponse& response) {
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(got.empty());
    ++heads;
  };
  HttpRequest request;
  const HttpOutcome fine = client.exchange_to(request, soon(), sink, head);
  ASSERT_TRUE(fine.response) << fine.failure->error.what();
  EXPECT_EQ(got, large);
  EXPECT_EQ(heads, 1);
  request.target = "/no";
  const HttpOutcome missing = client.exchange_to(request, soon(), sink, head);
  ASSERT_TRUE(missing.response);
  EXPECT_EQ(missing.response->body.text(), "no such thing");
  EXPECT_EQ(got.size(), large.size());
  EXPECT_EQ(heads, 1);
  request.target = "/";
  const BodySink full = [](std::span<const std::byte>) { throw Error(ErrorCode::kResourceExhausted, "disk full"); };
  EXPECT_THROW(client.exchange_to(request, soon(), full), Error);
  EXPECT_TRUE(client.exchange_to(request, soon(), sink).response);  // on another connection
  EXPECT_EQ(server.connections(), 2);
}

// JI-7.1
TEST(HttpClient, ReportsARefusedConnectionAsNotExecuted) {
  ImposterServer server;
  server.refuse();
  HttpClient client(server.origin());
  const TransportFailure failure = failure_of(client.exchange(post("x", "/infer?token=secret"), soon()));
  EXPECT_EQ(failure.error.code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(failure.may_have_executed);
  EXPECT_EQ(std::string(failure.error.what()).find("secret"), std::string::npos);
  server.listen();
  EXPECT_TRUE(client.exchange(post("x"), soon()).response);
}

// JI-5.5
TEST(HttpClient, TakesAFreshConnectionWhenTheKeptOneWasClosed) {
  ImposterServer server;
  HttpClient client(server.origin());
  ASSERT_TRUE(client.exchange(post("1"), soon()).response);
  server.drop_connections();
  const HttpOutcome outcome = client.exchange(post("2"), soon());
  ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests().size(), 2u);
}

// JI-5.6
TEST(HttpClient, RepeatsOnAFreshConnectionOnlyWhatIsIdempotent) {
  // The server closes a kept connection while the next request is on its way: it reads it and hangs up without a byte.
  const auto closes_after_one = [] {
    auto count = std::make_shared<int>(0);
    return Script::serve(
        [count](const ImposterRequest&) { return ++*count == 1 ? http_answer(200, "ok") : std::string(); });
  };
  for (const auto& [idempotent, resumable] : {std::pair(false, false), {true, false}, {true, true}}) {
    ImposterServer server;
    server.next(closes_after_one());
    HttpClient client(server.origin());
    ASSERT_TRUE(client.exchange(post("1"), soon()).response);
    HttpRequest second = post("2");
    second.idempotent = idempotent;
    second.resumable = resumable;
    const bool again = idempotent && !resumable;
    HttpOutcome outcome;
    std::thread caller([&] { outcome = client.exchange(second, soon()); });
    EXPECT_TRUE(server.wait_for_requests(2));
    server.drop_connections();
    caller.join();
    EXPECT_EQ(outcome.response.has_value(), again);
    EXPECT_EQ(server.requests().size(), again ? 3u : 2u);
    if (!again) {
      EXPECT_EQ(outcome.failure->error.code(), ErrorCode::kUnavailable);
      EXPECT_TRUE(outcome.failure->may_have_executed);
    }
  }
}

// JI-5.6
TEST(HttpClient, AFreshConnectionThatIsCutMayHaveExecuted) {
  ImposterServer server;
  const std::string whole = http_answer(200, "0123456789");
  for (std::size_t count = 0; count < whole.size(); ++count) {
    server.next(Script::cut(whole, count, count % 2 == 1));
    HttpClient client(server.origin());
    HttpRequest request;  // GET: idempotent, yet a fresh connection is not tried twice
    const TransportFailure failure = failure_of(client.exchange(request, soon()));
    EXPECT_EQ(failure.error.code(), ErrorCode::kUnavailable) << count << " " << failure.error.what();
    EXPECT_TRUE(failure.may_have_executed) << count;
  }
  EXPECT_EQ(server.requests().size(), whole.size());
}

TEST(HttpClient, ReturnsAnAnswerThatComesBeforeTheRequestIsOut) {
  ImposterServer server;
  HttpClient client(server.origin());
  for (int i = 0; i < 3; ++i) {
    server.next(Script::answer_early(1000, http_answer(413, "too much", "Connection: close\r\n")));
    const HttpOutcome outcome = client.exchange(post(std::string(20'000'000, 'x')), soon());
    ASSERT_TRUE(outcome.response) << outcome.failure->error.what();
    EXPECT_EQ(outcome.response->status, 413);
    EXPECT_EQ(outcome.response->body.text(), "too much");
  }
  EXPECT_TRUE(client.exchange(post("x"), soon()).response);
}

TEST(HttpClient, BreakingOffARequestMidwayIsNoExecution) {
  ImposterServer server(Script::deaf());
  HttpClient client(server.origin());
  const TransportFailure failure =
      failure_of(client.exchange(post(std::string(20'000'000, 'x')), Deadline::after(milliseconds(30))));
  EXPECT_EQ(failure.error.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(failure.may_have_executed);
}

// JI-7.4
TEST(HttpClient, GarbageIsNotWaitedOut) {
  for (const char* garbage :
       {"SSH-2.0-OpenSSH_9.2\r\n", "\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/2 200\r\n\r\n", "\x16\x03\x01"}) {
    ImposterServer server(Script::speak_first(garbage));
    HttpClient client(server.origin());
    const auto start = SteadyClock::now();
    const TransportFailure failure = failure_of(client.exchange(post("x"), soon()));
    EXPECT_EQ(failure.error.code(), ErrorCode::kDataLoss) << garbage;
    EXPECT_TRUE(failure.may_have_executed);
    EXPECT_LT(SteadyClock::now() - start, std::chrono::seconds(3));
  }
}

TEST(HttpClient, EnforcesLimits) {
  HttpClientOptions options;
  options.max_response_header = 1000;
  options.max_response_body = 1000;
  const std::string large(2000, 'y');
  for (const std::string& answer :
       {http_answer(200, large), http_answer(200, "ok", "X: " + large + "\r\n"), "HTTP/1.1 200 OK\r\n\r\n" + large,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + large + "\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: " + large + large + large}) {
    ImposterServer server(Script::reply(answer));
    HttpClient client(server.origin(), options);
    const TransportFailure failure = failure_of(client.exchange(HttpRequest(), soon()));
    EXPECT_EQ(failure.error.code(), ErrorCode::kResourceExhausted) << answer.substr(0, 60) << failure.error.what();
  }
}

// JI-5.4
TEST(HttpClient, KeepsItsDeadlineWhateverThePeerDoes) {
  const std::string endless = "HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x');
  const std::string body = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x');
  const std::string chunks =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n" + std::string(100'000, 'x');
  const std::string open_end = "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x');
  const std::chrono::microseconds pause(500);
  const std::vector<std::pair<std::string, Script>> peers{
      {"hang", Script::hang()},
      {"deaf", Script::deaf()},
      {"drip header", Script::drip(endless, pause)},
      {"drip body", Script::drip(body, pause)},
      {"drip chunks", Script::drip(chunks, pause)},
      {"drip to the end", Script::drip(open_end, pause)},
      {"fast drip", Script::drip(body, std::chrono::microseconds(1))},
  };
  for (const auto& [name, script] : peers) {
    ImposterServer server(script);
    HttpClient client(server.origin());
    const HttpRequest request = post(std::string(name == "deaf" ? 20'000'000 : 10, 'x'));
    milliseconds best(1000);
    // The best of a few: the machine may be busy where the client is not slow. The 2 ms of the specification are the
    // benchmark's to hold; what ignores the deadline once is late by seconds.
    for (int attempt = 0; attempt < 20 && best > milliseconds(20); ++attempt) {
      HttpOutcome outcome;
      best = std::min(
          best, overrun(milliseconds(50), [&](Deadline deadline) { outcome = client.exchange(request, deadline); }));
      EXPECT_EQ(failure_of(outcome).error.code(), ErrorCode::kDeadlineExceeded) << name;
    }
    EXPECT_LE(best.count(), 20) << name;
  }
}

// JI-5.4
TEST(HttpClient, AnExpiredDeadlineSendsNothing) {
  ImposterServer server;
  HttpClient client(server.origin());
  const TransportFailure failure = failure_of(client.exchange(post("x"), Deadline::after(milliseconds(-1))));
  EXPECT_EQ(failure.error.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(failure.may_have_executed);
  EXPECT_EQ(server.connections(), 0);
}

// JI-5.4
TEST(HttpClient, ConnectTimeoutIsNotTheDeadline) {
  // A full backlog: the kernel neither accepts nor refuses. TEST-NET addresses are not routed anywhere.
  HttpClientOptions options;
  options.connect_timeout = milliseconds(20);
  HttpClient client("http://192.0.2.1:9", options);
  const TransportFailure failure = failure_of(client.exchange(post("x"), soon()));
  EXPECT_EQ(failure.error.code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(failure.may_have_executed);
}

// JI-5.4
TEST(HttpClient, UnknownHostsFailWithinTheDeadline) {
  HttpClient client("http://no-such-host.invalid");
  const auto start = SteadyClock::now();
  const TransportFailure failure = failure_of(client.exchange(post("x"), Deadline::after(milliseconds(300))));
  EXPECT_LT(SteadyClock::now() - start, std::chrono::seconds(3));
  EXPECT_TRUE(failure.error.code() == ErrorCode::kUnavailable || failure.error.code() == ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(failure.may_have_executed);
}

// JI-5.5
TEST(HttpClient, IsSharedByThreads) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) { return http_answer(200, r.body); }));
  HttpClient client(server.origin());
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        const HttpOutcome outcome = client.exchange(post(text), soon());
        if (outcome.response && outcome.response->body.text() == text) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
  EXPECT_LE(server.connections(), 8);
}

// JI-6.6
TEST(HttpClient, AForkedChildDoesNotTouchKeptConnections) {
  ImposterServer server(
      Script::serve([](const ImposterRequest& r) { return http_answer(200, std::to_string(r.connection)); }));
  HttpClient client(server.origin());
  ASSERT_EQ(client.exchange(post("x"), soon()).response->body.text(), "1");
  const pid_t child = fork();
  if (child == 0) {
    const HttpOutcome outcome = client.exchange(post("x"), soon());
    _exit(outcome.response && outcome.response->body.text() == "2" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(client.exchange(post("x"), soon()).response->body.text(), "1");
}

TEST(HttpClient, IdleConnectionsAreDropped) {
  ImposterServer server;
  HttpClientOptions options;
  options.idle_timeout = milliseconds(0);
  HttpClient forgetful(server.origin(), options);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(forgetful.exchange(post("x"), soon()).response);
  EXPECT_EQ(server.connections(), 3);
  HttpClient client(server.origin());
  ASSERT_TRUE(client.exchange(post("x"), soon()).response);
  client.close_idle();
  ASSERT_TRUE(client.exchange(post("x"), soon()).response);
  EXPECT_EQ(server.connections(), 5);
}

TEST(HttpClient, AConnectionWithUnaskedBytesIsNotUsedAgain) {
  ImposterServer server(
      Script::serve([](const ImposterRequest&) { return http_answer(200, "ok") + "HTTP/1.1 200 OK\r\n"; }));
  HttpClient client(server.origin());
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome outcome = client.exchange(post("x"), soon());
    ASSERT_TRUE(outcome.response);
    EXPECT_EQ(outcome.response->body.text(), "ok");
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClient, RefusesOriginsItCannotSpeakTo) {
  EXPECT_THROW(HttpClient("ftp://h"), Error);
  EXPECT_THROW(HttpClient("h:80"), Error);
}

// JI-7.13
TEST(HttpGet, FollowsRedirectsAndKeepsTheTokenAtHome) {
  ImposterServer other(Script::serve([](const ImposterRequest&) { return http_answer(200, "there"); }));
  ImposterServer home(Script::serve([&other](const ImposterRequest& r) {
    if (r.target == "/a") return http_answer(302, "", "Location: b?x=1\r\n");
    if (r.target == "/b?x=1") return http_answer(307, "", "Location: " + other.origin() + "/c\r\n");
    return http_answer(301, "", "Location: /loop\r\n");
  }));
  HttpClientOptions options;
  options.bearer_token = "t";
  EXPECT_EQ(http_get(home.origin() + "/a", soon(), options).body.text(), "there");
  EXPECT_EQ(home.requests().at(1).headers.get("authorization"), "Bearer t");
  EXPECT_FALSE(other.requests().front().headers.find("authorization"));
  EXPECT_THROW(http_get(home.origin() + "/loop", soon(), options), Error);
  home.refuse();
  EXPECT_THROW(http_get(home.origin() + "/a", soon(), options), Error);
}

}  // namespace
}  // namespace sedna::net
