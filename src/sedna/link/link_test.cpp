// Both ends of the link over real sockets, with connections that break in every way.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"
#include "sedna/journal/crash_file_system.hpp"
#include "sedna/link/client.hpp"
#include "sedna/link/server.hpp"
#include "sedna/net/websocket.hpp"
#include "sedna/testing/chaos_stream.hpp"

namespace sedna::link {
namespace {

namespace asio = net::asio;
using namespace std::chrono_literals;

const StateKey kA{"Dataset", "default/a"}, kB{"Dataset", "default/b"};

ObjectPtr object(std::string_view text) {
  json::object o;
  o["kind"] = "Dataset";
  o["text"] = text;
  return std::make_shared<const json::object>(std::move(o));
}

/// Waits for something to become true, told about changes by whoever calls changed().
class Waiter {
 public:
  void changed() {
    const std::lock_guard lock(mutex_);
    condition_.notify_all();
  }
  template <class F>
  bool until(F done) {
    std::unique_lock lock(mutex_);
    const auto deadline = SteadyClock::now() + 20s;
    while (!done()) {
      if (SteadyClock::now() > deadline) return false;
      condition_.wait_for(lock, 20ms);  // also without a word: done() may look at something that tells nobody
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
};

/// The state that a local controller keeps.
class Memory final : public StateSink {
 public:
  explicit Memory(Waiter& waiter) : waiter_(waiter) {}
  std::map<StateKey, std::string> known() override {
    const std::lock_guard lock(mutex_);
    std::map<StateKey, std::string> out;
    for (const auto& [key, entry] : objects_) out[key] = entry.first;
    return out;
  }
  void object(const StateKey& subject, const std::string& version, json::object object) override {
    {
      const std::lock_guard lock(mutex_);
      objects_[subject] = {version, std::string(object.at("text").as_string())};
      ++received_;
    }
    waiter_.changed();
  }
  void gone(const StateKey& subject) override {
    {
      const std::lock_guard lock(mutex_);
      objects_.erase(subject);
    }
    waiter_.changed();
  }
  void synced() override {
    ++syncs;
    waiter_.changed();
  }
  std::string text(const StateKey& subject) {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(subject);
    return it == objects_.end() ? std::string() : it->second.second;
  }
  int received() {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  std::atomic<int> syncs{0};

 private:
  Waiter& waiter_;
  std::mutex mutex_;
  std::map<StateKey, std::pair<std::string, std::string>> objects_;
  int received_ = 0;
};

class LinkTest : public ::testing::Test {
 protected:
  void start_server(LinkServerOptions options = {}) {
    options.host = "127.0.0.1";
    options.port = port_;
    server_ = std::make_unique<LinkServer>(
        std::move(options), board_, [this](IncomingFact fact) { take(std::move(fact)); }, registry_);
    server_->start();
    port_ = server_->port();
  }
  LinkClientOptions client_options() {
    LinkClientOptions options;
    options.gm_address = "127.0.0.1:" + std::to_string(port_);
    options.node = "edge0";
    options.first_pause = 5ms;
    options.longest_pause = 50ms;
    return options;
  }
  void start_client(LinkClientOptions options) {
    client_ = std::make_unique<LinkClient>(std::move(options), journal_, memory_);
    client_->start();
  }
  void take(IncomingFact fact) {
    {
      const std::lock_guard lock(mutex_);
      order_.push_back(fact.sequence);
      if (fact.body.contains("n")) latest_[fact.worker] = fact.body.at("n").as_int64();
      facts_.push_back(fact);
    }
    if (acknowledge_ && fact.acknowledge) fact.acknowledge({});
    waiter_.changed();
  }
  std::int64_t latest(const std::string& worker) {
    const std::lock_guard lock(mutex_);
    const auto it = latest_.find(worker);
    return it == latest_.end() ? -1 : it->second;
  }
  void report(const std::string& worker, std::int64_t n) {
    json::object body;
    body["n"] = n;
    client_->report(kA, worker, body);
  }
  void TearDown() override {
    client_.reset();
    server_.reset();
  }

  journal::JournalOptions journal_options() {
    journal::JournalOptions options;
    options.path = "/facts";
    options.files = &files_;
    return options;
  }

  Waiter waiter_;
  StateBoard board_;
  metrics::Registry registry_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::uint64_t> order_;
  std::map<std::string, std::int64_t> latest_;
  std::vector<IncomingFact> facts_;
  std::atomic<bool> acknowledge_{true};
  journal::CrashFileSystem files_;
  journal::Journal journal_{journal_options()};
  Memory memory_{waiter_};
  std::unique_ptr<LinkServer> server_;
  std::unique_ptr<LinkClient> client_;
};

TEST_F(LinkTest, StateComesDownAndFollowsChanges) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge0"});
  start_client(client_options());
  ASSERT_TRUE(waiter_.until([&] { return memory_.syncs > 0; }));
  EXPECT_EQ(memory_.text(kA), "one");
  board_.set(kA, object("two"), "2", {"edge0"});
  board_.set(kB, object("new"), "3", {"edge0"});
  ASSERT_TRUE(waiter_.until([&] { return memory_.text(kA) == "two" && memory_.text(kB) == "new"; }));
  board_.set(kB, nullptr, "", {});
  ASSERT_TRUE(waiter_.until([&] { return memory_.text(kB).empty(); }));
}

TEST_F(LinkTest, AReconnectBringsOnlyWhatIsNewAndTakesWhatIsGone) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge0"});
  board_.set(kB, object("old"), "2", {"edge0"});
  start_client(client_options());
  ASSERT_TRUE(waiter_.until([&] { return memory_.syncs > 0; }));
  client_.reset();
  const int before = memory_.received();
  const StateKey c{"Model", "default/c"};
  memory_.object(c, "1", *object("of another life"));
  board_.set(kB, object("new"), "3", {"edge0"});
  start_client(client_options());
  ASSERT_TRUE(waiter_.until([&] { return memory_.syncs > 1; }));
  EXPECT_EQ(memory_.text(kB), "new");
  EXPECT_EQ(memory_.text(c), "") << "what GM does not know is gone";
  EXPECT_EQ(memory_.received(), before + 2) << "a was not sent again";
}

TEST_F(LinkTest, FactsAreKeptUntilTheyAreAcknowledged) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge0"});
  acknowledge_ = false;
  start_client(client_options());
  report("w", 1);
  ASSERT_TRUE(waiter_.until([&] { return latest("w") == 1; }));
  EXPECT_EQ(client_->waiting(), 1U);
  // GM ends before it has written; another one comes.
  server_.reset();
  acknowledge_ = true;
  start_server();
  ASSERT_TRUE(waiter_.until([&] { return client_->waiting() == 0; }));
  const std::lock_guard lock(mutex_);
  ASSERT_EQ(order_.size(), 2U);
  EXPECT_EQ(order_[0], order_[1]) << "the same fact, recognisable by its sequence";
  EXPECT_EQ(facts_[1].source, journal_.id());
}

TEST_F(LinkTest, ADayOfflineKeepsTheOrderAndTheNewestOfEach) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge0"});
  server_.reset();
  start_client(client_options());
  for (int i = 0; i < 2000; ++i) report("worker" + std::to_string(i % 4), i);
  EXPECT_EQ(client_->waiting(), 4U);
  start_server();
  ASSERT_TRUE(waiter_.until([&] { return client_->waiting() == 0; }));
  for (int w = 0; w < 4; ++w) EXPECT_EQ(latest("worker" + std::to_string(w)), 1996 + w);
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(std::is_sorted(order_.begin(), order_.end()));
}

TEST_F(LinkTest, ANodeSpeaksOnlyForWhatItWasGiven) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge1"});
  start_client(client_options());
  report("w", 1);
  ASSERT_TRUE(waiter_.until([&] { return client_->waiting() == 0; }));
  EXPECT_EQ(latest("w"), -1);
}

