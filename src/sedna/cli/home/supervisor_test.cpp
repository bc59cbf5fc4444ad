#include "sedna/cli/home/supervisor.hpp"

#include <stdlib.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/log_files.hpp"

namespace sedna::cli::home {
namespace {

using What = DaemonEvent::What;

struct SupervisorTest : ::testing::Test {
  std::string folder = [] {
    char name[] = "/tmp/sedna-home-XXXXXX";
    return std::string(mkdtemp(name));
  }();
  Paths paths{folder};
  std::vector<std::pair<What, std::string>> events;
  std::function<void(const DaemonEvent&)> on_event;

  SupervisorTest() { prepare_state_folder(paths); }
  ~SupervisorTest() override {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
  }

  /// A daemon made of a shell script.
  DaemonSpec daemon(const std::string& name, const std::string& script, std::vector<std::string> after = {}) const {
    DaemonSpec spec;
    spec.name = name;
    spec.title = name;
    spec.after = std::move(after);
    spec.identity = {"/bin/sh", "-c", script, folder};
    spec.command = [argv = spec.identity] {
      Command command;
      command.argv = argv;
      return command;
    };
    spec.stop_grace = std::chrono::seconds(5);
    return spec;
  }

  std::unique_ptr<Supervisor> supervisor(std::vector<DaemonSpec> specs) {
    SupervisorOptions options;
    options.first_pause = std::chrono::milliseconds(5);
    options.longest_pause = std::chrono::milliseconds(40);
    options.ready_within = std::chrono::seconds(10);
    return std::make_unique<Supervisor>(
        paths, std::move(specs),
        [this](const DaemonEvent& event) {
          events.emplace_back(event.what, event.daemon->name);
          if (on_event) on_event(event);
        },
        options);
  }

