#include "sedna/cluster/endpoints.hpp"

#include <gtest/gtest.h>

#include "sedna/cluster/test_objects.hpp"

namespace sedna::cluster {
namespace {

api::Object service() {
  return test::object(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"default","uid":"u"},
    "spec":{"clusterIP":"10.96.0.1","selector":{"app":"x"},"ports":[{"name":"tcp-0","port":5000,"targetPort":"main"}]}})");
}

control::ObjectPtr pod(std::string_view name, std::string_view ip, bool ready, std::string_view extra = {}) {
  auto out = test::object(R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","labels":{"app":"x"}},
    "spec":{"nodeName":"n","containers":[{"ports":[{"name":"main","containerPort":8080}]}]},"status":{}})");
  out["metadata"].as_object()["name"] = name;
  out["metadata"].as_object()["uid"] = name;
  if (extra == "deleting") out["metadata"].as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  out["status"] =
      json::object{{"podIP", ip},
                   {"phase", extra == "failed" ? "Failed" : "Running"},
                   {"conditions", json::array{json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}};
  return test::pointer(std::move(out));
}

TEST(Endpoints, OneSliceWithThePodsOfTheSelector) {
  const auto slices = endpoint_slices(
      service(), {pod("a", "10.1.0.1", true), pod("b", "10.1.0.2", false), pod("c", "10.1.0.3", true, "deleting"),
                  pod("d", "10.1.0.4", true, "failed"), pod("e", "", false)});
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(api::label(slices[0], kServiceNameLabel), "s");
  EXPECT_EQ(slices[0].at("ports").at(0).at("port").as_int64(), 8080);
  EXPECT_EQ(slices[0].at("ports").at(0).at("name").as_string(), "tcp-0");
  const auto& endpoints = slices[0].at("endpoints").as_array();
  ASSERT_EQ(endpoints.size(), 3U);
  EXPECT_TRUE(endpoints[0].at("conditions").at("ready").as_bool());
  EXPECT_FALSE(endpoints[1].at("conditions").at("ready").as_bool());
  EXPECT_FALSE(endpoints[2].at("conditions").at("ready").as_bool());
  EXPECT_TRUE(endpoints[2].at("conditions").at("serving").as_bool());
  EXPECT_TRUE(endpoints[2].at("conditions").at("terminating").as_bool());
  EXPECT_TRUE(same_slice(slices[0], endpoint_slices(service(), {pod("a", "10.1.0.1", true), pod("b", "10.1.0.2", false),
                                                                pod("c", "10.1.0.3", true, "deleting")})[0]));
}

TEST(Endpoints, AnEmptySliceWithoutPodsAndNoneWithoutSelector) {
  const auto slices = endpoint_slices(service(), {});
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_TRUE(slices[0].at("endpoints").as_array().empty());
  auto without = service();
  without["spec"].as_object().erase("selector");
  EXPECT_TRUE(endpoint_slices(without, {pod("a", "10.1.0.1", true)}).empty());
}

}  // namespace
}  // namespace sedna::cluster