// Whatever happens to the bytes of the first connections, in the end everything is there.
TEST_F(LinkTest, SurvivesConnectionsThatBreakAnywhere) {
  start_server();
  for (int i = 0; i < 20; ++i) {
    board_.set({"Dataset", "default/" + std::to_string(i)}, object(std::string(200, 'x')), std::to_string(i + 1),
               {"edge0"});
  }
  board_.set(kA, object("one"), "100", {"edge0"});
  std::mt19937 random(20260131);
  std::atomic<int> opened{0};
  constexpr int kBad = 60;
  LinkClientOptions options = client_options();
  options.first_pause = 1ms;
  options.longest_pause = 2ms;
  options.idle = 300ms;
  options.connect_timeout = 500ms;
  std::mutex random_mutex;
  options.wrap = [&](net::StreamPtr stream) {
    const int n = opened++;
    if (n >= kBad) return stream;
    const std::lock_guard lock(random_mutex);
    testing::ChaosPlan plan;
    const auto pick = [&](std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(random); };
    switch (n % 6) {
      case 0:
        plan.cut_read_after = pick(6000);
        break;
      case 1:
        plan.cut_write_after = pick(3000);
        break;
      case 2:
        plan.corrupt_read_at = pick(6000);
        break;
      case 3:
        plan.drip = true;
        plan.cut_read_after = pick(900);
        break;
      case 4:
        plan.delay = std::chrono::microseconds(200);
        plan.cut_write_after = 300 + pick(800);
        break;
      default:
        plan.swallow_write_after = 200 + pick(600);
        break;
    }
    return testing::make_chaos_stream(std::move(stream), plan);
  };
  start_client(std::move(options));
  // Traffic in both directions until the last bad connection is over: a quiet one would never reach its breaking point.
  const auto give_up = SteadyClock::now() + 60s;
  for (int n = 0; opened <= kBad; ++n) {
    ASSERT_LT(SteadyClock::now(), give_up) << opened;
    report("w" + std::to_string(n % 7), n);
    board_.set(kB, object(std::string(300, 'y')), std::to_string(1000 + n), {"edge0"});
    std::this_thread::sleep_for(500us);
  }
  report("last", 1);
  ASSERT_TRUE(waiter_.until([&] { return client_->waiting() == 0 && memory_.text(kA) == "one"; }));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(memory_.text({"Dataset", "default/" + std::to_string(i)}).empty());
  EXPECT_EQ(latest("last"), 1);
}

