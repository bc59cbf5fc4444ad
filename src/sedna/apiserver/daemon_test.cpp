// The whole server as clients see it: TLS, tokens, paths, bodies.
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/api/object.hpp"
#include "sedna/apiserver/apiserver.hpp"
#include "sedna/apiserver/state_folder.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/json/json.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/store/kube/kube_client.hpp"
#include "sedna/store/kube/kubeconfig.hpp"

namespace sedna::apiserver {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const auto kPatience = std::chrono::seconds(20);
constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";
constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
constexpr std::string_view kDatasets = "/apis/sedna.io/v1alpha1/namespaces/default/datasets";

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() : state(fs::temp_directory_path() / ("sedna-apiserver-" + random_hex(6))) { start(); }
  ~DaemonTest() override {
    daemon.reset();
    fs::remove_all(state);
  }

  void start() {
    daemon.reset();
    registry = std::make_unique<metrics::Registry>();
    DaemonOptions options;
    options.state = state.string();
    options.nodes = {"edge0"};
    daemon = std::make_unique<Daemon>(options, *registry);
    daemon->start();
  }

  net::HttpClientOptions client_options(const std::string& name) {
    net::HttpClientOptions options;
    options.tls.ca_file = (state / "ca.pem").string();
    if (!name.empty()) options.bearer_token = *StateFolder(state).known_token(name);
    return options;
  }

  struct Answer {
    int status = 0;
    json::value body;
    net::Headers headers;
    std::string message() const {
      return body.is_object() ? std::string(api::string_at(body.get_object(), {"message"})) : std::string();
    }
    const json::object& object() const { return body.get_object(); }
  };
  Answer ask(std::string method, std::string_view target, std::string body = {}, std::string type = "application/json",
             std::string accept = {}, const std::string& who = "admin") {
    net::HttpClient client(daemon->url(), client_options(who));
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = target;
    if (!body.empty()) {
      request.body.push_back(Bytes::from_string(std::move(body)));
      request.headers.add("Content-Type", std::move(type));
    }
    if (!accept.empty()) request.headers.add("Accept", std::move(accept));
    const auto outcome = client.exchange(request, Deadline::after(kPatience));
    if (!outcome.response) throw Error(outcome.failure->error);
    auto parsed = json::parse(outcome.response->body.text());
    return {outcome.response->status, parsed ? *std::move(parsed) : json::value(), outcome.response->headers};
  }
  Answer get(std::string_view target, std::string accept = {}) { return ask("GET", target, {}, {}, std::move(accept)); }
  Answer make_map(const std::string& name) {
    return ask("POST", kMaps, R"({"metadata":{"name":")" + name + R"(","labels":{"app":"x"}},"data":{"k":"v"}})");
  }

  fs::path state;
  std::unique_ptr<metrics::Registry> registry;
  std::unique_ptr<Daemon> daemon;
};

TEST_F(DaemonTest, NobodyGetsInWithoutAToken) {
  const Answer answer = ask("GET", kPods, {}, {}, {}, "");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(api::string_at(answer.object(), {"reason"}), "Unauthorized");
  EXPECT_EQ(ask("GET", "/healthz", {}, {}, {}, "").status, 200);
}

TEST_F(DaemonTest, FilesAreTheirOwnersAlone) {
  for (const char* name : {"kubeconfig", "kubeconfigs/gm", "kubeconfigs/node-edge0", "kubeconfigs/lc-edge0", "tokens",
                           "ca-key.pem", "server-key.pem", "objects.db", "objects.db-wal"}) {
    const auto mode = fs::status(state / name).permissions();
    EXPECT_EQ(mode & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write) << name;
  }
}

TEST_F(DaemonTest, AnswersDiscovery) {
  EXPECT_EQ(api::string_at(get("/api").object(), {"kind"}), "APIVersions");
  EXPECT_EQ(get("/apis").object().at("groups").get_array().size(), 5U);
  EXPECT_EQ(get("/apis/sedna.io/v1alpha1").object().at("resources").get_array().size(), 22U);
  const std::string wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const Answer aggregated = get("/apis", wanted);
  EXPECT_EQ(api::string_at(aggregated.object(), {"kind"}), "APIGroupDiscoveryList");
  EXPECT_THAT(std::string(aggregated.headers.get("Content-Type")), HasSubstr("as=APIGroupDiscoveryList"));
  EXPECT_EQ(api::string_at(get("/version").object(), {"minor"}), "34");
  const Answer index = get("/openapi/v3");
  EXPECT_TRUE(api::object_at(index.object(), {"paths", "apis/sedna.io/v1alpha1"}));
  const Answer document = get("/openapi/v3/api/v1");
  EXPECT_TRUE(api::object_at(document.object(), {"components", "schemas", "io.k8s.api.core.v1.Pod"}));
}

