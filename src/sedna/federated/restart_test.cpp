// An aggregation server that is killed, at every step that writes, and started again.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/test_http_job.hpp"

namespace sedna::federated {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Folder;
using test::fp32;
using test::Job;
using test::next;
using test::options_for;
using test::submit;
using test::update_file;

/// The server in a process of its own, which dies at the n-th step that writes, and its successor. Both are forked
/// before the clients' threads begin: a fork beside threads may inherit a lock that one of them holds.
class MortalServer {
 public:
  MortalServer(const std::filesystem::path& folder, Durability durability, const std::string& algorithm)
      : folder_(folder), durability_(durability), algorithm_(algorithm) {}
  ~MortalServer() {
    kill(pid_);
    kill(successor_);
    if (go_ >= 0) ::close(go_);
  }

  /// Returns once it serves. `die_at` 0: it lives.
  void start(int die_at) {
    int orders[2];
    ASSERT_EQ(::pipe(orders), 0);
    successor_ = ::fork();
    ASSERT_GE(successor_, 0);
    if (successor_ == 0) {
      ::close(orders[1]);
      if (::read(orders[0], &port_, sizeof port_) != sizeof port_) ::_exit(0);
      serve(0, -1);
    }
    ::close(orders[0]);
    go_ = orders[1];
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      ::close(go_);
      ::close(pipe_ends[0]);
      serve(die_at, pipe_ends[1]);
    }
    ::close(pipe_ends[1]);
    std::uint16_t port = 0;
    const auto n = ::read(pipe_ends[0], &port, sizeof port);
    ::close(pipe_ends[0]);
    if (n == sizeof port) port_ = port;
    alive_ = n == sizeof port;
  }
  /// At the same port, from what the first has written.
  void start_again() { EXPECT_EQ(::write(go_, &port_, sizeof port_), static_cast<ssize_t>(sizeof port_)); }
  /// Whether it was killed, once. The end of a job that is over is no death.
  bool died() {
    int status = 0;
    if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    pid_ = -1;
    return WIFSIGNALED(status);
  }
  std::uint16_t port() const { return port_; }
  bool alive() const { return alive_; }