  std::size_t count(What what, const std::string& name) const {
    return static_cast<std::size_t>(std::count(events.begin(), events.end(), std::pair(what, name)));
  }
  pid_t pid_of(const std::string& name) const {
    const auto record = RunRecord::read(paths.run_file(name));
    return record ? record->process.pid : 0;
  }
};

// `exec` keeps one process: what is killed is what was started.
constexpr const char* kServe = "echo READY http://x; exec sleep 100";

// HOME-2.1
TEST_F(SupervisorTest, StartsInOrderAndStopsInTheOpposite) {
  auto s = supervisor({daemon("b", kServe, {"a"}), daemon("a", kServe)});
  ASSERT_TRUE(s->start());
  const auto at = [&](What what, const std::string& name) {
    return std::find(events.begin(), events.end(), std::pair(what, name)) - events.begin();
  };
  EXPECT_LT(at(What::kReady, "a"), at(What::kStarting, "b"));
  const pid_t pid = pid_of("a");
  EXPECT_GT(pid, 0);
  const auto begin = SteadyClock::now();
  s->stop();
  EXPECT_LT(SteadyClock::now() - begin, std::chrono::seconds(3)) << "it waited for something that had happened";
  EXPECT_LT(at(What::kStopped, "b"), at(What::kStopping, "a"));
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_FALSE(std::filesystem::exists(paths.run_file("a")));
}

// HOME-2.1
TEST_F(SupervisorTest, StartsAgainWhatEnds) {
  auto s = supervisor({daemon("a", kServe)});
  ASSERT_TRUE(s->start());
  const pid_t first = pid_of("a");
  on_event = [&](const DaemonEvent& event) {
    if (event.what == What::kReady) kill(getpid(), SIGTERM);  // taken by the supervisor
  };
  kill(first, SIGKILL);
  EXPECT_EQ(s->run(), SIGTERM);
  EXPECT_EQ(count(What::kReady, "a"), 2U);
  EXPECT_NE(pid_of("a"), first);
  s->stop();
}

// HOME-2.2
TEST_F(SupervisorTest, TheNextOneAdopts) {
  auto first = supervisor({daemon("a", kServe)});
  ASSERT_TRUE(first->start());
  const pid_t pid = pid_of("a");
  first.reset();  // as if killed: nothing is stopped
  EXPECT_EQ(kill(pid, 0), 0);
  auto next = supervisor({daemon("a", kServe)});
  ASSERT_TRUE(next->start());
  EXPECT_EQ(count(What::kAdopted, "a"), 1U);
  EXPECT_EQ(pid_of("a"), pid);
  next->stop();
  int status = 0;
  waitpid(pid, &status, 0);  // it was this test's child
  EXPECT_EQ(count(What::kStopped, "a"), 1U);
}

// HOME-2.2
TEST_F(SupervisorTest, WhatWasStartedDifferentlyIsReplacedAndWhatIsNotWantedStopped) {
  auto first = supervisor({daemon("a", kServe), daemon("old", kServe)});
  ASSERT_TRUE(first->start());
  const pid_t pid = pid_of("a");
  const pid_t old = pid_of("old");
  first.reset();
  // The test is their parent: without being waited for they would stay as zombies.
  std::signal(SIGCHLD, SIG_IGN);
  auto next = supervisor({daemon("a", std::string(kServe) + " # other")});
  ASSERT_TRUE(next->start());
  EXPECT_EQ(count(What::kReplaced, "a"), 1U);
  EXPECT_NE(pid_of("a"), pid);
  EXPECT_EQ(kill(old, 0), -1);
  EXPECT_FALSE(std::filesystem::exists(paths.run_file("old")));
  next->stop();
  std::signal(SIGCHLD, SIG_DFL);
}

// HOME-2.1
TEST_F(SupervisorTest, AFirstStartThatFailsIsAnErrorWithTheLog) {
  auto s = supervisor({daemon("ok", kServe), daemon("bad", "echo the disk is on fire; exit 3", {"ok"})});
  try {
    s->start();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the disk is on fire"), std::string::npos) << error.what();
  }
  EXPECT_EQ(count(What::kEnded, "bad"), 3U);
  EXPECT_EQ(count(What::kStopped, "ok"), 1U);  // nothing is left behind
}

// HOME-2.1
TEST_F(SupervisorTest, OneThatDoesNotEndIsKilled) {
  auto spec = daemon("stubborn", "trap '' TERM; echo READY; while :; do sleep 0.05; done");
  spec.stop_grace = std::chrono::seconds(1);
  auto s = supervisor({spec});
  ASSERT_TRUE(s->start());
  const pid_t pid = pid_of("stubborn");
  s->stop();
  EXPECT_EQ(kill(pid, 0), -1);
}

// HOME-2.8
TEST(Logs, AreTurnedOverAndReadForReady) {
  char name[] = "/tmp/sedna-logs-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name);
  const auto log = folder / "a.log";
  const auto write = [&](const std::string& text) { std::ofstream(log, std::ios::app) << text; };
  write("noise\nREADY http://a:1\nREA");
  EXPECT_EQ(find_ready(log, 0), "http://a:1");
  EXPECT_EQ(find_ready(log, 10), std::nullopt);
  write("DY\n");
  EXPECT_EQ(find_ready(log, 23), "");
  EXPECT_EQ(log_tail(log, 1), "READY");
  turn_over(log, 5, 2);
  EXPECT_EQ(log_size(log), 0U);
  EXPECT_GT(log_size(folder / "a.log.1"), 5U);
  write("second time\n");
  turn_over(log, 5, 2);
  EXPECT_EQ(log_tail(folder / "a.log.1", 1), "second time");
  EXPECT_GT(log_size(folder / "a.log.2"), 5U);
  std::filesystem::remove_all(folder);
}

// HOME-2.4
TEST(Nodes, AreParsedOrSayWhatIsWrong) {
  EXPECT_EQ(to_text(parse_nodes("cloud0:cloud,edge0:edge")), "cloud0:cloud,edge0:edge");
  EXPECT_EQ(to_text(parse_nodes("cloud,cam-1")), "cloud:cloud,cam-1:edge");
  for (const char* bad : {"", "a:b", "A:edge", "x:edge,x:cloud", "-x", "a,,b"}) {
    EXPECT_THROW(parse_nodes(bad), Error) << bad;
  }
}

// HOME-2.13
TEST(Addresses, OfServicesInPlainModeAreApartFromOtherHomesAndFromNodes) {
  const std::string one = loopback_range(Paths{"/homes/one"});
  EXPECT_EQ(one, loopback_range(Paths{"/homes/one"}));
  EXPECT_NE(one, loopback_range(Paths{"/homes/two"}));
  EXPECT_TRUE(one.starts_with("127.") && one.ends_with(".0/22")) << one;
  EXPECT_GE(std::stoi(one.substr(4)), 96) << one;  // below are nodes and Pods
}

// HOME-2.4
TEST(StateFolder, IsOursAloneOrRefused) {
  char name[] = "/tmp/sedna-state-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name);
  const Paths paths{folder / "home"};
  prepare_state_folder(paths);
  EXPECT_EQ(std::filesystem::status(paths.state).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_all);
  HomeFile file;
  file.port = 1234;
  file.nodes = parse_nodes("a:edge");
  file.service_range = loopback_range(paths);
  file.write(paths);
  EXPECT_EQ(HomeFile::read(paths)->port, 1234);
  EXPECT_EQ(HomeFile::read(paths)->nodes, file.nodes);
  EXPECT_EQ(HomeFile::read(paths)->service_range, file.service_range);
  file.schema_version = kSchemaVersion + 1;
  file.write(paths);
  EXPECT_THROW(HomeFile::read(paths), Error);
  std::ofstream(paths.home_file()) << "{";
  EXPECT_THROW(HomeFile::read(paths), Error);
  const Paths other{folder / "other"};
  std::filesystem::create_directory(other.state);
  std::ofstream(other.state / "mine.txt") << "x";
  EXPECT_THROW(prepare_state_folder(other), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sedna::cli::home