TEST_F(DaemonTest, MakesReadsChangesAndRemovesObjects) {
  EXPECT_EQ(make_map("c").status, 201);
  const std::string path = std::string(kMaps) + "/c";
  EXPECT_EQ(api::string_at(get(path).object(), {"data", "k"}), "v");
  const auto patch = [&](const char* type, const char* body) { return ask("PATCH", path, body, type); };
  EXPECT_EQ(patch("application/merge-patch+json", R"({"data":{"m":"1"}})").status, 200);
  EXPECT_EQ(patch("application/json-patch+json", R"([{"op":"add","path":"/data/j","value":"2"}])").status, 200);
  EXPECT_EQ(patch("application/strategic-merge-patch+json", R"({"data":{"k":null}})").status, 200);
  const Answer now = get(path);
  EXPECT_EQ(api::object_at(now.object(), {"data"})->size(), 2U);
  const Answer applied = patch("application/apply-patch+yaml", "data: {}");
  EXPECT_EQ(applied.status, 415);
  EXPECT_THAT(applied.message(), HasSubstr("server-side apply is not available"));

  json::object changed = now.object();
  changed["metadata"].get_object()["resourceVersion"] = "2";
  const Answer conflict = ask("PUT", path, json::write(changed));
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(api::string_at(conflict.object(), {"reason"}), "Conflict");

  const Answer removed = ask("DELETE", path);
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(api::string_at(removed.object(), {"status"}), "Success");
  EXPECT_EQ(get(path).status, 404);
}

TEST_F(DaemonTest, UnknownFieldsAreRefusedWarnedOfOrPassedOver) {
  const std::string body = R"({"apiVersion":"sedna.io/v1alpha1","kind":"Dataset","metadata":{"name":"d"},
    "spec":{"url":"/x","format":"txt","nodeName":"n","colour":"red"}})";
  const Answer strict = ask("POST", std::string(kDatasets) + "?fieldValidation=Strict", body);
  EXPECT_EQ(strict.status, 400);
  EXPECT_THAT(strict.message(), HasSubstr("unknown field \"spec.colour\""));
  const Answer warned = ask("POST", std::string(kDatasets) + "?fieldValidation=Warn&dryRun=All", body);
  EXPECT_EQ(warned.status, 201);
  EXPECT_THAT(std::string(warned.headers.get("Warning")), HasSubstr("spec.colour"));
  EXPECT_EQ(get(std::string(kDatasets) + "/d").status, 404) << "a dry run";
  const Answer ignored = ask("POST", std::string(kDatasets) + "?fieldValidation=Ignore", body);
  EXPECT_EQ(ignored.status, 201);
  EXPECT_FALSE(ignored.headers.find("Warning"));
  const Answer invalid = ask("POST", kDatasets, R"({"apiVersion":"sedna.io/v1alpha1","kind":"Dataset",
    "metadata":{"name":"e"},"spec":{}})");
  EXPECT_EQ(invalid.status, 422);
  EXPECT_GE(api::array_at(invalid.object(), {"details", "causes"})->size(), 2U);
}

