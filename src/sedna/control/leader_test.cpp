#include "sedna/control/leader.hpp"

#include <gtest/gtest.h>

#include "sedna/control/periodic.hpp"
#include "sedna/control/test_server.hpp"
#include "sedna/store/embedded/embedded_server.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::control {
namespace {

using namespace std::chrono_literals;
using testing::FaultyServer;

class Leader : public ::testing::Test {
 protected:
  LeaderOptions options(const std::string& identity) {
    LeaderOptions o;
    o.name = "sedna-gm";
    o.identity = identity;
    o.clock = &clock_;
    return o;
  }
  sedna::testing::FakeClock clock_;
  store::embedded::EmbeddedServer server_;
  FaultyServer faulty_{server_};
};

TEST_F(Leader, OneLeadsAndTheOtherTakesOverWhenItFallsSilent) {
  LeaderElector a(server_, options("a")), b(server_, options("b"));
  int started = 0;
  b.on_started([&] { ++started; });
  a.step();
  b.step();
  EXPECT_TRUE(a.is_leader());
  EXPECT_FALSE(b.is_leader());
  EXPECT_EQ(b.holder(), "a");
  for (int i = 0; i < 10; ++i) {
    clock_.advance(2s);
    a.step();
    b.step();
  }
  EXPECT_FALSE(b.is_leader()) << "as long as a renews";
  clock_.advance(14s);
  b.step();
  EXPECT_FALSE(b.is_leader());
  clock_.advance(2s);
  b.step();
  EXPECT_TRUE(b.is_leader());
  EXPECT_EQ(started, 1);
  const auto lease = server_.get(api::kinds::kLease, "default", "sedna-gm").value();
  EXPECT_EQ(api::int_at(lease, {"spec", "leaseTransitions"}), 1);
}

TEST_F(Leader, WhoCannotRenewGivesUpBeforeAnotherMayTakeOver) {
  LeaderElector a(faulty_, options("a"));
  int lost = 0;
  a.on_lost([&] { ++lost; });
  a.step();
  faulty_.on_call = [](std::string_view, const api::Kind&) { return FaultyServer::unavailable(); };
  clock_.advance(9s);
  a.step();
  EXPECT_TRUE(a.is_leader());
  clock_.advance(1s);
  a.step();
  EXPECT_FALSE(a.is_leader());
  EXPECT_EQ(lost, 1);
}

// CTL-3.3
TEST_F(Leader, AServerThatAnswersLateDoesNotProlongTheLease) {
  LeaderElector a(faulty_, options("a"));
  int lost = 0;
  a.on_lost([&] { ++lost; });
  a.step();
  const auto before = server_.get(api::kinds::kLease, "default", "sedna-gm").value();
  faulty_.on_call = [this](std::string_view, const api::Kind&) -> std::optional<store::Status> {
    clock_.advance(4s);
    return std::nullopt;
  };
  clock_.advance(7s);
  a.step();
  EXPECT_EQ(lost, 1) << "the answer is 11 s late: nothing may be written any more";
  EXPECT_EQ(api::resource_version_of(server_.get(api::kinds::kLease, "default", "sedna-gm").value()),
            api::resource_version_of(before));
}

// CTL-3.3
TEST_F(Leader, TheLeaseCountsFromWhenItWasAskedFor) {
  LeaderElector a(faulty_, options("a"));
  a.step();
  faulty_.on_call = [this](std::string_view, const api::Kind&) -> std::optional<store::Status> {
    clock_.advance(3s);
    return std::nullopt;
  };
  clock_.advance(2s);
  a.step();  // asked at 2 s, answered at 8 s
  EXPECT_TRUE(a.is_leader());
  faulty_.on_call = [](std::string_view, const api::Kind&) { return FaultyServer::unavailable(); };
  clock_.advance(4s);
  a.step();
  EXPECT_FALSE(a.is_leader());
}

TEST_F(Leader, TheSameIdentityComesBackAtOnce) {
  {
    LeaderElector killed(faulty_, options("a"));
    killed.step();
    faulty_.on_call = [](std::string_view, const api::Kind&) { return FaultyServer::unavailable(); };
  }
  LeaderElector next(server_, options("a"));
  next.step();
  EXPECT_TRUE(next.is_leader());
}

TEST_F(Leader, AGoodEndGivesTheLeaseBack) {
  LeaderElector a(server_, options("a")), b(server_, options("b"));
  a.step();
  a.stop();
  clock_.advance(1s);
  b.step();
  clock_.advance(1s);
  b.step();
  EXPECT_TRUE(b.is_leader());
}

TEST(MicroTime, IsAsKubernetesWritesIt) {
  EXPECT_EQ(format_micro_time(SystemClock::time_point(std::chrono::microseconds(1769864759000042))),
            "2026-01-31T13:05:59.000042Z");
}

TEST(PeriodicTask, RunsAtOnceWhenTriggeredAndSurvivesAThrow) {
  std::mutex mutex;
  std::condition_variable changed;
  int runs = 0;
  PeriodicTask task("test", 1h, [&] {
    const std::lock_guard lock(mutex);
    ++runs;
    changed.notify_all();
    throw std::runtime_error("once more");
  });
  task.start();
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, 5s, [&] { return runs == 1; }));
  lock.unlock();
  task.trigger();
  lock.lock();
  EXPECT_TRUE(changed.wait_for(lock, 5s, [&] { return runs == 2; }));
  lock.unlock();
  task.stop();
}

}  // namespace
}  // namespace sedna::control
