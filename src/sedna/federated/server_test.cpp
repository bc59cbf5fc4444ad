// The aggregation server over real sockets: upstream's messages by a bare WebSocket, rounds by our client.
#include "sedna/federated/server.hpp"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/test_updates.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/net/websocket.hpp"

namespace sedna::federated {
namespace {

namespace asio = net::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::doubles;
using test::fp64;

/// A WebSocket driven from the test's thread, one call at a time.
class RawPeer {
 public:
  explicit RawPeer(const std::string& url) {
    net::WebSocketOptions options;
    options.max_message = std::size_t{1} << 26;
    options.idle_timeout = seconds(0);  // a timer would keep the loop below from running dry
    socket_ = run(net::WebSocketStream::connect(url, std::nullopt, options, Deadline::after(seconds(10))));
  }
  void send(const std::string& text, bool as_text = true) {
    Bytes data = Bytes::copy_of(text);
    run_void(socket_->write(as_text, data));
  }
  /// The next message; "closed 1003" when the server ended it, "broken" when the connection did.
  std::string receive() {
    try {
      const auto message = run(socket_->read());
      if (message) return std::string(message->data.text());
      return "closed " + std::to_string(socket_->close_code()) + " " + socket_->close_reason();
    } catch (const Error&) {
      return "broken";
    }
  }
  void close() { run_void(socket_->close(1000, "")); }

 private:
  template <class T>
  T run(net::Task<T> task) {
    auto future = asio::co_spawn(io_, std::move(task), asio::use_future);
    turn(future);
    return future.get();
  }
  void run_void(net::Task<void> task) {
    auto future = asio::co_spawn(io_, std::move(task), asio::use_future);
    turn(future);
    future.get();
  }
  template <class F>
  void turn(F& future) {
    io_.restart();
    while (future.wait_for(seconds(0)) != std::future_status::ready) io_.run_one();
  }

  asio::io_context io_;
  std::unique_ptr<net::WebSocketStream> socket_;
};

struct Fixture {
  explicit Fixture(std::size_t participants, std::int64_t rounds, AggregationServerOptions o = {}) {
    o.server.access_log = false;
    o.rounds.participants = participants;
    o.rounds.exit_round = rounds;
    o.on_round = [this](const RoundReport& report) {
      const std::lock_guard lock(mutex);
      reports.push_back(report);
      told.notify_all();
    };
    server = std::make_unique<AggregationServer>(std::move(o), registry);
    server->start();
  }
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(server->port()) + "/FedAvg"; }
  ClientOptions client(const std::string& name) const {
    ClientOptions o;
    o.url = url();
    o.client_id = name;
    o.job_name = "j";
    o.connect_timeout = seconds(20);
    return o;
  }
  metrics::Registry registry;
  /// The first `count` reports; clients have a model a moment before its report comes.
  std::vector<RoundReport> wait_for_reports(std::size_t count) {
    std::unique_lock lock(mutex);
    told.wait_for(lock, seconds(10), [&] { return reports.size() >= count; });
    return reports;
  }

