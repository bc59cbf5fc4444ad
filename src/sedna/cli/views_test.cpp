#include <map>

#include <gtest/gtest.h>

#include "sedna/cli/describe.hpp"
#include "sedna/cli/edge_figures.hpp"
#include "sedna/cli/fake_cluster.hpp"
#include "sedna/cli/get.hpp"
#include "sedna/cli/open.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/port_forward.hpp"
#include "sedna/cli/remove.hpp"
#include "sedna/cli/run_service.hpp"
#include "sedna/cli/server_table.hpp"
#include "sedna/cli/status.hpp"
#include "sedna/cli/text_table.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::cli {
namespace {

json::object object(std::string_view yaml) {
  return json::parse_yaml_one(yaml).value().as_object();
}

struct Screen {
  std::string out, err;
  Console console = Console::capture(out, err);
};

constexpr const char* kService = R"(
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: digits, namespace: default}
spec:
  edgeWorker:
    model: {name: little}
    hardExampleMining: {name: MSP, parameters: [{key: threshold, value: "0.3"}]}
    template: {spec: {nodeName: edge0, containers: [{name: e, image: x/edge:v1}]}}
  cloudWorker:
    model: {name: big}
    template: {spec: {nodeName: cloud0, containers: [{name: c, image: x/cloud:v1}]}}
)";

constexpr const char* kCrashing = R"(
apiVersion: v1
kind: Pod
metadata:
  name: digits-edge
  namespace: default
  creationTimestamp: "2026-01-01T00:00:00Z"
  labels:
    jointinferenceservice.sedna.io/name: digits
    jointinferenceservice.sedna.io/worker-type: edge
spec: {nodeName: edge0, containers: [{name: main, image: x}]}
status:
  phase: Running
  containerStatuses:
  - name: main
    ready: false
    restartCount: 4
    state: {waiting: {reason: CrashLoopBackOff, message: "back-off 40s"}}
    lastState: {terminated: {exitCode: 137, reason: OOMKilled}}
)";

// HOME-1.6
TEST(PodSummary, SpeaksAsKubectl) {
  const PodSummary p = summarise_pod(object(kCrashing));
  EXPECT_EQ(p.status, "CrashLoopBackOff");
  EXPECT_EQ(p.ready, "0/1");
  EXPECT_EQ(p.restarts, 4);
  EXPECT_EQ(p.owner, "digits");
  EXPECT_EQ(p.owner_kind, "jointinferenceservice");
  EXPECT_EQ(p.worker_type, "edge");
  EXPECT_FALSE(p.healthy);
  EXPECT_NE(p.message.find("137 (OOMKilled)"), std::string::npos) << p.message;
  EXPECT_NE(advice_for(p).find("sedna logs -p digits-edge -c main"), std::string::npos) << advice_for(p);
}

// HOME-1.6
TEST(PodSummary, InitContainersAndPlacement) {
  const PodSummary init = summarise_pod(object(R"({
    metadata: {name: a}, spec: {containers: [{name: m}]},
    status: {phase: Pending, initContainerStatuses: [
      {name: storage-initializer, state: {terminated: {exitCode: 1, reason: Error, message: "no such bucket"}}}]}})"));
  EXPECT_EQ(init.status, "Init:Error");
  EXPECT_EQ(init.message, "no such bucket");
  EXPECT_EQ(init.container, "storage-initializer");
  const PodSummary lost = summarise_pod(object(R"({
    metadata: {name: a}, spec: {containers: [{name: m}]},
    status: {phase: Pending, conditions: [
      {type: PodScheduled, status: "False", reason: Unschedulable, message: "no node edge-9"}]}})"));
  EXPECT_EQ(lost.status, "Unschedulable");
  EXPECT_EQ(lost.message, "no node edge-9");
}

struct ViewsTest : ::testing::Test {
  FakeCluster cluster;
  Screen screen;

  void SetUp() override {
    ASSERT_TRUE(cluster.api().create(api::kinds::kJointInferenceService, object(kService), {}).ok());
    json::object pod = object(kCrashing);
    const json::object status = pod["status"].as_object();
    auto created = cluster.api().create(api::kinds::kPod, pod, {});
    ASSERT_TRUE(created.ok()) << created.status().message;
    created->insert_or_assign("status", status);
    ASSERT_TRUE(cluster.api().update_status(api::kinds::kPod, *created, {}).ok());
  }
};

// HOME-1.6
TEST_F(ViewsTest, StatusSaysWhatIsWrongAndWhatToDo) {
  EXPECT_EQ(status(cluster, screen.console, StatusOptions()), 1);
  for (const char* text : {"jointinferenceservice/digits", "0/1", "CrashLoopBackOff", "What is wrong",
                           "sedna logs -p digits-edge", "nodes: there is none"}) {
    EXPECT_NE(screen.out.find(text), std::string::npos) << text << "\n" << screen.out;
  }
}