TEST_F(LinkTest, AHalfOpenLinkIsNoticedOnBothSides) {
  LinkServerOptions server_options;
  server_options.idle = 300ms;
  start_server(server_options);
  board_.set(kA, object("one"), "1", {"edge0"});
  std::atomic<int> opened{0};
  LinkClientOptions options = client_options();
  options.idle = 300ms;
  options.wrap = [&](net::StreamPtr stream) {
    testing::ChaosPlan plan;
    if (opened++ == 0) plan.swallow_write_after = 260;  // the cable is out after the handshake
    return testing::make_chaos_stream(std::move(stream), plan);
  };
  start_client(std::move(options));
  report("w", 7);
  ASSERT_TRUE(waiter_.until([&] { return client_->waiting() == 0; }));
  EXPECT_GE(opened, 2);
  EXPECT_EQ(server_->connected().size(), 1U);
}

TEST_F(LinkTest, ATokenSpeaksForItsNodeOnlyAndNewOnesAreReadWhenTheyCome) {
  const auto folder = std::filesystem::temp_directory_path() / ("sedna-link-" + random_hex(6));
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text, std::time_t time) {
    std::ofstream(folder / name) << text;
    ::chmod((folder / name).c_str(), 0600);
    const timespec times[2] = {{time, 0}, {time, 0}};
    ::utimensat(AT_FDCWD, (folder / name).c_str(), times, 0);
  };
  write("tokens", "lc-edge1:0123456789abcdef0123:worker\n", 1000);
  write("mine", "fedcba9876543210fedc\n", 1000);
  LinkServerOptions server_options;
  server_options.token_file = (folder / "tokens").string();
  start_server(server_options);
  board_.set(kA, object("one"), "1", {"edge0"});
  LinkClientOptions options = client_options();
  options.token_file = (folder / "mine").string();
  start_client(options);
  ASSERT_TRUE(waiter_.until([&] { return client_->connections() >= 2; }));
  EXPECT_EQ(memory_.text(kA), "") << "nothing is told to strangers";
  write("tokens", "lc-edge1:0123456789abcdef0123:worker\nlc-edge0:fedcba9876543210fedc:worker\n", 2000);
  ASSERT_TRUE(waiter_.until([&] { return memory_.text(kA) == "one"; }));
  client_.reset();
  std::filesystem::remove_all(folder);
}