  std::mutex mutex;
  std::condition_variable told;
  std::vector<RoundReport> reports;
  std::unique_ptr<AggregationServer> server;
};

std::string subscribe(const std::string& name) {
  return R"({"type": "subscribe", "client_id": ")" + name + R"("})";
}
std::string raw_update(const std::string& name, const std::string& samples, const std::string& weights) {
  return R"({"type": "update_weight", "client": ")" + name + R"(", "data": {"num_samples": )" + samples +
         R"(, "weights": )" + weights + R"(}, "job_name": "j"})";
}

// FL-3.1
TEST(AggregationServer, SpeaksAsUpstreamDoes) {
  Fixture f(2, 2);
  RawPeer a(f.url());
  a.send(subscribe("a"));
  EXPECT_EQ(a.receive(), subscribe("a"));
  RawPeer b(f.url());
  b.send(R"({"type":"subscribe","client_id":"b"})", false);  // JSON in a binary frame
  EXPECT_EQ(a.receive(), R"({"type": "CLIENT_JOIN", "data": "b"})");
  EXPECT_EQ(a.receive(), subscribe("b"));
  EXPECT_EQ(b.receive(), subscribe("b"));
  a.send(R"({"type": "hello", "data": 1})");
  EXPECT_EQ(a.receive(), R"({"type": "hello", "data": 1})");
  EXPECT_EQ(b.receive(), R"({"type": "hello", "data": 1})");
  a.send(raw_update("someone-else", "\"7\"", "[[1, 2], [[3]]]"));
  b.send(raw_update("b", "1", "[[3, 4], [[5]]]"));
  const std::string model =
      R"({"type": "recv_weight", "client": "b", "data": {"total_sample": 8, "round_number": 1, "weights": )"
      R"([[1.25, 2.25], [[3.25]]], "exit_flag": "continue"}, "job_name": "j", "round_number": 1})";
  // Which of the two updates comes first is not ours to say; both orders give the same weights.
  const std::string got = a.receive();
  EXPECT_EQ(b.receive(), got);
  EXPECT_THAT(got, testing::HasSubstr(R"("weights": [[1.25, 2.25], [[3.25]]], "exit_flag": "continue"})"));
  EXPECT_EQ(got.size() - (got.find("someone-else") != std::string::npos ? 11 : 0), model.size());
}

// FL-3.2
TEST(AggregationServer, EndsConnectionsThatSayNothingOfUseWithAReason) {
  AggregationServerOptions o;
  o.max_message = 65536;
  Fixture f(1, 1, std::move(o));
  const auto after = [&](const std::vector<std::string>& texts) {
    RawPeer peer(f.url());
    std::string last;
    for (const std::string& text : texts) {
      peer.send(text);
      last = peer.receive();
    }
    return last;
  };
  EXPECT_THAT(after({"not json"}), testing::StartsWith("closed 1003 "));
  EXPECT_THAT(after({"\"text\""}), testing::StartsWith("closed 1003 a message must be"));
  EXPECT_THAT(after({"[1]"}), testing::StartsWith("closed 1003 "));
  EXPECT_THAT(after({raw_update("a", "1", "[[1]]")}), testing::StartsWith("closed 1008 the first message"));
  EXPECT_THAT(after({subscribe("a"), subscribe("b")}), testing::StartsWith("closed 1008 this connection"));
  EXPECT_THAT(after({subscribe(std::string(300, 'x'))}), testing::StartsWith("closed 1008 the client_id"));
  EXPECT_THAT(after({subscribe("a"), std::string(70000, ' ')}), testing::StartsWith("closed 1009"));
  EXPECT_TRUE(f.server->failure().empty());
}

// FL-2.3
TEST(AggregationServer, AnswersARefusedUpdateWithTheReasonAndGoesOn) {
  Fixture f(1, 1);
  RawPeer a(f.url());
  a.send(subscribe("a"));
  a.receive();
  a.send(R"({"type": "recv_weight", "data": {"weights": [[9]]}})");  // forged: nobody gets it
  for (const std::string text :
       {R"({"type": "update_weight", "data": null})", R"({"type": "update_weight", "data": {}})"}) {
    a.send(text);
    EXPECT_THAT(a.receive(),
                testing::HasSubstr(R"({"type": "update_refused", "client": "a", "data": {"result": "refused")"));
  }
  a.send(raw_update("a", "0", "[[1.0, 2.0]]"));
  EXPECT_THAT(a.receive(), testing::HasSubstr("num_samples: must be above 0"));
  a.send(raw_update("a", "1", "[[1.0, NaN]]"));
  EXPECT_THAT(a.receive(), testing::HasSubstr("weights[0]: element 1 is NaN"));
  a.send(raw_update("a", "1", "[[1.0, [2.0]]]"));
  EXPECT_THAT(a.receive(), testing::HasSubstr("weights[0]"));
  a.send(raw_update("a", "1", "[[1.0, 2.0]]"));
  EXPECT_THAT(a.receive(), testing::HasSubstr(R"("exit_flag": "ok")"));
  a.close();
  EXPECT_TRUE(f.server->wait_for(seconds(10)));
}

// FL-2.5
TEST(AggregationServer, ARestartedClientTakesItsPlaceBack) {
  Fixture f(2, 1);
  RawPeer old(f.url());
  old.send(subscribe("a"));
  old.receive();
  RawPeer fresh(f.url());
  fresh.send(subscribe("a"));
  EXPECT_THAT(old.receive(), testing::StartsWith("closed 1008 the same client has connected again"));
  EXPECT_EQ(fresh.receive(), subscribe("a"));
  EXPECT_THAT(f.server->clients(), testing::ElementsAre("a"));
}

// FL-3.4
TEST(AggregationServer, TellsWhoIsConnected) {
  Fixture f(2, 1);
  net::HttpClient http("http://127.0.0.1:" + std::to_string(f.server->port()));
  const auto get = [&](const std::string& path, const std::string& method, const std::string& body) {
    net::HttpRequest request;
    request.method = method;
    request.target = path;
    if (!body.empty()) request.body = {Bytes::copy_of(body)};
    auto outcome = http.exchange(request, Deadline::after(seconds(10)));
    EXPECT_TRUE(outcome.response) << path;
    return outcome.response.value_or(net::HttpResponse());
  };
  EXPECT_EQ(get("/FedAvg", "GET", "").body.text(), R"({"clients":[]})");
  RawPeer a(f.url());
  a.send(subscribe("a"));
  a.receive();
  EXPECT_EQ(get("/FedAvg", "GET", "").body.text(), R"({"clients":["a"]})");
  EXPECT_EQ(get("/FedAvg", "GET", R"({"client_id": "zz"})").body.text(), "null");
  EXPECT_THAT(std::string(get("/FedAvg", "GET", R"({"client_id": "a"})").body.text()),
              testing::MatchesRegex(R"(\{"client_id":"a","connected_at":[0-9.]+,"info":null\})"));
  const auto other = get("/other", "GET", "");
  EXPECT_EQ(other.status, 404);
  EXPECT_EQ(other.body.text(), R"({"detail":"Not Found"})");
  EXPECT_EQ(get("/FedAvg", "POST", "{}").status, 405);
}

RoundModel wait(AggregationClient& client) {
  for (int i = 0; i < 100; ++i) {
    if (auto model = client.wait(milliseconds(200))) return std::move(*model);
  }
  throw Error(ErrorCode::kDeadlineExceeded, "no model");
}

// FL-4.3
TEST(AggregationClient, TrainsRoundsWithOthers) {
  constexpr int kClients = 5;
  constexpr int kRounds = 4;
  Fixture f(kClients, kRounds);
  std::vector<std::thread> threads;
  std::vector<std::vector<double>> finals(kClients);
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      AggregationClient client(f.client("c" + std::to_string(i)));
      client.connect();
      std::vector<double> w = {static_cast<double>(i), 1};
      for (int r = 1; r <= kRounds; ++r) {
        client.submit(i + 1, {fp64({2}, w)});
        const RoundModel model = wait(client);
        EXPECT_EQ(model.round, r);
        EXPECT_EQ(model.total_samples, 15);
        EXPECT_EQ(model.last, r == kRounds);
        w = doubles(model.weights.front());
        w[0] += 1;
      }
      finals[static_cast<std::size_t>(i)] = w;
    });
  }
  for (auto& t : threads) t.join();
  // (0·1 + 1·2 + 2·3 + 3·4 + 4·5) / 15 = 40/15, then every client adds 1 a round.
  for (const auto& w : finals) EXPECT_NEAR(w[0], 40.0 / 15 + 4, 1e-12);
  EXPECT_TRUE(f.server->wait_for(seconds(5)));
  EXPECT_EQ(f.server->failure(), "");
  const auto reports = f.wait_for_reports(kRounds);
  ASSERT_EQ(reports.size(), static_cast<std::size_t>(kRounds));
  EXPECT_EQ(reports.back().clients.size(), static_cast<std::size_t>(kClients));
}