 private:
  static void kill(pid_t pid) {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  [[noreturn]] void serve(int die_at, int out) {
    auto o = options_for(2, 3);
    o.server.port = port_;
    o.state_folder = folder_.string();
    o.durability = durability_;
    o.rules.algorithm = algorithm_;
    int steps = 0;
    o.on_step = [&steps, die_at](const char*) {
      if (++steps == die_at) ::raise(SIGKILL);
    };
    metrics::Registry registry;
    AggregationServer server(std::move(o), registry);
    server.start();
    const std::uint16_t port = server.port();
    if (out >= 0 && ::write(out, &port, sizeof port) != sizeof port) ::_exit(1);
    while (!server.wait_for(seconds(1))) {
    }
    server.stop();
    ::_exit(0);
  }

  std::filesystem::path folder_;
  Durability durability_;
  std::string algorithm_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  pid_t successor_ = -1;
  int go_ = -1;  ///< the successor serves at the port that is written here
  bool alive_ = false;
};

struct JobResult {
  std::vector<float> model;
  int trained = 0;  ///< by both clients together
};

/// Two clients train three rounds against a server that dies at its n-th step and is started again.
JobResult run_mortal_job(Durability durability, const std::string& algorithm, int die_at, bool& died) {
  Folder folder;
  MortalServer server(folder.path, durability, algorithm);
  server.start(die_at);
  JobResult out;
  if (!server.alive()) {
    ADD_FAILURE() << "the server did not start";
    return out;
  }
  std::mutex mutex;
  std::vector<std::thread> clients;
  std::atomic<int> finished{0};
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&, i] {
      RoundClientOptions o;
      o.origin = "http://127.0.0.1:" + std::to_string(server.port());
      o.client_id = "c" + std::to_string(i);
      o.connect_timeout = seconds(30);
      o.poll = seconds(1);
      RoundClient client(o);
      try {
        client.connect();
        if (client.wants_initial()) client.offer_initial({fp32({2}, {1, 2})});
        std::int64_t trained_round = 0;
        while (true) {
          const RoundTask task = next(client);
          if (task.finished) {
            const std::lock_guard lock(mutex);
            const auto values = task.model->weights.front().as<float>();
            out.model.assign(values.begin(), values.end());
            break;
          }
          EXPECT_GT(task.round, trained_round) << "nothing is trained twice";
          trained_round = task.round;
          const float base = task.model ? task.model->weights.front().as<float>()[0] : 1.0F;
          {
            const std::lock_guard lock(mutex);
            ++out.trained;
          }
          submit(client, i + 1, {fp32({2}, {base * 1.25F + static_cast<float>(i), base / 3})});
        }
        client.close();
      } catch (const Error& error) {
        ADD_FAILURE() << "client " << i << ": " << error.what();
      }
      ++finished;
    });
  }
  died = false;
  while (finished < 2) {
    if (server.died()) {
      died = true;
      server.start_again();
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  for (auto& t : clients) t.join();
  return out;
}

// FL-2.9
TEST(Restart, KilledAtAnyStepNothingIsTrainedTwiceAndTheModelIsTheSame) {
  for (const auto& [durability, algorithm] :
       {std::pair<Durability, std::string>{Durability::kRound, "FedAvg"}, {Durability::kUpdate, "FedAdam"}}) {
    bool died = false;
    const JobResult whole = run_mortal_job(durability, algorithm, 0, died);
    EXPECT_FALSE(died);
    EXPECT_EQ(whole.trained, 6);
    int deaths = 0;
    // Six commits with two steps each, three publications with three, and with FedAdam those of the initial model.
    for (int step = 1; step <= 24; ++step) {
      SCOPED_TRACE(algorithm + (durability == Durability::kUpdate ? " update" : " round") + ", killed at step " +
                   std::to_string(step));
      const JobResult again = run_mortal_job(durability, algorithm, step, died);
      if (HasFailure()) return;
      EXPECT_EQ(again.model, whole.model) << "bit for bit";
      EXPECT_EQ(again.trained, 6);
      if (!died) break;
      ++deaths;
    }
    EXPECT_GE(deaths, 18);
  }
}

// FL-2.9
TEST(Restart, OfAnEndedJobHandsOutItsModel) {
  Folder folder;
  auto o = options_for(1, 1);
  o.state_folder = folder.path.string();
  o.rounds.linger = seconds(1);  // nobody tells it who else has not heard of the end
  {
    Job job(o);
    EXPECT_EQ(job.put("a", 1, update_file(1, 2, {fp32({1}, {9})})).status, 200);
    while (job.server->rounds() < 1) std::this_thread::yield();
  }
  Job again(o);
  RoundClient client(again.client("a"));
  client.connect();
  const RoundTask task = next(client);
  EXPECT_TRUE(task.finished);
  EXPECT_THAT(task.model->weights.front().as<float>(), testing::ElementsAre(9));
  client.close();
  EXPECT_TRUE(again.server->wait_for(seconds(20)));
  o.rules.algorithm = "FedAdam";
  metrics::Registry registry;
  EXPECT_THROW(AggregationServer(o, registry), Error) << "another job's folder";
}

// FL-2.9
TEST(Restart, AModelThatWasChangedOnDiskIsNotServed) {
  Folder folder;
  auto o = options_for(1, 2);
  o.state_folder = folder.path.string();
  {
    Job job(o);
    EXPECT_EQ(job.put("a", 1, update_file(1, 2, {fp32({1}, {9})})).status, 200);
    while (job.server->rounds() < 1) std::this_thread::yield();
  }
  {
    std::fstream file(folder.path / "models" / "round-000001.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x01');
  }
  metrics::Registry registry;
  EXPECT_THROW(AggregationServer(o, registry), Error);
}

}  // namespace
}  // namespace sedna::federated