// HOME-1.6
TEST_F(ViewsTest, DescribeTellsTheWholeStory) {
  DescribeOptions options;
  options.words = {"ji", "digits"};
  options.scope.ns = "default";
  EXPECT_EQ(describe(cluster, screen.console, options), 0);
  for (const char* text : {"filter MSP threshold=0.3", "model big", "digits-edge", "What to do", "none yet"}) {
    EXPECT_NE(screen.out.find(text), std::string::npos) << text << "\n" << screen.out;
  }
  options.words = {"ji", "nope"};
  EXPECT_EQ(describe(cluster, screen.console, options), 1);
  EXPECT_NE(screen.err.find("NotFound"), std::string::npos);
}

// HOME-1.6
TEST_F(ViewsTest, SecretsAreNotShown) {
  json::object secret = object(
      "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: default}, "
      "data: {key: c2VjcmV0}}");
  ASSERT_TRUE(cluster.api().create(api::kinds::kSecret, secret, {}).ok());
  DescribeOptions options;
  options.words = {"secret/s"};
  options.scope.ns = "default";
  EXPECT_EQ(describe(cluster, screen.console, options), 0);
  EXPECT_EQ(screen.out.find("c2VjcmV0"), std::string::npos) << screen.out;
}

// HOME-1.5
TEST_F(ViewsTest, DeleteNeedsANameOrAll) {
  RemoveOptions options;
  options.words = {"ji"};
  options.scope.ns = "default";
  EXPECT_THROW(remove(cluster, screen.console, options), Error);
  options.words = {"ji", "digits"};
  EXPECT_EQ(remove(cluster, screen.console, options), 0);
  EXPECT_EQ(screen.out, "jointinferenceservice.sedna.io \"digits\" deleted\n");
  EXPECT_EQ(remove(cluster, screen.console, options), 1);
  options.ignore_not_found = true;
  EXPECT_EQ(remove(cluster, screen.console, options), 0);
}

// HOME-1.5
TEST_F(ViewsTest, DeleteSaysWhatItWaitsFor) {
  json::object held = object(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: default, "
      "finalizers: [example.com/keep]}}");
  ASSERT_TRUE(cluster.api().create(api::kinds::kConfigMap, held, {}).ok());
  RemoveOptions options;
  options.words = {"cm/held"};
  options.scope.ns = "default";
  options.timeout = std::chrono::seconds(0);
  EXPECT_EQ(remove(cluster, screen.console, options), 1);
  EXPECT_NE(screen.err.find("its finalizer example.com/keep"), std::string::npos) << screen.err;
}

/// Its garbage collector takes the service's Deployment before anybody looks.
class QuicklyCollected : public FakeCluster {
 public:
  store::ApiServer& api() override {
    auto& server = FakeCluster::api();
    if (server.get(api::kinds::kJointInferenceService, "default", "digits").status().is_not_found()) {
      static_cast<void>(server.remove(api::kinds::kDeployment, "default", "digits-edge", {}));
    }
    return server;
  }
};

// HOME-1.5
TEST(Delete, WaitsForPodsWhoseDeploymentIsGoneAlready) {
  QuicklyCollected cluster;
  Screen screen;
  auto& server = cluster.FakeCluster::api();
  const auto owned_by = [](json::object owned, const api::Object& owner) {
    owned["metadata"].as_object()["ownerReferences"] =
        json::array{json::object{{"apiVersion", api::api_version_of(owner)},
                                 {"kind", api::kind_of(owner)},
                                 {"name", api::name_of(owner)},
                                 {"uid", api::uid_of(owner)},
                                 {"controller", true}}};
    return owned;
  };
  const auto service = server.create(api::kinds::kJointInferenceService, object(kService), {}).value();
  const auto deployment = server
                              .create(api::kinds::kDeployment,
                                      owned_by(object(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: digits-edge, namespace: default}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: main, image: x}]}}
)"),
                                               service),
                                      {})
                              .value();
  server.create(api::kinds::kPod, owned_by(object(kCrashing), deployment), {}).value();
  RemoveOptions options;
  options.words = {"ji/digits"};
  options.scope.ns = "default";
  options.timeout = std::chrono::seconds(0);
  EXPECT_EQ(remove(cluster, screen.console, options), 1);
  EXPECT_NE(screen.err.find("pod/digits-edge still to go"), std::string::npos) << screen.err;
}

// HOME-1.4
TEST_F(ViewsTest, GetShowsTheServersTable) {
  cluster.bodies["/apis/sedna.io/v1alpha1/namespaces/default/jointinferenceservices"] = R"({"kind":"Table",
    "metadata":{"resourceVersion":"7"},
    "columnDefinitions":[{"name":"Name","priority":0},{"name":"Status","priority":0},{"name":"Reason","priority":1}],
    "rows":[{"cells":["digits","Running",null],"object":{"metadata":{"name":"digits","namespace":"default"}}}]})";
  GetOptions options;
  options.words = {"ji"};
  options.scope.ns = "default";
  EXPECT_EQ(get(cluster, screen.console, options), 0) << screen.err;
  EXPECT_EQ(screen.out, "NAME     STATUS\ndigits   Running\n");
  screen.out.clear();
  options.output = Output::parse("wide");
  EXPECT_EQ(get(cluster, screen.console, options), 0);
  EXPECT_EQ(screen.out, "NAME     STATUS    REASON\ndigits   Running   <none>\n");
  screen.out.clear();
  options.output = Output::parse("name");
  EXPECT_EQ(get(cluster, screen.console, options), 0);
  EXPECT_EQ(screen.out, "jointinferenceservice.sedna.io/digits\n");
  screen.out.clear();
  options.words = {"ji/digits"};
  options.output = Output::parse("jsonpath={.spec.cloudWorker.model.name}");
  EXPECT_EQ(get(cluster, screen.console, options), 0);
  EXPECT_EQ(screen.out, "big");
  options.words = {"nonsense"};
  EXPECT_THROW(get(cluster, screen.console, options), Error);
}