// FL-2.2
TEST(AggregationClient, ComesBackUnderItsNameAndIsCountedOnce) {
  Fixture f(2, 2);
  AggregationClient a(f.client("a"));
  a.connect();
  a.submit(1, {fp64({1}, {1})});
  const auto& committed = f.registry.counter("sedna_federated_updates_total", "", {{"outcome", "committed"}});
  while (committed.value() < 1) std::this_thread::yield();
  // Another connection under the same name throws a's out with 1008: that ends it for good.
  AggregationClient twin(f.client("a"));
  twin.connect();
  EXPECT_THROW(wait(a), Error);
  // The update is in; the twin's is a duplicate and changes nothing.
  twin.submit(1, {fp64({1}, {100})});
  AggregationClient b(f.client("b"));
  b.connect();
  b.submit(1, {fp64({1}, {3})});
  EXPECT_THAT(doubles(wait(b).weights.front()), testing::ElementsAre(2.0));
  EXPECT_EQ(wait(twin).round, 1);
}

// FL-4.2
TEST(AggregationClient, SendsAgainToAServerThatComesBack) {
  auto f = std::make_unique<Fixture>(2, 1);
  const std::uint16_t port = f->server->port();
  AggregationClient a(f->client("a"));
  a.connect();
  a.submit(1, {fp64({1}, {1})});
  while (f->server->clients().empty()) std::this_thread::yield();
  f.reset();  // goes away with 1001, and its sums with it
  AggregationServerOptions o;
  o.server.port = port;
  Fixture again(2, 1, std::move(o));
  AggregationClient b(again.client("b"));
  b.connect();
  b.submit(1, {fp64({1}, {3})});
  EXPECT_THAT(doubles(wait(b).weights.front()), testing::ElementsAre(2.0));
  EXPECT_THAT(doubles(wait(a).weights.front()), testing::ElementsAre(2.0));
  EXPECT_EQ(a.reconnects(), 1u);
}

