// The agent in process on the embedded server, with real processes. Once in the sandbox (where the machine allows it)
// and once in plain mode.
#include "sedna/node/agent.hpp"

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/process.hpp"
#include "sedna/node/sandbox.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::node {
namespace {

#ifdef SEDNA_PROGRAMS

namespace fs = std::filesystem;
namespace kinds = api::kinds;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class AgentTest : public ::testing::TestWithParam<bool> {
 protected:
  AgentTest() : state(fs::temp_directory_path() / ("sedna-agent-" + random_hex(6))) {
    if (!GetParam() && probe_sandbox().bwrap.empty()) skip = true;
  }
  ~AgentTest() override {
    agent.reset();
    stop_node(state.string(), "n", 2s);
    fs::remove_all(state);
  }
  void SetUp() override {
    if (skip) GTEST_SKIP() << "no bubblewrap here";
    start();
  }
  void start() {
    AgentOptions options;
    options.node = "n";
    options.state = state.string();
    options.programs = SEDNA_PROGRAMS;
    options.plain = GetParam();
    agent = std::make_unique<Agent>(server, options, registry);
    agent->start();
  }
  api::Object pod(const std::string& name, const std::string& script, std::string_view policy = "Never") {
    auto out = api::new_object(kinds::kPod, "default", name);
    out["spec"] = json::object{
        {"nodeName", "n"},
        {"restartPolicy", policy},
        {"terminationGracePeriodSeconds", 5},
        {"containers",
         json::array{json::object{{"name", "c"}, {"image", "img"}, {"command", json::array{"sh", "-c", script}}}}}};
    return out;
  }
  api::Object create(const api::Object& object) { return server.create(kinds::kPod, object, {}).value(); }
  std::optional<api::Object> get(const std::string& name) {
    auto out = server.get(kinds::kPod, "default", name);
    return out ? std::optional(*out) : std::nullopt;
  }
  /// Waits on the watch until the Pod is as wanted; null means that it is gone.
  bool eventually(const std::string& name, const std::function<bool(const api::Object*)>& wanted) {
    const auto deadline = Deadline::after(20s);
    auto watch = server.watch(kinds::kPod, {}).value();
    for (;;) {
      const auto now = get(name);
      if (wanted(now ? &*now : nullptr)) return true;
      if (deadline.expired()) {
        if (now) ADD_FAILURE() << json::write(*now);
        return false;
      }
      static_cast<void>(watch->next(Deadline::after(100ms).earlier(deadline)));
    }
  }
  bool phase(const std::string& name, std::string_view wanted) {
    return eventually(
        name, [&](const api::Object* p) { return p != nullptr && api::string_at(*p, {"status", "phase"}) == wanted; });
  }
  static const json::object& status_of(const api::Object& p) {
    return p.at("status").at("containerStatuses").at(0).as_object();
  }
  static std::string waiting(const api::Object* p) {
    if (p == nullptr) return {};
    const auto* all = api::array_at(*p, {"status", "containerStatuses"});
    if (all == nullptr || all->empty()) return {};
    return std::string(api::string_at((*all)[0].as_object(), {"state", "waiting", "reason"}));
  }
  AttemptPaths attempt(const api::Object& p, int n) const {
    return AttemptPaths(PodPaths(NodePaths(state, "n").pod(std::string(api::uid_of(p)))), "c", n);
  }
  /// The sandbox is there a moment before its command.
  int worker(const api::Object& p, int n) const {
    const auto deadline = Deadline::after(10s);
    auto pid = command_process(attempt(p, n));
    while (!pid && !deadline.expired()) pid = command_process(attempt(p, n));
    return pid.value_or(-1);
  }
  std::string log(const api::Object& p, int n = 1) const { return read_file(attempt(p, n).log()).value_or(""); }

