#include "sedna/cluster/placement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/cluster/garbage.hpp"
#include "sedna/cluster/node_life.hpp"
#include "sedna/cluster/services.hpp"
#include "sedna/cluster/test_objects.hpp"

namespace sedna::cluster {
namespace {

using ::testing::HasSubstr;

control::ObjectPtr node(std::string_view name, std::string_view role, std::string_view extra = "{}",
                        bool ready = true) {
  auto out = test::object(R"({"apiVersion":"v1","kind":"Node","metadata":{},"status":{"allocatable":{}}})");
  out["metadata"] = json::object{
      {"name", name},
      {"labels", {{"kubernetes.io/hostname", name}, {"node-role.kubernetes.io/" + std::string(role), ""}}}};
  out["spec"] = json::parse(extra).value();
  out["status"].as_object()["conditions"] =
      json::array{json::object{{"type", "Ready"}, {"status", ready ? "True" : "Unknown"}}};
  return test::pointer(std::move(out));
}

api::Object pod(std::string_view spec) {
  auto out = test::object(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"}})");
  out["spec"] = json::parse(spec).value();
  return out;
}

TEST(Placement, TakesTheNodeWithFewestPods) {
  const std::vector nodes{node("a", "cloud"), node("b", "edge")};
  EXPECT_EQ(place(pod("{}"), nodes, {{"a", 2}, {"b", 1}}).node, "b");
  EXPECT_EQ(place(pod("{}"), nodes, {}).node, "a");
}

TEST(Placement, HeedsSelectorAffinityTaintsAndReadiness) {
  const std::vector nodes{node("a", "cloud"), node("b", "edge", R"({"taints":[{"key":"k","effect":"NoSchedule"}]})"),
                          node("c", "edge", "{}", false)};
  EXPECT_EQ(place(pod(R"({"nodeSelector":{"kubernetes.io/hostname":"a"}})"), nodes, {}).node, "a");
  const auto affinity = [](std::string_view op) {
    return pod(R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[)"
               R"({"matchExpressions":[{"key":"node-role.kubernetes.io/edge","operator":")" +
               std::string(op) + R"("}]}]}}}})");
  };
  EXPECT_EQ(place(affinity("DoesNotExist"), nodes, {}).node, "a");
  const auto none = place(affinity("Exists"), nodes, {});
  EXPECT_EQ(none.node, "");
  EXPECT_THAT(none.message, HasSubstr("0/3 nodes are available"));
  EXPECT_THAT(none.message, HasSubstr("had untolerated taint {k: } (b)"));
  EXPECT_THAT(none.message, HasSubstr("were not ready (c)"));
  auto tolerant = affinity("Exists");
  tolerant["spec"].as_object()["tolerations"] = json::parse(R"([{"key":"k","operator":"Exists"}])").value();
  EXPECT_EQ(place(tolerant, nodes, {}).node, "b");
}

TEST(Placement, SaysHowToAddANodeThatIsNotThere) {
  const auto where = place(pod(R"({"nodeName":"edge-node"})"), {node("cloud0", "cloud")}, {});
  EXPECT_TRUE(where.unknown_node);
  EXPECT_THAT(where.message, HasSubstr("sedna up --nodes cloud0:cloud,edge-node:edge"));
}

TEST(Placement, CountsExtendedResources) {
  auto gpu = *node("a", "cloud");
  gpu["status"].as_object()["allocatable"] = json::object{{"nvidia.com/gpu", "1"}};
  const std::vector nodes{test::pointer(gpu)};
  const auto wants = pod(R"({"containers":[{"resources":{"limits":{"nvidia.com/gpu":"1","memory":"2Gi"}}}]})");
  EXPECT_EQ(place(wants, nodes, {}).node, "a");
  const auto full = place(wants, nodes, {}, {{"a", {{"nvidia.com/gpu", 1}}}});
  EXPECT_THAT(full.message, HasSubstr("Insufficient nvidia.com/gpu"));
}

TEST(NodeLife, EdgePodsStayUnlessTheySayOtherwise) {
  using std::chrono::seconds;
  const auto silent = pod("{}");
  EXPECT_EQ(tolerated_unreachable(silent, false, seconds(300)), seconds(300));
  EXPECT_EQ(tolerated_unreachable(silent, true, seconds(300)), std::nullopt);
  const auto spoken =
      pod(R"({"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute",)"
          R"("tolerationSeconds":7}]})");
  EXPECT_EQ(tolerated_unreachable(spoken, true, seconds(300)), seconds(7));
}

TEST(Garbage, GoesWhenAllOwnersAreGoneAndStaysInDoubt) {
  auto object = test::object(R"({"metadata":{"name":"x","ownerReferences":[
    {"apiVersion":"v1","kind":"A","name":"a","uid":"1"},{"apiVersion":"v1","kind":"B","name":"b","uid":"2"}]}})");
  const auto say = [](Owner a, Owner b) {
    return [a, b](const api::OwnerReference& owner) { return owner.uid == "1" ? a : b; };
  };
  EXPECT_EQ(judge(object, say(Owner::kGone, Owner::kGone)).what, Verdict::What::kRemove);
  EXPECT_EQ(judge(object, say(Owner::kThere, Owner::kThere)).what, Verdict::What::kKeep);
  EXPECT_EQ(judge(object, say(Owner::kGone, Owner::kUnknown)).what, Verdict::What::kKeep);
  const auto partly = judge(object, say(Owner::kGone, Owner::kThere));
  EXPECT_EQ(partly.what, Verdict::What::kForgetOwners);
  ASSERT_EQ(partly.left.size(), 1U);
  EXPECT_EQ(partly.left[0].uid, "2");
  EXPECT_EQ(judge(test::object(R"({"metadata":{}})"), say(Owner::kGone, Owner::kGone)).what, Verdict::What::kKeep);
}

TEST(AddressRange, HasNeitherNetworkNorBroadcast) {
  const auto range = AddressRange::parse("10.96.0.0/30");
  EXPECT_EQ(AddressRange::text(range.first), "10.96.0.1");
  EXPECT_EQ(AddressRange::text(range.last), "10.96.0.2");
  EXPECT_THROW(AddressRange::parse("10.96.0.0"), Error);
}

}  // namespace
}  // namespace sedna::cluster
