#include "sedna/node/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/node/hosts.hpp"
#include "sedna/node/images.hpp"
#include "sedna/node/plain_mode.hpp"
#include "sedna/node/service_proxy.hpp"

namespace sedna::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

api::Object object(std::string_view text) {
  return json::parse(text).value().as_object();
}

const DataLookup kLookup = [](Source source, const std::string& name) -> Result<std::optional<Data>> {
  if (name == "away") return Error(ErrorCode::kUnavailable, "the server is away");
  if (name == "gone") return std::optional<Data>();
  return std::optional<Data>(Data{{"k", source == Source::kSecret ? "secret!" : "value"}, {"j", "2"}});
};

TEST(Environment, TakesLiteralsReferencesAndVariables) {
  const auto pod = object(R"({"metadata":{"name":"p","namespace":"ns","uid":"u","labels":{"a":"b"}}})");
  const auto container = object(R"js({"resources":{"limits":{"cpu":"1500m","memory":"64Mi"}},
    "envFrom":[{"prefix":"X_","configMapRef":{"name":"cm"}},{"secretRef":{"name":"gone","optional":true}}],
    "env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)-$(NONE)-$$(A)"},
      {"name":"HOST_IP","valueFrom":{"fieldRef":{"fieldPath":"status.hostIP"}}},
      {"name":"LC_SERVER","value":"http://$(HOST_IP):9100"},
      {"name":"L","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['a']"}}},
      {"name":"S","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}},
      {"name":"O","valueFrom":{"configMapKeyRef":{"name":"cm","key":"nokey","optional":true}}},
      {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},
      {"name":"MEM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}},
      {"name":"A","value":"again"}]})js");
  PodFacts facts;
  facts.host_ip = "10.77.1.1";
  const auto env = container_environment(pod, container, facts, kLookup);
  ASSERT_TRUE(env) << env.error().what();
  EXPECT_THAT(*env, ElementsAre(Pair("X_k", "value"), Pair("X_j", "2"), Pair("A", "again"), Pair("B", "1-$(NONE)-$(A)"),
                                Pair("HOST_IP", "10.77.1.1"), Pair("LC_SERVER", "http://10.77.1.1:9100"),
                                Pair("L", "b"), Pair("S", "secret!"), Pair("CPU", "2"), Pair("MEM", "64")));
}

TEST(Environment, SaysWhatIsMissing) {
  const auto pod = object(R"({"metadata":{"name":"p","namespace":"ns"}})");
  const auto one = [&](std::string_view from) {
    const auto container = object(R"({"env":[{"name":"E","valueFrom":)" + std::string(from) + "}]}");
    const auto env = container_environment(pod, container, {}, kLookup);
    return env ? std::string() : env.error().message();
  };
  EXPECT_EQ(one(R"({"secretKeyRef":{"name":"gone","key":"k"}})"), "secret \"gone\" not found");
  EXPECT_EQ(one(R"({"configMapKeyRef":{"name":"cm","key":"x"}})"), "couldn't find key x in ConfigMap ns/cm");
  EXPECT_EQ(one(R"({"secretKeyRef":{"name":"away","key":"k"}})"), "the server is away");
  EXPECT_THAT(one(R"({"fieldRef":{"fieldPath":"spec.nonsense"}})"), HasSubstr("unsupported fieldPath"));
}

TEST(Images, CombineAsKubernetesDoes) {
  const auto images = ImageMap::parse(
      "repo/big:v1: {command: [python3, run.py], args: [--a], cwd: app, env: {E: '1'}}\n"
      "repo/small: sh -c true\n",
      "/base");
  ASSERT_TRUE(images) << images.error().what();
  const auto argv = [&](std::string_view container) {
    const auto r = resolve_invocation(object(container), *images);
    return r ? r->argv : std::vector<std::string>{"!" + r.error().message()};
  };
  EXPECT_THAT(argv(R"({"image":"repo/big:v1"})"), ElementsAre("python3", "run.py", "--a"));
  EXPECT_THAT(argv(R"({"image":"repo/big:v1","args":["b"]})"), ElementsAre("python3", "run.py", "b"));
  EXPECT_THAT(argv(R"({"image":"repo/big:v1","command":["c"],"args":["b"]})"), ElementsAre("c", "b"));
  EXPECT_THAT(argv(R"({"image":"repo/small:any"})"), ElementsAre("/bin/sh", "-c", "sh -c true"));
  EXPECT_THAT(argv(R"({"image":"other"})"), ElementsAre(HasSubstr("sedna up --images FILE")));
  EXPECT_EQ(resolve_invocation(object(R"({"image":"repo/big:v1"})"), *images)->cwd, "/base/app");
  EXPECT_TRUE(is_storage_initializer("kubeedge/sedna-storage-initializer:v0.3.0"));
  EXPECT_FALSE(is_storage_initializer("x/other-sedna-storage-initializer"));
  EXPECT_FALSE(ImageMap::parse("a: {cmd: [x]}", "/"));
  EXPECT_FALSE(ImageMap::parse("a: {command: []}", "/"));
}