TEST_F(DaemonTest, ListsAsObjectsTablesAndMetadata) {
  for (const char* name : {"a", "b", "c"}) make_map(name);
  const Answer list = get(std::string(kMaps) + "?labelSelector=app%3Dx&limit=2");
  EXPECT_EQ(api::string_at(list.object(), {"kind"}), "ConfigMapList");
  EXPECT_EQ(list.object().at("items").get_array().size(), 2U);
  EXPECT_EQ(api::int_at(list.object(), {"metadata", "remainingItemCount"}, -1), -1)
      << "with a selector it is not known";
  const std::string token(api::string_at(list.object(), {"metadata", "continue"}));
  EXPECT_EQ(
      get(std::string(kMaps) + "?labelSelector=app%3Dx&continue=" + token).object().at("items").get_array().size(), 1U);
  const Answer table = get(kMaps, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  EXPECT_EQ(api::string_at(table.object(), {"kind"}), "Table");
  EXPECT_EQ(table.object().at("rows").get_array().size(), 3U);
  const Answer partial = get(kMaps, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  EXPECT_EQ(api::string_at(partial.object(), {"kind"}), "PartialObjectMetadataList");
  EXPECT_EQ(get(kMaps, "application/vnd.kubernetes.protobuf").status, 406);
  EXPECT_EQ(get(std::string(kMaps) + "?continue=nonsense").status, 400);
  EXPECT_EQ(ask("DELETE", std::string(kMaps) + "?labelSelector=app%3Dx").object().at("items").get_array().size(), 3U);
}

TEST_F(DaemonTest, BodiesMayBeYamlAndMustBeWhatThePathSays) {
  EXPECT_EQ(ask("POST", kMaps, "metadata: {name: yaml}\ndata: {a: 'on'}\n", "application/yaml").status, 201);
  EXPECT_EQ(ask("POST", kMaps, "{", "application/json").status, 400);
  EXPECT_EQ(ask("POST", kMaps, "x", "application/cbor").status, 415);
  const Answer other = ask("POST", kMaps, R"({"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"z"}})");
  EXPECT_EQ(other.message(), "the API version in the data (v2) does not match the expected API version (v1)");
  const std::string large(4 * 1024 * 1024, 'x');
  EXPECT_EQ(ask("POST", kMaps, R"({"metadata":{"name":"l"},"data":{"x":")" + large + R"("}})").status, 413);
  const std::string medium(2 * 1024 * 1024, 'x');
  const Answer refused = ask("POST", kDatasets,
                             R"({"apiVersion":"sedna.io/v1alpha1","kind":"Dataset","metadata":
    {"name":"l"},"spec":{"format":"txt","nodeName":"n","url":")" +
                                 medium + R"("}})");
  EXPECT_EQ(refused.status, 413) << refused.message();
}

TEST_F(DaemonTest, TypedGoClientsMaySendProtobuf) {
  // As `kubectl create configmap p --from-literal=k=v` sends it.
  const auto tagged = [](char tag, const std::string& text) {
    return std::string(1, tag) + static_cast<char>(text.size()) + text;
  };
  const std::string metadata = tagged('\x0a', "p") + tagged('\x12', "") + tagged('\x42', "");
  const std::string entry = tagged('\x0a', "k") + tagged('\x12', "v");
  const std::string raw = tagged('\x0a', metadata) + tagged('\x12', entry);
  const std::string type = tagged('\x0a', "v1") + tagged('\x12', "ConfigMap");
  const std::string body = std::string("k8s\0", 4) + tagged('\x0a', type) + tagged('\x12', raw);
  ASSERT_EQ(ask("POST", kMaps, body, "application/vnd.kubernetes.protobuf").status, 201);
  const Answer made = get(std::string(kMaps) + "/p");
  EXPECT_EQ(api::string_at(made.object(), {"data", "k"}), "v");
  EXPECT_FALSE(api::find(made.object(), {"metadata", "generateName"}));
  for (std::size_t cut = 0; cut < body.size(); ++cut) {
    EXPECT_NE(ask("POST", kMaps, body.substr(0, cut) + "!", "application/vnd.kubernetes.protobuf").status, 500) << cut;
  }
}