// FL-4.2
TEST(AggregationClient, TakesTheRoundsOfAServerThatBeganAgain) {
  auto f = std::make_unique<Fixture>(2, 3);
  const std::uint16_t port = f->server->port();
  AggregationClient a(f->client("a"));
  a.connect();
  {
    AggregationClient b(f->client("b"));
    b.connect();
    a.submit(1, {fp64({1}, {1})});
    b.submit(1, {fp64({1}, {3})});
    EXPECT_EQ(wait(a).round, 1);
  }
  a.submit(1, {fp64({1}, {7})});  // for round 2, which this server never ends
  f.reset();
  AggregationServerOptions o;
  o.server.port = port;
  Fixture again(1, 2, std::move(o));
  RoundModel model = wait(a);
  EXPECT_EQ(model.round, 1);
  EXPECT_THAT(doubles(model.weights.front()), testing::ElementsAre(7.0));
  a.submit(1, {fp64({1}, {8})});
  model = wait(a);
  EXPECT_EQ(model.round, 2);
  EXPECT_TRUE(model.last);
}

// FL-2.5
TEST(AggregationServer, SendsAModelOnceOverAConnection) {
  Fixture f(1, 3);
  RawPeer a(f.url());
  a.send(R"({"type": "subscribe", "client_id": "a", "round_number": 0})");
  a.receive();
  const std::string update =
      R"({"type": "update_weight", "client": "a", "data": {"num_samples": 1, "weights": [[1]]}, )";
  a.send(update + R"("round_number": 1})");
  EXPECT_THAT(a.receive(), testing::HasSubstr(R"("round_number": 1, "weights")"));
  a.send(update + R"("round_number": 1})");  // late, and what it would be told it has been told
  a.send(update + R"("round_number": 2})");
  EXPECT_THAT(a.receive(), testing::HasSubstr(R"("round_number": 2, "weights")"));
  RawPeer back(f.url());
  back.send(R"({"type": "subscribe", "client_id": "a", "round_number": 1})");
  back.receive();
  EXPECT_THAT(back.receive(), testing::HasSubstr(R"("round_number": 2, "weights")"));
}