TEST(Hosts, NamesAsKubernetes) {
  const std::vector<ServiceName> services{{"default", "ji-cloud", {"10.96.0.1"}}, {"other", "web", {"10.96.0.2"}}};
  const auto text = hosts_text("default", "pod", "10.77.1.2", services);
  EXPECT_THAT(
      text,
      HasSubstr("10.96.0.1\tji-cloud ji-cloud.default ji-cloud.default.svc ji-cloud.default.svc.cluster.local\n"));
  EXPECT_THAT(text, HasSubstr("10.96.0.2\tweb.other web.other.svc web.other.svc.cluster.local\n"));
  EXPECT_THAT(text, HasSubstr("10.77.1.2\tpod\n"));
  EXPECT_EQ(replace_service_names("default", "ji-cloud.default", services), "10.96.0.1");
  EXPECT_EQ(replace_service_names("default", "http://ji-cloud.default:5000/x", services), "http://10.96.0.1:5000/x");
  EXPECT_EQ(replace_service_names("default", "http://ji-cloud:5000", services), "http://10.96.0.1:5000");
  EXPECT_EQ(replace_service_names("default", "ji-cloud", services), "ji-cloud");  // may mean anything
  EXPECT_EQ(replace_service_names("default", "my-ji-cloud.default", services), "my-ji-cloud.default");
}

TEST(PlainMode, RewritesPathsOfMounts) {
  const std::vector<SandboxMount> mounts{{"/models/big", "/home/data/models/big", false}, {"/d", "/home/data", false}};
  EXPECT_EQ(rewrite_paths(mounts, "/home/data/models/big/a.onnx"), "/models/big/a.onnx");
  EXPECT_EQ(rewrite_paths(mounts, "/home/data/x;/home/data/models/big/y"), "/d/x;/models/big/y");
  EXPECT_EQ(rewrite_paths(mounts, "@/home/data/x"), "@/d/x");
  EXPECT_EQ(rewrite_paths(mounts, "/home/database"), "/home/database");
  EXPECT_EQ(rewrite_paths(mounts, "text"), "text");
}

// HOME-2.13
TEST(PlainMode, WorkersServeAndReportAtAddressesOfTheirOwn) {
  Environment environment{{"EDGE_BIND_IP", "0.0.0.0"}, {"LC_SERVER", "http://localhost:9100"}};
  set_plain_addresses("127.70.3.2", "127.70.3.1", environment);
  EXPECT_EQ(environment, (Environment{{"EDGE_BIND_IP", "0.0.0.0"},  // told: kept
                                      {"LC_SERVER", "http://127.70.3.1:9100"},
                                      {"BIG_MODEL_BIND_IP", "127.70.3.2"},
                                      {"AGG_BIND_IP", "127.70.3.2"}}));
  Environment elsewhere{{"LC_SERVER", "http://10.1.2.3:9100"}};
  set_plain_addresses("127.70.3.2", "127.70.3.1", elsewhere);
  EXPECT_EQ(elsewhere.front().second, "http://10.1.2.3:9100");
}

TEST(ProxyTable, KeepsPortMappingAndLeavesOutWhatIsNotReady) {
  const auto pointer = [](std::string_view text) { return std::make_shared<const api::Object>(object(text)); };
  const auto service = pointer(R"({"metadata":{"name":"s","namespace":"n"},"spec":{"clusterIP":"10.96.0.1",
    "ports":[{"name":"a","port":80},{"name":"b","port":81},{"name":"u","port":53,"protocol":"UDP"}]}})");
  const auto slice = pointer(R"({"metadata":{"name":"s-1","namespace":"n","labels":{"kubernetes.io/service-name":"s"}},
    "ports":[{"name":"a","port":5000}],"endpoints":[
      {"addresses":["10.77.1.2"],"conditions":{"ready":true}},{"addresses":["10.77.1.3"],"conditions":{"ready":false}}]})");
  const auto table = proxy_table({service}, {slice});
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(table.begin()->first, std::pair(std::string("10.96.0.1"), std::uint16_t{80}));
  EXPECT_EQ(table.begin()->second, (std::vector<Backend>{{"10.77.1.2", 5000}}));
}

}  // namespace
}  // namespace sedna::node