TEST_F(DaemonTest, ScalesDeployments) {
  const std::string path = "/apis/apps/v1/namespaces/default/deployments";
  ASSERT_EQ(ask("POST", path, R"({"metadata":{"name":"w"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":
    {"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})")
                .status,
            201);
  const Answer scale = get(path + "/w/scale");
  EXPECT_EQ(api::int_at(scale.object(), {"spec", "replicas"}), 1);
  EXPECT_EQ(api::string_at(scale.object(), {"status", "selector"}), "a=b");
  EXPECT_EQ(ask("PATCH", path + "/w/scale", R"({"spec":{"replicas":4}})", "application/merge-patch+json").status, 200);
  EXPECT_EQ(api::int_at(get(path + "/w").object(), {"spec", "replicas"}), 4);
  EXPECT_EQ(ask("PATCH", path + "/w/scale", R"({"spec":{"replicas":-1}})", "application/merge-patch+json").status, 422);
}

TEST_F(DaemonTest, WhatIsNotHereIsSaidClearly) {
  EXPECT_THAT(get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").message(), HasSubstr("built in"));
  EXPECT_THAT(get("/apis/rbac.authorization.k8s.io/v1/roles").message(), HasSubstr("fixed roles"));
  EXPECT_THAT(ask("POST", std::string(kPods) + "/p/exec").message(), HasSubstr("exec is not available"));
  EXPECT_THAT(get("/apis/apps/v1/namespaces/default/replicasets?labelSelector=a").message(),
              HasSubstr("own their Pods"));
  make_map("c");
  const Answer orphan = ask("DELETE", std::string(kMaps) + "/c?propagationPolicy=Orphan");
  EXPECT_EQ(orphan.status, 400);
  EXPECT_THAT(orphan.message(), HasSubstr("not available"));
  EXPECT_EQ(get("/api/v1/replicationcontrollers").status, 404);
  EXPECT_EQ(ask("DELETE", "/api/v1/namespaces").status, 405);
}

TEST_F(DaemonTest, RolesBoundWhatTokensMayDo) {
  const auto as = [this](const char* who, const char* method, const std::string& target, std::string body = {}) {
    return ask(method, target, std::move(body), "application/json", {}, who).status;
  };
  const std::string pods(kPods);
  EXPECT_EQ(as("viewer", "GET", pods), 200);
  EXPECT_EQ(as("viewer", "GET", "/api/v1/namespaces/default/secrets"), 403);
  EXPECT_EQ(as("viewer", "POST", std::string(kMaps), R"({"metadata":{"name":"v"}})"), 403);
  EXPECT_EQ(as("lc-edge0", "GET", std::string(kDatasets)), 200);
  EXPECT_EQ(as("lc-edge0", "GET", "/api/v1/namespaces/default/secrets"), 403);
  EXPECT_EQ(as("gm", "POST", std::string(kMaps), R"({"metadata":{"name":"g"}})"), 201);
  EXPECT_EQ(as("gm", "DELETE", "/api/v1/nodes/edge0"), 403);
  EXPECT_EQ(as("viewer", "GET", "/backup"), 403);

  // A node's agent: its own Node, the Pods bound to it, and the Secrets that those name.
  EXPECT_EQ(as("node-edge0", "POST", "/api/v1/nodes", R"({"metadata":{"name":"edge0"}})"), 201);
  EXPECT_EQ(as("node-edge0", "POST", "/api/v1/nodes", R"({"metadata":{"name":"other"}})"), 403);
  const auto pod = [](const char* name, const char* node) {
    return std::string(R"({"metadata":{"name":")") + name + R"("},"spec":{"nodeName":")" + node +
           R"(","containers":[{"name":"c","image":"i","env":[{"name":"E","valueFrom":{"secretKeyRef":
           {"name":"mine","key":"k"}}}]}]}})";
  };
  const std::string mine = pod("mine", "edge0");
  const std::string theirs = pod("theirs", "cloud0");
  ASSERT_EQ(ask("POST", pods, mine).status, 201);
  ASSERT_EQ(ask("POST", pods, theirs).status, 201);
  for (const char* name : {"mine", "other"}) {
    ASSERT_EQ(
        ask("POST", "/api/v1/namespaces/default/secrets", std::string(R"({"metadata":{"name":")") + name + R"("}})")
            .status,
        201);
  }
  EXPECT_EQ(as("node-edge0", "GET", "/api/v1/namespaces/default/secrets/mine"), 200);
  EXPECT_EQ(as("node-edge0", "GET", "/api/v1/namespaces/default/secrets/other"), 403);
  EXPECT_EQ(as("node-edge0", "GET", "/api/v1/namespaces/default/secrets"), 403);
  const std::string running = R"({"status":{"phase":"Running"}})";
  const auto patch = [&](const char* name) {
    return ask("PATCH", pods + "/" + name + "/status", running, "application/merge-patch+json", {}, "node-edge0")
        .status;
  };
  EXPECT_EQ(patch("mine"), 200);
  EXPECT_EQ(patch("theirs"), 403);
}