TEST(ReadToken, TakesTheFirstLineOrAKubeconfigs) {
  const auto file = std::filesystem::temp_directory_path() / ("sedna-token-" + random_hex(6));
  std::ofstream(file) << "abc\nmore\n";
  EXPECT_EQ(read_token(file.string()), "abc");
  std::ofstream(file) << R"({"users":[{"name":"lc","user":{"token":"from-kubeconfig"}}]})";
  EXPECT_EQ(read_token(file.string()), "from-kubeconfig");
  std::ofstream(file) << R"({"users":[]})";
  EXPECT_THROW(read_token(file.string()), Error);
  std::filesystem::remove(file);
  EXPECT_THROW(read_token(file.string()), Error);
}

/// Upstream's local controller, as recorded: "GET /", a bare header first, then frames.
net::Task<std::vector<std::string>> upstream_session(std::string url, std::vector<std::string> send,
                                                     std::size_t expect) {
  net::WebSocketOptions options;
  options.headers.add("Node-Name", "edge0");
  const Deadline deadline = Deadline::after(std::chrono::seconds(5));
  auto stream = co_await net::WebSocketStream::connect(std::move(url), std::nullopt, std::move(options), deadline);
  for (auto& text : send) {
    Bytes bytes = Bytes::from_string(std::move(text));
    co_await stream->write(true, std::move(bytes));
  }
  std::vector<std::string> received;
  while (received.size() < expect) {
    auto message = co_await stream->read();
    if (!message) break;
    received.emplace_back(message->data.text());
  }
  co_return received;
}

TEST_F(LinkTest, UpstreamsLocalControllersAreServedAsRecorded) {
  start_server();
  board_.set(kA, object("one"), "1", {"edge0"});
  asio::io_context io;
  auto received = asio::co_spawn(
      io,
      upstream_session(
          "ws://127.0.0.1:" + std::to_string(port_) + "/",
          {R"({"namespace":"","resourceKind":"","resourceName":"","operation":""})",
           R"({"header":{"namespace":"default","resourceKind":"Dataset","resourceName":"a","operation":"status"},)"
           R"("content":"eyJudW1iZXJPZlNhbXBsZXMiOjQwfQ=="})",
           "not json"},
          1),
      asio::use_future);
  io.run();
  const auto frames = received.get();
  ASSERT_EQ(frames.size(), 1U);
  const auto frame = decode_upstream(frames[0]).value();
  EXPECT_EQ(frame.kind, "dataset");
  EXPECT_EQ(frame.operation, "insert");
  EXPECT_EQ(frame.name, "a");
  ASSERT_TRUE(waiter_.until([&] {
    const std::lock_guard lock(mutex_);
    return !facts_.empty();
  }));
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(facts_[0].subject, (StateKey{"dataset", "default/a"}));
  EXPECT_EQ(facts_[0].body.at("numberOfSamples"), 40);
}

TEST_F(LinkTest, UpstreamsLocalControllersCanBeForbidden) {
  LinkServerOptions options;
  options.legacy = false;
  start_server(options);
  board_.set(kA, object("one"), "1", {"edge0"});
  asio::io_context io;
  auto received =
      asio::co_spawn(io, upstream_session("ws://127.0.0.1:" + std::to_string(port_) + "/", {}, 1), asio::use_future);
  io.run();
  EXPECT_TRUE(received.get().empty());
}

}  // namespace
}  // namespace sedna::link