  bool skip = false;
  Path state;
  store::embedded::EmbeddedServer server;
  metrics::Registry registry;
  std::unique_ptr<Agent> agent;
};

TEST_P(AgentTest, APodRunsToItsEnd) {
  auto p = pod("p", "echo hello $WHO; echo last words > /dev/termination-log; exit 3");
  p["spec"].at("containers").at(0).as_object()["env"] = json::array{json::object{{"name", "WHO"}, {"value", "world"}}};
  if (GetParam())
    p["spec"].at("containers").at(0).as_object()["command"] = json::array{"sh", "-c", "echo hello $WHO; exit 3"};
  const auto made = create(p);
  ASSERT_TRUE(phase("p", "Failed"));
  const auto now = *get("p");
  const auto& end = status_of(now).at("state").at("terminated");
  EXPECT_EQ(end.at("exitCode").as_int64(), 3);
  EXPECT_EQ(end.at("reason").as_string(), "Error");
  if (!GetParam()) {
    EXPECT_EQ(end.at("message").as_string(), "last words\n");
  }
  EXPECT_THAT(log(made), HasSubstr(" stdout F hello world\n"));
  create(pod("q", "exit 0"));
  EXPECT_TRUE(phase("q", "Succeeded"));
}

TEST_P(AgentTest, ACommandThatIsNotThereSaysSo) {
  auto p = pod("p", "");
  p["spec"].at("containers").at(0).as_object()["command"] = json::array{"/no/such/program"};
  create(p);
  if (GetParam()) {
    ASSERT_TRUE(eventually("p", [](const api::Object* o) { return waiting(o) == "RunContainerError"; }));
    return;
  }
  ASSERT_TRUE(phase("p", "Failed"));
  const auto now = *get("p");
  EXPECT_EQ(status_of(now).at("state").at("terminated").at("reason").as_string(), "StartError");
  EXPECT_THAT(std::string(status_of(now).at("state").at("terminated").at("message").as_string()),
              HasSubstr("/no/such/program"));
}

TEST_P(AgentTest, AnImageWithoutCommandSaysWhatToDo) {
  auto p = pod("p", "");
  p["spec"].at("containers").at(0).as_object().erase("command");
  create(p);
  ASSERT_TRUE(eventually("p", [](const api::Object* o) { return waiting(o) == "ImageNeedsCommand"; }));
  const auto now = *get("p");
  EXPECT_THAT(std::string(status_of(now).at("state").at("waiting").at("message").as_string()),
              HasSubstr("sedna up --images FILE"));
}

TEST_P(AgentTest, ANewAgentFindsWhatRunsAndWhatEnded) {
  const auto runs = create(pod("runs", "echo one; exec sleep 1000"));
  const auto ends = create(pod("ends", "sleep 0.5; exit 7"));
  ASSERT_TRUE(phase("runs", "Running"));
  ASSERT_TRUE(phase("ends", "Running"));
  const auto before = read_json(attempt(runs, 1).started());
  auto other = ContainerProcess::adopt(attempt(ends, 1));
  agent.reset();
  const auto deadline = Deadline::after(10s);
  while (other->alive() && !deadline.expired()) {
  }
  start();
  ASSERT_TRUE(phase("ends", "Failed"));
  const auto ended = *get("ends");
  EXPECT_EQ(status_of(ended).at("state").at("terminated").at("exitCode").as_int64(), 7);
  const auto now = *get("runs");
  EXPECT_EQ(status_of(now).at("restartCount").as_int64(), 0);
  EXPECT_EQ(read_json(attempt(runs, 1).started()), before);
  server.remove(kinds::kPod, "default", "runs", {}).value();
  EXPECT_TRUE(eventually("runs", [](const api::Object* o) { return o == nullptr; }));
}

TEST_P(AgentTest, DeletionGivesTimeAndLeavesNothing) {
  const auto p = create(pod("p", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"));
  ASSERT_TRUE(phase("p", "Running"));
  const auto deadline = Deadline::after(10s);
  while (log(p).find("ready") == std::string::npos && !deadline.expired()) {
  }
  const int pid = worker(p, 1);
  ASSERT_GT(pid, 0);
  const auto begin = SteadyClock::now();
  server.remove(kinds::kPod, "default", "p", {}).value();
  EXPECT_TRUE(eventually("p", [](const api::Object* o) { return o == nullptr; }));
  EXPECT_LT(SteadyClock::now() - begin, 4s);
  EXPECT_FALSE(process_start_time(pid));
  EXPECT_FALSE(fs::exists(NodePaths(state, "n").pod(std::string(api::uid_of(p)))));
}

TEST_P(AgentTest, AStubbornContainerIsKilledAfterTheGracePeriod) {
  const auto p = create(pod("p", "trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  ASSERT_TRUE(phase("p", "Running"));
  const auto deadline = Deadline::after(10s);
  while (log(p).find("ready") == std::string::npos && !deadline.expired()) {
  }
  store::DeleteOptions options;
  options.grace_period_seconds = 1;
  server.remove(kinds::kPod, "default", "p", options).value();
  EXPECT_TRUE(eventually("p", [](const api::Object* o) { return o == nullptr; }));
}

TEST_P(AgentTest, AKilledWorkerAndAKilledShimAreStartedAgain) {
  const auto p = create(pod("p", "exec sleep 1000", "Always"));
  ASSERT_TRUE(phase("p", "Running"));
  const auto restarts = [](std::int64_t n) {
    return [n](const api::Object* o) {
      return o != nullptr && status_of(*o).at("restartCount").as_int64() == n &&
             api::find(status_of(*o), {"state", "running"}) != nullptr;
    };
  };
  const int first = worker(p, 1);
  ASSERT_GT(first, 0);
  kill(first, SIGKILL);
  ASSERT_TRUE(eventually("p", restarts(1)));
  auto now = *get("p");
  EXPECT_EQ(status_of(now).at("lastState").at("terminated").at("exitCode").as_int64(), 137);
  const int second = worker(p, 2);
  ASSERT_GT(second, 0);
  kill(static_cast<int>(api::int_at(*read_json(attempt(p, 2).started()), {"pid"})), SIGKILL);
  // The second end in a row waits ten seconds; that it is seen, and nothing is left, is enough here.
  ASSERT_TRUE(eventually("p", [](const api::Object* o) { return waiting(o) == "CrashLoopBackOff"; }));
  now = *get("p");
  EXPECT_EQ(status_of(now).at("lastState").at("terminated").at("reason").as_string(), "ContainerStatusUnknown");
  const auto gone = Deadline::after(5s);
  while (process_start_time(second) && !gone.expired()) {
  }
  EXPECT_FALSE(process_start_time(second));
}

TEST_P(AgentTest, ProbesDecideAboutReadinessAndRestarts) {
  auto p = pod("p", "touch $FLAG; sleep 1000", "Always");
  auto& c = p["spec"].at("containers").at(0).as_object();
  const std::string flag = GetParam() ? (state / "flag").string() : "/tmp/flag";
  c["env"] = json::array{json::object{{"name", "FLAG"}, {"value", flag}}};
  c["readinessProbe"] = json::object{{"exec", {{"command", json::array{"test", "-e", flag}}}}, {"periodSeconds", 1}};
  c["livenessProbe"] = json::object{{"exec", {{"command", json::array{"false"}}}},
                                    {"periodSeconds", 1},
                                    {"failureThreshold", 2},
                                    {"initialDelaySeconds", 1}};
  create(p);
  EXPECT_TRUE(eventually("p", [](const api::Object* o) {
    return o != nullptr && api::array_at(*o, {"status", "containerStatuses"}) != nullptr &&
           status_of(*o).at("ready").as_bool();
  }));
  EXPECT_TRUE(eventually(
      "p", [](const api::Object* o) { return o != nullptr && status_of(*o).at("restartCount").as_int64() >= 1; }));
}

TEST_P(AgentTest, ManyPodsComeAndGoWithoutATrace) {
  constexpr int kPods = 12;
  for (int i = 0; i < kPods; ++i) create(pod("p" + std::to_string(i), "exec sleep 1000"));
  for (int i = 0; i < kPods; ++i) ASSERT_TRUE(phase("p" + std::to_string(i), "Running"));
  for (int i = 0; i < kPods; ++i) server.remove(kinds::kPod, "default", "p" + std::to_string(i), {}).value();
  for (int i = 0; i < kPods; ++i)
    EXPECT_TRUE(eventually("p" + std::to_string(i), [](const api::Object* o) { return o == nullptr; }));
  EXPECT_TRUE(fs::is_empty(NodePaths(state, "n").pods()));
}

INSTANTIATE_TEST_SUITE_P(Modes, AgentTest, testing::Bool(),
                         [](const auto& p) { return p.param ? "Plain" : "Sandbox"; });

#else
TEST(AgentTest, NeedsThePrograms) {
  GTEST_SKIP() << "built without the programs: the agent's tests with real processes are left out";
}
#endif

}  // namespace
}  // namespace sedna::node