// HOME-1.9
TEST_F(DaemonTest, OfANodeItsLocalControllerIsPassedOnForWhoMayRead) {
  const std::string node = "/api/v1/nodes/edge0", workers = node + ":9100/proxy/sedna/workers";
  EXPECT_EQ(get(workers).status, 404);
  ASSERT_EQ(
      ask("POST", "/api/v1/nodes", R"({"metadata":{"name":"edge0"}})", "application/json", {}, "node-edge0").status,
      201);
  EXPECT_THAT(get(workers).message(), HasSubstr("has not said yet where it is"));
  const std::string nowhere = R"({"status":{"addresses":[{"type":"InternalIP","address":"127.250.3.9"}]}})";
  ASSERT_EQ(ask("PATCH", node + "/status", nowhere, "application/merge-patch+json").status, 200);
  const Answer silent = get(workers);
  EXPECT_EQ(silent.status, 503);
  EXPECT_THAT(silent.message(), HasSubstr("the local controller of node edge0 does not answer"));
  EXPECT_EQ(ask("GET", workers, {}, {}, {}, "viewer").status, 503);
  for (const char* who : {"gm", "node-edge0", "lc-edge0"})
    EXPECT_EQ(ask("GET", workers, {}, {}, {}, who).status, 403) << who;
  // No other port of it, and nothing but reading.
  for (const std::string& other : {node + ":10250/proxy/", node + "/proxy/x", node + ":/proxy"}) {
    EXPECT_THAT(get(other).message(), HasSubstr("the embedded API server passes on 9100")) << other;
  }
  EXPECT_GE(ask("POST", workers, "{}").status, 400);
}

TEST_F(DaemonTest, NewTokensCountAtOnceAndTheStateSurvivesARestart) {
  make_map("kept");
  StateFolder(state).write_kubeconfig("node-late", daemon->url());
  EXPECT_EQ(ask("GET", kPods, {}, {}, {}, "node-late").status, 200);
  const std::string url = daemon->url();
  start();
  EXPECT_EQ(daemon->url(), url) << "the port stays";
  EXPECT_EQ(get(std::string(kMaps) + "/kept").status, 200);
  DaemonOptions second;
  second.state = state.string();
  metrics::Registry other;
  EXPECT_THROW(Daemon(second, other), Error);
}

TEST_F(DaemonTest, APortThatWasTakenMeanwhileIsReplacedUnlessItWasAskedFor) {
  const std::string url = daemon->url();
  const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  daemon.reset();
  metrics::Registry other;
  serve::ServerOptions squatter;
  squatter.port = port;
  serve::Server taken(squatter, other);
  taken.start();
  start();
  EXPECT_NE(daemon->url(), url);
  EXPECT_EQ(get(kMaps).status, 200);
  daemon.reset();
  DaemonOptions asked;
  asked.state = state.string();
  asked.port = port;
  metrics::Registry mine;
  Daemon insists(asked, mine);
  EXPECT_THROW(insists.start(), Error);
}

TEST_F(DaemonTest, TheKubernetesClientWatchesAndDrainEndsTheWatch) {
  store::KubeConfigOptions where;
  where.file = (state / "kubeconfig").string();
  store::KubeClient client(store::load_kube_config(where));
  store::WatchOptions options;
  options.send_initial_events = true;
  const auto watch = client.watch(api::kinds::kConfigMap, options).value();
  const auto first = watch->next(Deadline::after(kPatience));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->type, store::WatchEvent::Type::kBookmark);
  EXPECT_TRUE(first->initial_events_end);
  make_map("seen");
  const auto added = watch->next(Deadline::after(kPatience));
  ASSERT_TRUE(added);
  EXPECT_EQ(api::name_of(added->object), "seen");
  const auto before = SteadyClock::now();
  daemon->stop();
  EXPECT_FALSE(watch->next(Deadline::after(kPatience)));
  EXPECT_TRUE(watch->ended());
  EXPECT_LT(SteadyClock::now() - before, std::chrono::seconds(5));
}

TEST_F(DaemonTest, ABackupCanBeReadWhileTheServerWorks) {
  make_map("kept");
  net::HttpClient client(daemon->url(), client_options("admin"));
  net::HttpRequest request;
  request.target = "/backup";
  const auto outcome = client.exchange(request, Deadline::after(kPatience));
  ASSERT_TRUE(outcome.response);
  EXPECT_EQ(outcome.response->status, 200);
  EXPECT_TRUE(outcome.response->body.text().starts_with("SQLite format 3"));
  for (const auto& entry : fs::directory_iterator(state)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("backup-")) << "left behind";
  }
}

}  // namespace
}  // namespace sedna::apiserver
