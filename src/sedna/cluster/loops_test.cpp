// The loops together, on the embedded server in process.
#include "sedna/cluster/loops.hpp"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "sedna/cluster/endpoints.hpp"
#include "sedna/cluster/pods.hpp"
#include "sedna/cluster/test_objects.hpp"
#include "sedna/control/leader.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::cluster {
namespace {

namespace kinds = api::kinds;
using namespace std::chrono_literals;

class LoopsTest : public ::testing::Test {
 protected:
  LoopsTest() {
    LoopsOptions options;
    options.node_grace = 700ms;
    options.default_toleration = std::chrono::seconds(1);
    loops = std::make_unique<Loops>(server, options);
    loops->start();
    EXPECT_TRUE(loops->wait_synced(Deadline::after(5s)));
  }

  void add_node(const std::string& name, const std::string& role = "cloud") {
    auto node = api::new_object(kinds::kNode, {}, name);
    node["metadata"].as_object()["labels"] = json::object{{"node-role.kubernetes.io/" + role, ""}};
    server.create(kinds::kNode, node, {}).value();
    set_node_ready(name);
    auto lease = api::new_object(kinds::kLease, "kube-node-lease", name);
    lease["spec"] =
        json::object{{"holderIdentity", name}, {"renewTime", control::format_micro_time(SystemClock::now())}};
    server.create(kinds::kLease, lease, {}).value();
  }
  void set_node_ready(const std::string& name) {
    auto node = server.get(kinds::kNode, {}, name).value();
    api::make_object(node, {"status"})["conditions"] =
        json::array{json::object{{"type", "Ready"}, {"status", "True"}, {"reason", "KubeletReady"}}};
    const auto said = server.update_status(kinds::kNode, node, {});
    ASSERT_TRUE(said.ok() || said.status().is_conflict()) << said.status().message;
  }
  void renew(const std::string& name) {
    server
        .merge_patch(
            kinds::kLease, "kube-node-lease", name,
            store::MergePatch(json::object{{"spec", {{"renewTime", control::format_micro_time(SystemClock::now())}}}}),
            {})
        .value();
  }
  /// Waits on a watch until `done` holds; tests have no sleeps.
  bool eventually(const api::Kind& kind, const std::function<bool()>& done, SteadyClock::duration limit = 10s) {
    const auto deadline = Deadline::after(limit);
    auto watch = server.watch(kind, {}).value();
    while (!done()) {
      if (deadline.expired()) return false;
      static_cast<void>(watch->next(Deadline::after(50ms).earlier(deadline)));
    }
    return true;
  }
  std::vector<api::Object> pods(std::string_view ns = "default") {
    store::ListOptions options;
    options.ns = ns;
    return server.list(kinds::kPod, options).value().items;
  }
  /// As an agent would report it, again when somebody else wrote meanwhile.
  void run(const api::Object& pod, std::string_view ip) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto fresh = server.get(kinds::kPod, api::namespace_of(pod), api::name_of(pod)).value();
      auto& status = api::make_object(fresh, {"status"});
      status["phase"] = "Running";
      status["podIP"] = ip;
      status["startTime"] = api::format_time(SystemClock::now());
      set_condition(status, json::object{{"type", "Ready"}, {"status", "True"}}, SystemClock::now());
      const auto said = server.update_status(kinds::kPod, fresh, {});
      if (said.ok()) return;
      ASSERT_TRUE(said.status().is_conflict()) << said.status().message;
    }
    FAIL() << "the status of a Pod could not be written";
  }
  static api::Object deployment(std::string_view name, std::string_view ns = "default") {
    auto out = test::object(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{},
      "spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},
        "template":{"metadata":{"labels":{"app":"web"}},"spec":{"terminationGracePeriodSeconds":30,
          "containers":[{"name":"c","image":"a"}]}}}})");
    out["metadata"].as_object()["name"] = name;
    out["metadata"].as_object()["namespace"] = ns;
    return out;
  }

  store::embedded::EmbeddedServer server;
  std::unique_ptr<Loops> loops;
};

TEST_F(LoopsTest, ADeploymentBecomesBoundPodsBehindAServiceAndGoesWithAllOfIt) {
  add_node("cloud0");
  add_node("edge0", "edge");
  auto service = test::object(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
    "spec":{"selector":{"app":"web"},"ports":[{"name":"tcp-0","port":5000}]}})");
  server.create(kinds::kService, service, {}).value();
  server.create(kinds::kDeployment, deployment("web"), {}).value();
  ASSERT_TRUE(eventually(kinds::kPod, [&] {
    const auto all = pods();
    return all.size() == 2 && std::ranges::all_of(all, [](const api::Object& pod) {
             return !api::string_at(pod, {"spec", "nodeName"}).empty();
           });
  }));
  const auto all = pods();
  run(all[0], "10.1.0.1");
  run(all[1], "10.1.0.2");
  EXPECT_TRUE(eventually(kinds::kEndpointSlice, [&] {
    const auto slices = server.list(kinds::kEndpointSlice, {}).value().items;
    return slices.size() == 1 && slices[0].at("endpoints").as_array().size() == 2;
  }));
  EXPECT_TRUE(eventually(kinds::kDeployment, [&] {
    const auto now = server.get(kinds::kDeployment, "default", "web").value();
    return api::int_at(now, {"status", "availableReplicas"}) == 2 && condition_is_true(now, "Available") &&
           api::string_at(*condition(now, "Progressing"), {"reason"}) == "NewReplicaSetAvailable";
  }));
  EXPECT_FALSE(api::string_at(server.get(kinds::kService, "default", "web").value(), {"spec", "clusterIP"}).empty());

  server.remove(kinds::kDeployment, "default", "web", {}).value();
  server.remove(kinds::kService, "default", "web", {}).value();
  EXPECT_TRUE(eventually(kinds::kPod, [&] {
    const auto left = pods();
    return std::ranges::all_of(left, api::is_deleting);  // the agent, which is not here, would end them
  }));
  EXPECT_TRUE(
      eventually(kinds::kEndpointSlice, [&] { return server.list(kinds::kEndpointSlice, {}).value().items.empty(); }));
}