// FL-2.3
TEST(AggregationClient, LearnsWhyItsUpdateDoesNotCount) {
  Fixture f(2, 1);
  AggregationClient a(f.client("a")), b(f.client("b"));
  a.connect();
  b.connect();
  a.submit(1, {fp64({2}, {1, 2})});
  while (f.registry.counter("sedna_federated_updates_total", "", {{"outcome", "committed"}}).value() == 0) {
    std::this_thread::yield();
  }
  b.submit(1, {fp64({3}, {1, 2, 3})});
  EXPECT_FALSE(b.wait(seconds(10)));
  EXPECT_THAT(b.take_refusal(), testing::HasSubstr("weights[0]: has shape [3], the model's has [2]"));
  EXPECT_EQ(b.take_refusal(), "");
}

// FL-1.5
TEST(AggregationClient, IsToldWhenTheJobFails) {
  AggregationServerOptions o;
  o.factory = [] {
    return std::make_unique<CollectedUpdates>([](const std::vector<Update>&) -> Aggregate {
      throw Error(ErrorCode::kInternal, "the rule does not like it");
    });
  };
  Fixture f(1, 1, std::move(o));
  AggregationClient a(f.client("a"));
  a.connect();
  a.submit(1, {fp64({1}, {1})});
  try {
    wait(a);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("the rule does not like it"));
  }
  EXPECT_TRUE(f.server->wait_for(seconds(5)));
  EXPECT_THAT(f.server->failure(), testing::HasSubstr("round 1"));
}

// FL-4.4
TEST(AggregationClient, SaysWhatIsWrongWithTheAddress) {
  Fixture f(1, 1);
  ClientOptions o = f.client("a");
  o.url += "X";
  AggregationClient wrong(o);
  try {
    wrong.connect();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
  o.url = "ws://127.0.0.1:1/FedAvg";
  o.connect_timeout = milliseconds(500);
  AggregationClient nobody(o);
  EXPECT_THROW(nobody.connect(), Error);
}

// FL-2.4
TEST(AggregationServer, TheDeadlineEndsARoundThatADeadClientHoldsUp) {
  AggregationServerOptions o;
  o.rounds.round_deadline = milliseconds(300);
  Fixture f(2, 1, std::move(o));
  AggregationClient a(f.client("a"));
  RawPeer dead(f.url());
  a.connect();
  dead.send(subscribe("dead"));
  dead.receive();
  a.submit(1, {fp64({1}, {5})});
  EXPECT_THAT(doubles(wait(a).weights.front()), testing::ElementsAre(5.0));
  const auto reports = f.wait_for_reports(1);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_TRUE(reports[0].by_deadline);
}

// FL-3.5
TEST(AggregationServer, CarriesLargeModels) {
  Fixture f(2, 1);
  std::vector<double> values(200'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(static_cast<float>(i) * 1e-3F);
  AggregationClient a(f.client("a")), b(f.client("b"));
  a.connect();
  b.connect();
  a.submit(1, {fp64({400, 500}, values)});
  b.submit(3, {fp64({400, 500}, values)});
  EXPECT_EQ(doubles(wait(a).weights.front()), values);
  EXPECT_EQ(wait(b).weights.front().shape, (tensor::Shape{400, 500}));
}

}  // namespace
}  // namespace sedna::federated
