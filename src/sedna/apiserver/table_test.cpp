#include "sedna/apiserver/table.hpp"

#include <gtest/gtest.h>

#include "sedna/json/json.hpp"

namespace sedna::apiserver {
namespace {

using std::chrono::seconds;

json::array cells_of(const api::Kind& kind, std::string_view text) {
  const auto object = json::parse(text).value();
  const auto row = json::parse(table_row(kind, object.get_object(), "None")).value();
  return row.get_object().at("cells").get_array();
}

TEST(Table, AgesReadAsKubectlPrintsThem) {
  EXPECT_EQ(human_duration(seconds(5)), "5s");
  EXPECT_EQ(human_duration(seconds(119)), "119s");
  EXPECT_EQ(human_duration(seconds(125)), "2m5s");
  EXPECT_EQ(human_duration(seconds(660)), "11m");
  EXPECT_EQ(human_duration(seconds(3 * 3600)), "3h");
  EXPECT_EQ(human_duration(seconds(3 * 3600 + 120)), "3h2m");
  EXPECT_EQ(human_duration(seconds(49 * 3600)), "2d1h");
  EXPECT_EQ(human_duration(seconds(400 * 86400)), "400d");
}

TEST(Table, EveryKindHasAsManyCellsAsColumns) {
  for (const api::Kind* kind : api::all_kinds()) {
    const api::Object object = api::new_object(*kind, kind->namespaced ? "default" : "", "x");
    const auto row = json::parse(table_row(*kind, object, "Metadata")).value();
    EXPECT_EQ(row.get_object().at("cells").get_array().size(), columns_of(*kind).size()) << kind->kind;
    EXPECT_EQ(api::string_at(row.get_object(), {"object", "kind"}), "PartialObjectMetadata");
  }
}

TEST(Table, PodsSayWhatTheyWaitFor) {
  const json::array crashing = cells_of(api::kinds::kPod, R"({"metadata":{"name":"p"},"spec":{"nodeName":"edge0",
    "containers":[{"name":"c"}]},"status":{"phase":"Running","podIP":"10.0.0.7","containerStatuses":[{"restartCount":3,
    "ready":false,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})");
  EXPECT_EQ(crashing[1], "0/1");
  EXPECT_EQ(crashing[2], "CrashLoopBackOff");
  EXPECT_EQ(crashing[3], "3");
  EXPECT_EQ(crashing[5], "10.0.0.7");
  const json::array initializing = cells_of(api::kinds::kPod, R"({"metadata":{"name":"p"},"spec":{"containers":[{}],
    "initContainers":[{},{}]},"status":{"phase":"Pending","initContainerStatuses":[
    {"state":{"terminated":{"exitCode":0}}},{"state":{"running":{}}}]}})");
  EXPECT_EQ(initializing[2], "Init:1/2");
  const json::array ending = cells_of(api::kinds::kPod, R"({"metadata":{"name":"p",
    "deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running"}})");
  EXPECT_EQ(ending[2], "Terminating");
  const json::array failed = cells_of(api::kinds::kPod, R"({"metadata":{"name":"p"},"spec":{"containers":[{}]},
    "status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3,"reason":"OOMKilled"}}}]}})");
  EXPECT_EQ(failed[2], "OOMKilled");
}

TEST(Table, NodesShowRolesAndReadiness) {
  const json::array node = cells_of(api::kinds::kNode, R"({"metadata":{"name":"edge0","labels":
    {"node-role.kubernetes.io/edge":""}},"spec":{"unschedulable":true},"status":{"conditions":
    [{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"10.0.0.2"}]}})");
  EXPECT_EQ(node[1], "Ready,SchedulingDisabled");
  EXPECT_EQ(node[2], "edge");
  EXPECT_EQ(node[5], "10.0.0.2");
}

}  // namespace
}  // namespace sedna::apiserver
