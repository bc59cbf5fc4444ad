// A site that is killed, at every step that writes, and started again.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/federated/test_site.hpp"

namespace sedna::federated {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::above;
using test::Folder;
using test::Job;
using test::options_for;
using test::train;

/// A site in a process of its own, which dies at the n-th step that writes; and its successor. Both are forked before
/// any thread begins, and told where the root is.
class MortalSite {
 public:
  MortalSite(const std::filesystem::path& folder, Durability durability, int die_at)
      : folder_(folder), durability_(durability) {
    for (int i = 0; i < 2; ++i) {
      int down[2], up[2];
      if (::pipe(down) != 0 || ::pipe(up) != 0) throw Error(ErrorCode::kInternal, "no pipes");
      pid_[i] = ::fork();
      if (pid_[i] == 0) {
        ::close(down[1]);
        ::close(up[0]);
        if (go_[0] >= 0) ::close(go_[0]);
        Orders orders;
        if (::read(down[0], &orders, sizeof orders) != sizeof orders) ::_exit(0);
        serve(orders, i == 0 ? die_at : 0, up[1]);
      }
      ::close(down[0]);
      ::close(up[1]);
      go_[i] = down[1];
      heard_[i] = up[0];
    }
  }
  ~MortalSite() {
    for (int i = 0; i < 2; ++i) {
      ::close(go_[i]);
      ::close(heard_[i]);
      if (pid_[i] <= 0) continue;
      ::kill(pid_[i], SIGKILL);
      ::waitpid(pid_[i], nullptr, 0);
    }
  }
  /// Where it serves; 0 when it died before.
  std::uint16_t start(std::uint16_t root) {
    root_ = root;
    begin(0);
    std::uint16_t port = 0;
    if (::read(heard_[0], &port, sizeof port) != sizeof port) return 0;
    return port_ = port;
  }
  bool died() {
    int status = 0;
    if (pid_[0] <= 0 || ::waitpid(pid_[0], &status, WNOHANG) != pid_[0]) return false;
    pid_[0] = -1;
    return WIFSIGNALED(status);
  }
  std::uint16_t start_again() {
    begin(1);
    std::uint16_t port = 0;
    return ::read(heard_[1], &port, sizeof port) == sizeof port ? port : 0;
  }

 private:
  struct Orders {
    std::uint16_t root = 0;
    std::uint16_t port = 0;
  };
  void begin(int which) {
    const Orders orders{root_, port_};
    EXPECT_EQ(::write(go_[which], &orders, sizeof orders), static_cast<ssize_t>(sizeof orders));
  }
  [[noreturn]] void serve(Orders orders, int die_at, int out) {
    int steps = 0;
    try {
      auto o = options_for(2, 1);
      o.server.port = orders.port;
      o.state_folder = folder_.string();
      o.durability = durability_;
      o.site = true;
      o.on_step = [&steps, die_at](const char*) {
        if (++steps == die_at) ::raise(SIGKILL);
      };
      const std::string root = "http://127.0.0.1:" + std::to_string(orders.root);
      if (site_has_ended(o.state_folder)) {
        UpstreamOptions ended;
        ended.url = root + "/FedAvg";
        ended.site = "edge0";
        Upstream(ended).say_goodbye();
      } else {
        o.upstream = above(root, "edge0", seconds(30));
        o.upstream->configure(o);
      }
      metrics::Registry registry;
      AggregationServer server(std::move(o), registry);
      server.start();
      const std::uint16_t port = server.port();
      if (::write(out, &port, sizeof port) != sizeof port) ::_exit(1);
      while (!server.wait_for(seconds(1))) {
      }
      server.stop();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the site: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }

  std::filesystem::path folder_;
  Durability durability_;
  std::uint16_t root_ = 0;
  std::uint16_t port_ = 0;
  pid_t pid_[2] = {-1, -1};
  int go_[2] = {-1, -1};
  int heard_[2] = {-1, -1};
};

/// Two clients at a site that dies at its n-th step, one at the root, two rounds; the model's bits.
std::string run_mortal_site(Durability durability, int die_at, bool& died) {
  Folder folder;
  MortalSite site(folder.path, durability, die_at);
  auto o = options_for(2, 2);
  o.rules.strict = true;
  Job root(o);
  std::uint16_t port = site.start(root.server->port());
  died = false;
  if (port == 0) {
    // Before it served: nobody knows it, and it may serve wherever it likes.
    while (!site.died()) std::this_thread::yield();
    died = true;
    port = site.start_again();
  }
  std::atomic<int> finished{0};
  std::vector<std::string> models(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      RoundClientOptions client;
      client.origin = i == 2 ? root.server->origin() : "http://127.0.0.1:" + std::to_string(port);
      client.client_id = "c" + std::to_string(i);
      client.connect_timeout = seconds(30);
      client.poll = seconds(1);
      try {
        models[static_cast<std::size_t>(i)] = train(client, i);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "client " << i << ": " << error.what();
      }
      ++finished;
    });
  }
  while (finished < 3) {
    if (!died && site.died()) {
      died = true;
      EXPECT_EQ(site.start_again(), port);
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(models[0], models[2]);
  EXPECT_EQ(models[1], models[2]);
  EXPECT_TRUE(root.server->wait_for(seconds(20)));
  EXPECT_EQ(root.server->failure(), "");
  for (const RoundReport& report : root.reports) {
    EXPECT_EQ(report.total_weight, 6) << "each client once";
    EXPECT_EQ(report.sites, (std::map<std::string, std::size_t>{{"edge0", 2}}));
  }
  EXPECT_EQ(root.reports.size(), 2u);
  return models[2];
}

// FL-15.7
TEST(SiteRestart, KilledAtAnyStepIsCountedOnceAndTheModelIsTheSame) {
  for (const Durability durability : {Durability::kRound, Durability::kUpdate}) {
    bool died = false;
    const std::string whole = run_mortal_site(durability, 0, died);
    EXPECT_FALSE(died);
    int deaths = 0;
    // Two rounds, each of two commits with two steps, a sum with four, a model with three.
    for (int step = 1; step <= 30; ++step) {
      SCOPED_TRACE((durability == Durability::kUpdate ? "update" : "round") + std::string(", killed at step ") +
                   std::to_string(step));
      EXPECT_EQ(run_mortal_site(durability, step, died), whole);
      if (HasFailure()) return;
      if (!died) break;
      ++deaths;
    }
    EXPECT_GE(deaths, 22);
  }
}

}  // namespace
}  // namespace sedna::federated
