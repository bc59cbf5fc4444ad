#include <gtest/gtest.h>

#include "sedna/node/json_compare.hpp"
#include "sedna/node/pod_state.hpp"

namespace sedna::node {
namespace {

using Phase = ContainerState::Phase;
using namespace std::chrono_literals;

const TimePoint kNow = *api::parse_time("2026-01-01T00:00:00Z");

api::Object pod(std::string_view policy, int init, int containers) {
  auto out = json::parse(R"({"metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{}})").value().as_object();
  auto& spec = out["spec"].as_object();
  spec["restartPolicy"] = policy;
  const auto list = [](const char* prefix, int n) {
    json::array all;
    for (int i = 0; i < n; ++i) all.push_back(json::object{{"name", prefix + std::to_string(i)}, {"image", "img"}});
    return all;
  };
  if (init > 0) spec["initContainers"] = list("i", init);
  spec["containers"] = list("c", containers);
  return out;
}

void run(ContainerState& c, bool ready = true) {
  ++c.attempt;
  c.phase = Phase::kRunning;
  c.started = true;
  c.ready = ready;
  c.started_at = kNow;
}

void end(ContainerState& c, int code, TimePoint at = kNow) {
  ContainerEnd e;
  e.exit_code = code;
  e.reason = code == 0 ? "Completed" : "Error";
  e.started = c.started_at;
  e.finished = at;
  e.attempt = c.attempt;
  note_end(c, e);
}

std::string phase(const api::Object& p, const PodState& s, bool stopping = false) {
  return std::string(api::string_at(pod_status(p, s, stopping, kNow), {"phase"}));
}

TEST(PodPlan, InitContainersGoOneAfterTheOther) {
  const auto p = pod("Always", 2, 2);
  auto s = PodState::of(p);
  auto plan = plan_pod(p, s, false, kNow);
  ASSERT_EQ(plan.start, (std::vector<ContainerRef>{{true, 0}}));
  run(s.init[0]);
  EXPECT_TRUE(plan_pod(p, s, false, kNow).start.empty());
  EXPECT_EQ(phase(p, s), "Pending");
  end(s.init[0], 0);
  EXPECT_EQ(plan_pod(p, s, false, kNow).start, (std::vector<ContainerRef>{{true, 1}}));
  run(s.init[1]);
  end(s.init[1], 0);
  EXPECT_EQ(plan_pod(p, s, false, kNow).start, (std::vector<ContainerRef>{{false, 0}, {false, 1}}));
}

TEST(PodPlan, AFailedInitContainerIsTriedAgainUnlessNever) {
  for (const std::string_view policy : {"Always", "OnFailure", "Never"}) {
    const auto p = pod(policy, 1, 1);
    auto s = PodState::of(p);
    run(s.init[0]);
    end(s.init[0], 1);
    const auto plan = plan_pod(p, s, false, kNow);
    if (policy == "Never") {
      EXPECT_TRUE(plan.start.empty());
      EXPECT_TRUE(plan.over);
      EXPECT_EQ(phase(p, s), "Failed");
    } else {
      EXPECT_EQ(plan.start, (std::vector<ContainerRef>{{true, 0}}));
    }
  }
}

TEST(PodPlan, RestartsBackOffAndForgetAfterTenMinutesOfWork) {
  const auto p = pod("Always", 0, 1);
  auto s = PodState::of(p);
  auto& c = s.containers[0];
  const std::vector<int> waits{0, 10, 20, 40, 80, 160, 300, 300};
  for (const int wait : waits) {
    run(c);
    end(c, 1);
    const auto plan = plan_pod(p, s, false, kNow);
    if (wait == 0) {
      EXPECT_EQ(plan.start.size(), 1U);
      continue;
    }
    EXPECT_TRUE(plan.start.empty());
    ASSERT_TRUE(plan.again);
    EXPECT_EQ(*plan.again - kNow, std::chrono::seconds(wait));
    const auto status = pod_status(p, s, false, kNow);
    const auto& waiting = status.at("containerStatuses").at(0).at("state").at("waiting");
    EXPECT_EQ(waiting.at("reason").as_string(), "CrashLoopBackOff");
    EXPECT_EQ(phase(p, s), "Running");
  }
  run(c);
  c.started_at = kNow - 11min;
  end(c, 1);
  EXPECT_EQ(plan_pod(p, s, false, kNow).start.size(), 1U);
}

TEST(PodPlan, EndsByPolicy) {
  auto p = pod("OnFailure", 0, 2);
  auto s = PodState::of(p);
  for (auto& c : s.containers) run(c);
  end(s.containers[0], 0);
  EXPECT_FALSE(plan_pod(p, s, false, kNow).over);
  EXPECT_EQ(phase(p, s), "Running");
  end(s.containers[1], 0);
  EXPECT_TRUE(plan_pod(p, s, false, kNow).over);
  EXPECT_EQ(phase(p, s), "Succeeded");
  p = pod("Never", 0, 1);
  s = PodState::of(p);
  run(s.containers[0]);
  end(s.containers[0], 3);
  EXPECT_EQ(phase(p, s), "Failed");
  EXPECT_TRUE(plan_pod(p, s, false, kNow).over);
}

TEST(PodPlan, DeletionEndsWhatRunsAndStartsNothing) {
  const auto p = pod("Always", 0, 2);
  auto s = PodState::of(p);
  run(s.containers[0]);
  auto plan = plan_pod(p, s, true, kNow);
  EXPECT_EQ(plan.end, (std::vector<ContainerRef>{{false, 0}}));
  EXPECT_TRUE(plan.start.empty());
  EXPECT_FALSE(plan.over);
  s.containers[0].ending = true;
  EXPECT_TRUE(plan_pod(p, s, true, kNow).end.empty());
  end(s.containers[0], 143);
  EXPECT_TRUE(plan_pod(p, s, true, kNow).over);
}

TEST(PodPlan, SidecarsStartFirstAndEndLast) {
  auto p = pod("Never", 1, 1);
  p["spec"].at("initContainers").at(0).as_object()["restartPolicy"] = "Always";
  auto s = PodState::of(p);
  run(s.init[0]);
  auto plan = plan_pod(p, s, false, kNow);
  EXPECT_EQ(plan.start, (std::vector<ContainerRef>{{false, 0}}));
  run(s.containers[0]);
  end(s.containers[0], 0);
  plan = plan_pod(p, s, false, kNow);
  EXPECT_EQ(plan.end, (std::vector<ContainerRef>{{true, 0}}));
  EXPECT_FALSE(plan.over);
}

TEST(PodStatus, NamesWhatThePodIsNotGiven) {
  auto p = pod("Always", 0, 1);
  auto s = PodState::of(p);
  const auto as_asked = [&]() -> std::string {
    const auto status = pod_status(p, s, false, kNow);
    for (const auto& c : status.at("conditions").as_array()) {
      if (c.at("type").as_string() == "sedna.io/AsAsked") return std::string(c.at("message").as_string());
    }
    return {};
  };
  EXPECT_EQ(as_asked(), "");
  auto& spec = p["spec"].as_object();
  spec["shareProcessNamespace"] = true;
  spec["containers"].as_array()[0].as_object()["securityContext"] = json::object{{"privileged", true}};
  spec["volumes"] = json::parse(R"([{"name":"v","emptyDir":{"sizeLimit":"1Gi","medium":"Memory"}}])").value();
  s.notes = {"cpu limits are not enforced"};
  EXPECT_EQ(as_asked(),
            "cpu limits are not enforced; shareProcessNamespace: containers see their own processes only; "
            "container c0: privileged containers are sandboxed like the others; "
            "volume v: the sizeLimit of an emptyDir is not enforced; "
            "volume v: an emptyDir of medium Memory lies on the disk");
}

TEST(PodStatus, SaysWhatKubernetesSays) {
  const auto p = pod("Always", 1, 2);
  auto s = PodState::of(p);
  s.pod_ip = "10.77.1.2";
  s.host_ip = "10.77.1.1";
  s.start_time = kNow;
  auto status = pod_status(p, s, false, kNow);
  EXPECT_EQ(status.at("containerStatuses").at(0).at("state").at("waiting").at("reason").as_string(), "PodInitializing");
  run(s.init[0]);
  end(s.init[0], 0);
  run(s.containers[0]);
  run(s.containers[1], false);
  status = pod_status(p, s, false, kNow);
  EXPECT_EQ(status.at("phase").as_string(), "Running");
  const auto find = [&](std::string_view type) -> const json::object& {
    for (const auto& c : status.at("conditions").as_array()) {
      if (c.at("type").as_string() == type) return c.as_object();
    }
    throw std::runtime_error(std::string(type));
  };
  EXPECT_EQ(find("Ready").at("status").as_string(), "False");
  EXPECT_EQ(find("Ready").at("reason").as_string(), "ContainersNotReady");
  EXPECT_EQ(find("Ready").at("message").as_string(), "containers with unready status: [c1]");
  EXPECT_EQ(find("Initialized").at("status").as_string(), "True");
  s.containers[1].ready = true;
  const auto before = find("Ready").at("lastTransitionTime");
  auto with = p;
  with["status"] = status;
  status = pod_status(with, s, false, kNow + 5s);
  EXPECT_EQ(find("Ready").at("status").as_string(), "True");
  EXPECT_NE(find("Ready").at("lastTransitionTime"), before);
  EXPECT_EQ(status.at("podIP").as_string(), "10.77.1.2");
  // Saying it twice changes nothing.
  with["status"] = status;
  EXPECT_TRUE(covers(status, pod_status(with, s, false, kNow + 60s)));
}

TEST(PodState, SurvivesTheAgent) {
  const auto p = pod("Always", 1, 1);
  auto s = PodState::of(p);
  run(s.init[0]);
  end(s.init[0], 0);
  run(s.containers[0]);
  end(s.containers[0], 2);
  run(s.containers[0]);
  s.pod_ip = "10.77.1.2";
  auto other = PodState::of(p);
  other.restore(json::parse(json::write(s.to_json())).value().as_object());
  EXPECT_EQ(json::write(other.to_json()), json::write(s.to_json()));
  EXPECT_EQ(other.containers[0].attempt, 2);
  EXPECT_TRUE(other.containers[0].running());
}

TEST(Covers, KnowsWhatMustGo) {
  const auto v = [](std::string_view text) { return json::parse(text).value(); };
  EXPECT_TRUE(covers(v(R"({"a":1,"b":2})"), v(R"({"a":1,"c":null,"d":{}})")));
  EXPECT_FALSE(covers(v(R"({"state":{"waiting":{},"running":{}}})"), v(R"({"state":{"running":{}}})")));
  EXPECT_FALSE(covers(v(R"({"l":[1,2]})"), v(R"({"l":[1]})")));
  EXPECT_TRUE(covers(v("{}"), v(R"({"ready":false,"imageID":""})")));
}

}  // namespace
}  // namespace sedna::node