// HOME-1.4
TEST(ServerTable, CellsCannotForgeLines) {
  const auto table = ServerTable::parse(
      json::parse(R"({"kind":"Table","columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a\nb"]}]})").value());
  EXPECT_EQ(table->rows[0].cells[0], "a b");
}

// HOME-1.6
TEST(EdgeFigures, AreReadFromTheStatus) {
  const auto figures = edge_figures_of(object(R"({
    status: {edgeWorkers: [{name: w, node: edge0, ready: true, updateTime: "2026-01-01T00:00:00Z",
      figures: {inferences: 540, hardExamples: 62, uploadRatio: 0.1148, uploadBytes: 27776, fallbacks: 1,
                latencyMilliseconds: {p50: 0.093, p99: 12.5}, errors: {timeout: 3, refused: 0}}}]}})"));
  ASSERT_EQ(figures.size(), 1U);
  Screen screen;
  const std::string text = render_edge_figures(screen.console, figures);
  for (const char* part : {"540", "11.5%", "27.8 kB", "0.093 ms", "12 ms", "timeout 3"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

// HOME-2.8
TEST(Text, DurationsAndNumbers) {
  using std::chrono::seconds;
  EXPECT_EQ(human_duration(seconds(119)), "119s");
  EXPECT_EQ(human_duration(seconds(305)), "5m5s");
  EXPECT_EQ(human_duration(seconds(3600 * 5)), "5h");
  EXPECT_EQ(human_duration(seconds(86400 * 3 + 3600 * 4)), "3d4h");
  EXPECT_EQ(with_thousands(27776), "27,776");
  EXPECT_EQ(with_thousands(-1234567), "-1,234,567");
  EXPECT_EQ(text_width("é…"), 2U);
}

// HOME-2.6
TEST(RunService, NamesAndForwards) {
  EXPECT_EQ(object_name_of("/x/Small Model_v2.onnx"), "small-model-v2");
  EXPECT_EQ(object_name_of("___.onnx"), "service");
  EXPECT_EQ(parse_forward("8080:5001").local, 8080);
  EXPECT_EQ(parse_forward(":5001").local, 0);
  EXPECT_EQ(parse_forward("5001").local, 5001);
  for (const char* bad : {"", "a", "1:2:3", "70000", "0"}) EXPECT_THROW(parse_forward(bad), Error) << bad;
}

// HOME-1.8
TEST(Open, TheBrowserNeedsADisplay) {
  std::map<std::string, std::string> env;
  const auto variable = [&](const char* name) { return env[name]; };
  const auto all = [](const std::string&) { return true; };
  EXPECT_EQ(browser_program(variable, all), std::nullopt);
  env["DISPLAY"] = ":0";
  EXPECT_EQ(browser_program(variable, all), "xdg-open");
  EXPECT_EQ(browser_program(variable, [](const std::string& name) { return name == "sensible-browser"; }),
            "sensible-browser");
  EXPECT_EQ(browser_program(variable, [](const std::string&) { return false; }), std::nullopt);
  env["BROWSER"] = "firefox:w3m";
  EXPECT_EQ(browser_program(variable, all), "firefox");
  env["BROWSER"] = "firefox --new %s";
  EXPECT_EQ(browser_program(variable, all), "xdg-open");
}

// HOME-1.8
TEST_F(ViewsTest, OpenFindsWhatIsMeantAndItsPort) {
  auto service = object(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
      "spec":{"ports":[{"name":"https-0","port":8443,"targetPort":5000},{"name":"http","port":80}]}})");
  ASSERT_TRUE(cluster.api().create(api::kinds::kService, service, {}));
  OpenOptions options;
  options.ns = "default";
  options.what = "web";
  auto target = find_open_target(cluster, options);
  EXPECT_EQ(target.what, "svc/web");
  EXPECT_EQ(target.port, 8443);
  EXPECT_EQ(target.scheme, "https");
  options.port = 80;
  options.what = "svc/web";
  target = find_open_target(cluster, options);
  EXPECT_EQ(target.port, 80);
  EXPECT_EQ(target.scheme, "http");
  options.what = "nothing";
  EXPECT_THROW(find_open_target(cluster, options), Error);
}

}  // namespace
}  // namespace sedna::cli
