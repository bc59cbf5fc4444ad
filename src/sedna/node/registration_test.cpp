#include "sedna/node/registration.hpp"

#include <gtest/gtest.h>

#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::node {
namespace {

namespace kinds = api::kinds;

NodeIdentity identity() {
  NodeIdentity out;
  out.name = "edge0";
  out.role = "edge";
  out.ip = "10.1.0.1";
  out.port = 10250;
  out.certificate = "PEM";
  out.cpu_millis = 2000;
  out.memory_bytes = std::int64_t{1} << 30;
  return out;
}

TEST(Registration, MakesTheNodeAndItsLeaseAndThenOnlyRenews) {
  store::embedded::EmbeddedServer server;
  Registration registration(server, identity());
  ASSERT_EQ(registration.beat(), "");
  const auto node = server.get(kinds::kNode, {}, "edge0").value();
  EXPECT_TRUE(api::label(node, "node-role.kubernetes.io/edge"));
  EXPECT_EQ(api::int_at(node, {"status", "daemonEndpoints", "kubeletEndpoint", "Port"}), 10250);
  EXPECT_EQ(api::annotation(node, "sedna.io/agent-certificate"), "PEM");
  EXPECT_TRUE(server.get(kinds::kLease, "kube-node-lease", "edge0").ok());
  ASSERT_EQ(registration.beat(), "");
  EXPECT_EQ(api::resource_version_of(server.get(kinds::kNode, {}, "edge0").value()), api::resource_version_of(node));
}

TEST(Registration, ComesBackReadyAfterItWasLostAndKeepsTaints) {
  store::embedded::EmbeddedServer server;
  Registration registration(server, identity());
  ASSERT_EQ(registration.beat(), "");
  auto node = server.get(kinds::kNode, {}, "edge0").value();
  api::make_object(node, {"spec"})["taints"] = json::array{json::object{{"key", "k"}, {"effect", "NoSchedule"}}};
  node = server.update(kinds::kNode, node, {}).value();
  node["status"].at("conditions").at(0).as_object()["status"] = "Unknown";
  server.update_status(kinds::kNode, node, {}).value();
  ASSERT_EQ(registration.beat(), "");
  node = server.get(kinds::kNode, {}, "edge0").value();
  EXPECT_EQ(node.at("status").at("conditions").at(0).at("status").as_string(), "True");
  EXPECT_EQ(node.at("spec").at("taints").as_array().size(), 1U);
}

}  // namespace
}  // namespace sedna::node