TEST_F(LoopsTest, APodThatFitsNowhereSaysSoAndIsPlacedWhenItCan) {
  auto pod = test::object(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},
    "spec":{"nodeSelector":{"node-role.kubernetes.io/edge":""},"containers":[{"name":"c","image":"a"}]}})");
  add_node("cloud0");
  server.create(kinds::kPod, pod, {}).value();
  const auto now = [&] { return server.get(kinds::kPod, "default", "p").value(); };
  ASSERT_TRUE(eventually(kinds::kPod, [&] { return condition(now(), "PodScheduled") != nullptr; }));
  EXPECT_EQ(api::string_at(*condition(now(), "PodScheduled"), {"reason"}), "Unschedulable");
  add_node("edge0", "edge");
  EXPECT_TRUE(eventually(kinds::kPod, [&] { return api::string_at(now(), {"spec", "nodeName"}) == "edge0"; }));
}

TEST_F(LoopsTest, ALostNodeLosesItsEndpointsThenItsPods) {
  add_node("cloud0");
  auto web = deployment("web");  // admission would give its Pods Kubernetes' five minutes
  api::make_object(web, {"spec", "template", "spec"})["tolerations"] =
      json::parse(
          R"([{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":1}])")
          .value();
  server.create(kinds::kDeployment, web, {}).value();
  ASSERT_TRUE(eventually(kinds::kPod, [&] {
    const auto all = pods();
    return all.size() == 2 &&
           std::ranges::all_of(all, [](const auto& pod) { return !api::string_at(pod, {"spec", "nodeName"}).empty(); });
  }));
  for (const auto& pod : pods()) run(pod, "10.1.0.1");
  const auto node = [&] { return server.get(kinds::kNode, {}, "cloud0").value(); };
  ASSERT_TRUE(
      eventually(kinds::kNode, [&] { return api::string_at(*condition(node(), "Ready"), {"status"}) == "Unknown"; }));
  EXPECT_TRUE(eventually(kinds::kPod, [&] { return std::ranges::none_of(pods(), is_ready); }));
  // The new ones have nowhere to go, the old ones wait for their agent.
  EXPECT_TRUE(eventually(kinds::kPod, [&] { return std::ranges::count_if(pods(), api::is_deleting) == 2; }));
  EXPECT_TRUE(eventually(kinds::kNode, [&] {
    renew("cloud0");  // as its agent goes on doing
    if (api::string_at(*condition(node(), "Ready"), {"status"}) != "True") set_node_ready("cloud0");
    const api::Object now = node();
    const auto* taints = api::array_at(now, {"spec", "taints"});
    return taints == nullptr || taints->empty();
  }));
}

// HOME-2.14
TEST_F(LoopsTest, PodsOfARemovedNodeGoAndThoseThatWaitForItStay) {
  add_node("cloud0");
  add_node("edge0", "edge");
  auto web = deployment("web");
  api::make_object(web, {"spec", "template", "spec"})["nodeName"] = "edge0";
  server.create(kinds::kDeployment, web, {}).value();
  ASSERT_TRUE(eventually(kinds::kPod, [&] { return pods().size() == 2; }));
  const auto before = pods();
  for (const auto& pod : before) run(pod, "10.1.0.1");
  server.remove(kinds::kNode, {}, "edge0", {}).value();
  EXPECT_TRUE(eventually(kinds::kPod, [&] {
    return std::ranges::none_of(
        before, [&](const auto& pod) { return server.get(kinds::kPod, "default", api::name_of(pod)).ok(); });
  }));
  // What the Deployment makes of it waits, and says for what.
  EXPECT_TRUE(eventually(kinds::kPod, [&] {
    const auto now = pods();
    return now.size() == 2 && std::ranges::all_of(now, [](const auto& pod) {
             const auto* placed = condition(pod, "PodScheduled");
             return placed != nullptr &&
                    api::string_at(*placed, {"message"}).find("no such node") != std::string_view::npos;
           });
  }));
}

TEST_F(LoopsTest, ANamespaceGoesWithEverythingInIt) {
  auto ns = api::new_object(kinds::kNamespace, {}, "team");
  server.create(kinds::kNamespace, ns, {}).value();
  server.create(kinds::kDeployment, deployment("web", "team"), {}).value();
  ASSERT_TRUE(eventually(kinds::kPod, [&] { return pods("team").size() == 2; }));
  server.remove(kinds::kNamespace, {}, "team", {}).value();
  EXPECT_TRUE(
      eventually(kinds::kNamespace, [&] { return server.get(kinds::kNamespace, {}, "team").status().is_not_found(); }));
  EXPECT_TRUE(pods("team").empty());
}

TEST_F(LoopsTest, AnOrphanOfABygoneOwnerIsCollected) {
  auto map = test::object(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"default",
    "ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"0c4ed8a6-6b06-4c93-8f0c-0a7c3ee3d0a5"}]}})");
  server.create(kinds::kConfigMap, map, {}).value();
  EXPECT_TRUE(eventually(kinds::kConfigMap,
                         [&] { return server.get(kinds::kConfigMap, "default", "m").status().is_not_found(); }));
}

}  // namespace
}  // namespace sedna::cluster
