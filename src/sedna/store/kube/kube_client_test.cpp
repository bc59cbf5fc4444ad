// The client against servers that behave as a test tells them to. What a right server answers is in tests/conformance.
#include "sedna/store/kube/kube_client.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/testing/imposter_server.hpp"

namespace sedna::store {
namespace {

using api::kinds::kConfigMap;
using api::kinds::kDataset;
using api::kinds::kNode;
using testing::http_answer;
using testing::ImposterRequest;
using testing::ImposterServer;
using testing::Script;

constexpr std::string_view kStream = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string chunk(std::string_view text) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", text.size());
  return size.data() + std::string(text) + "\r\n";
}

std::string config_map(std::string_view name, int version) {
  return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":")" + std::string(name) +
         R"(","namespace":"default","resourceVersion":")" + std::to_string(version) + "\"}}";
}
std::string event(std::string_view type, std::string_view object) {
  return chunk(R"({"type":")" + std::string(type) + R"(","object":)" + std::string(object) + "}\n");
}
std::string initial_end(int version) {
  return event("BOOKMARK", R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":")" +
                               std::to_string(version) + R"(","annotations":{"k8s.io/initial-events-end":"true"}}})");
}
std::string failure(int code, std::string_view reason, std::string_view fields = {}) {
  return http_answer(code,
                     R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"because","reason":")" +
                         std::string(reason) + R"(","code":)" + std::to_string(code) + "}",
                     fields);
}

KubeConfig config_for(const ImposterServer& server) {
  KubeConfig config;
  config.server = server.origin();
  return config;
}
KubeClientOptions quick() {
  KubeClientOptions options;
  options.timeout = std::chrono::seconds(5);
  return options;
}
Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}

TEST(KubeClient, SpeaksKubernetesPathsAndParameters) {
  ImposterServer server(Script::serve([](const ImposterRequest&) { return http_answer(200, config_map("a", 1)); }));
  KubeConfig config = config_for(server);
  config.server += "/k8s/c-1/";
  config.token = "s3cret";
  KubeClient client(config, quick());
  WriteOptions write;
  write.dry_run = true;
  write.field_validation = FieldValidation::kStrict;
  write.field_manager = "gm";
  ASSERT_TRUE(client.create(kConfigMap, api::new_object(kConfigMap, "default", "a"), write));
  ASSERT_TRUE(client.merge_patch_status(kDataset, "edge", "d", MergePatch(json::object{{"status", nullptr}}), {}));
  ASSERT_TRUE(client.get(kNode, "", "edge/0"));
  DeleteOptions removal;
  removal.uid = "u-1";
  removal.resource_version = "7";
  removal.grace_period_seconds = 0;
  ASSERT_TRUE(client.remove(kConfigMap, "default", "a", removal));
  const auto seen = server.requests();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].method, "POST");
  EXPECT_EQ(seen[0].target,
            "/k8s/c-1/api/v1/namespaces/default/configmaps?fieldManager=gm&fieldValidation=Strict&dryRun=All");
  EXPECT_EQ(seen[0].headers.get("authorization"), "Bearer s3cret");
  EXPECT_EQ(seen[0].headers.get("content-type"), "application/json");
  EXPECT_EQ(seen[1].method, "PATCH");
  EXPECT_EQ(seen[1].headers.get("content-type"), "application/merge-patch+json");
  EXPECT_EQ(seen[1].target.substr(0, seen[1].target.find('?')),
            "/k8s/c-1/apis/sedna.io/v1alpha1/namespaces/edge/datasets/d/status");
  EXPECT_EQ(seen[2].target, "/k8s/c-1/api/v1/nodes/edge%2F0");
  EXPECT_EQ(seen[3].body,
            R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","gracePeriodSeconds":0,)"
            R"("preconditions":{"uid":"u-1","resourceVersion":"7"}})");
}

TEST(KubeClient, RefusesWhatNamesNothing) {
  ImposterServer server;
  KubeClient client(config_for(server), quick());
  EXPECT_EQ(client.get(kConfigMap, "default", "").status().code, 400);
  EXPECT_EQ(client.get(kConfigMap, "", "a").status().code, 400);
  EXPECT_EQ(server.connections(), 0);
  KubeConfig bare;
  bare.server = "http://192.0.2.1:80";
  bare.token = "s3cret";
  EXPECT_THROW(KubeClient{bare}, Error);
}

TEST(KubeClient, FailuresAreStatuses) {
  ImposterServer server;
  KubeClient client(config_for(server), quick());
  server.fallback(Script::serve([](const ImposterRequest&) { return failure(409, "AlreadyExists"); }));
  EXPECT_TRUE(client.create(kConfigMap, api::new_object(kConfigMap, "default", "a"), {}).status().already_exists());
  server.drop_connections();
  server.fallback(Script::serve([](const ImposterRequest&) { return http_answer(404, "404 page not found\n"); }));
  const Status status = client.get(kConfigMap, "default", "a").status();
  EXPECT_EQ(status.code, 404);
  EXPECT_EQ(status.message, "404 page not found");
  server.drop_connections();
  server.fallback(Script::serve([](const ImposterRequest&) { return http_answer(200, "<html>"); }));
  EXPECT_EQ(client.get(kConfigMap, "default", "a").status().code, 500);
}

TEST(KubeClient, NoAnswerSaysWhetherTheRequestMayHaveBeenCarriedOut) {
  ImposterServer server;
  KubeClientOptions options = quick();
  options.timeout = std::chrono::milliseconds(50);
  KubeClient client(config_for(server), options);
  const Object object = api::new_object(kConfigMap, "default", "a");
  server.fallback(Script::hang());
  Status status = client.create(kConfigMap, object, {}).status();
  EXPECT_EQ(status.code, 504);
  EXPECT_TRUE(status.may_have_executed);
  EXPECT_TRUE(status.is_transient());
  server.refuse();
  status = client.create(kConfigMap, object, {}).status();
  EXPECT_EQ(status.code, 503);
  EXPECT_FALSE(status.may_have_executed);
  EXPECT_NE(status.message.find(server.origin()), std::string::npos) << status.message;
}

TEST(KubeClient, ComesBackWhenItIsToldTo) {
  int asked = 0;
  ImposterServer server(Script::serve([&asked](const ImposterRequest&) {
    return ++asked == 1 ? failure(429, "TooManyRequests", "Retry-After: 0\r\n") : http_answer(200, config_map("a", 1));
  }));
  KubeClient client(config_for(server), quick());
  EXPECT_TRUE(client.get(kConfigMap, "default", "a"));
  EXPECT_EQ(server.requests().size(), 2u);
  // Not longer than the call may take, and then the caller sees why.
  server.drop_connections();
  server.fallback(
      Script::serve([](const ImposterRequest&) { return failure(429, "TooManyRequests", "Retry-After: 60\r\n"); }));
  const Status status = client.get(kConfigMap, "default", "a").status();
  EXPECT_EQ(status.code, 429);
  EXPECT_EQ(status.retry_after_seconds, 60);
  // 503 without a time is for the caller's own back-off.
  server.drop_connections();
  server.fallback(Script::serve([](const ImposterRequest&) { return failure(503, "ServiceUnavailable"); }));
  const std::size_t before = server.requests().size();
  EXPECT_EQ(client.get(kConfigMap, "default", "a").status().code, 503);
  EXPECT_EQ(server.requests().size(), before + 1);
}

TEST(KubeClient, ARenewedTokenIsTakenUpWhenTheOldOneIsRefused) {
  const std::string file = ::testing::TempDir() + "kube-client-token-" + std::to_string(::getpid());
  std::ofstream(file) << "one";
  ImposterServer server(Script::serve([](const ImposterRequest& r) {
    return r.headers.get("authorization") == "Bearer two" ? http_answer(200, config_map("a", 1))
                                                          : failure(401, "Unauthorized");
  }));
  KubeConfig config = config_for(server);
  config.token_file = file;
  KubeClient client(config, quick());
  EXPECT_EQ(client.get(kConfigMap, "default", "a").status().code, 401);
  std::ofstream(file) << "two";
  EXPECT_TRUE(client.get(kConfigMap, "default", "a"));
  EXPECT_EQ(server.requests().size(), 3u);
  std::filesystem::remove(file);
}

TEST(KubeClient, ShutdownEndsWaitsAndWatches) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) {
    if (r.target.find("watch=true") != std::string::npos) return std::string(kStream);
    return failure(429, "TooManyRequests", "Retry-After: 4\r\n");
  }));
  KubeClient client(config_for(server), quick());
  WatchOptions from;
  from.resource_version = "1";
  auto watch = client.watch(kConfigMap, from);
  ASSERT_TRUE(watch);
  std::thread waiting([&client] { EXPECT_EQ(client.get(kConfigMap, "default", "a").status().code, 503); });
  ASSERT_TRUE(server.wait_for_requests(2));
  std::thread watching([&watch] { EXPECT_FALSE((*watch)->next(Deadline::never())); });
  client.shutdown();
  waiting.join();
  watching.join();
  EXPECT_TRUE((*watch)->ended());
  EXPECT_EQ(client.get(kConfigMap, "default", "a").status().code, 503);
}

TEST(KubeClient, ListsComeInPages) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) {
    const bool second = r.target.find("continue=next%2Fpage") != std::string::npos;
    return http_answer(200, second ? R"({"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"b"}}]})"
                                   : R"({"metadata":{"resourceVersion":"9","continue":"next/page",)"
                                     R"("remainingItemCount":1},"items":[{"metadata":{"name":"a"}}]})");
  }));
  KubeClientOptions options = quick();
  options.page_size = 1;
  KubeClient client(config_for(server), options);
  ListOptions what;
  what.ns = "edge";
  what.label_selector = "a in (b,c)";
  const auto all = client.list(kDataset, what);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->items.size(), 2u);
  EXPECT_EQ(api::kind_of(all->items[1]), "Dataset");
  EXPECT_EQ(api::api_version_of(all->items[1]), "sedna.io/v1alpha1");
  EXPECT_EQ(all->items[1].begin()->key(), "apiVersion");
  EXPECT_EQ(all->resource_version, "9");
  EXPECT_FALSE(all->remaining);
  EXPECT_EQ(server.requests()[0].target,
            "/apis/sedna.io/v1alpha1/namespaces/edge/datasets?labelSelector=a%20in%20%28b%2Cc%29&limit=1");
  what.limit = 1;
  const auto page = client.list(kDataset, what);
  EXPECT_EQ(page->continue_token, "next/page");
  EXPECT_EQ(page->remaining, 1);
}

TEST(KubeClient, AListWhosePagesExpireIsReadWhole) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) {
    if (r.target.find("continue=") != std::string::npos) return failure(410, "Expired");
    if (r.target.find("limit=") == std::string::npos) {
      return http_answer(200, R"({"metadata":{"resourceVersion":"12"},"items":[{},{},{}]})");
    }
    return http_answer(200, R"({"metadata":{"resourceVersion":"9","continue":"x"},"items":[{}]})");
  }));
  KubeClient client(config_for(server), quick());
  const auto all = client.list(kConfigMap, {});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->items.size(), 3u);
  EXPECT_EQ(all->resource_version, "12");
}

TEST(KubeClient, WatchesEventByEvent) {
  ImposterServer server(Script::serve([](const ImposterRequest&) {
    return std::string(kStream) + event("ADDED", config_map("a", 5)) + event("MODIFIED", config_map("a", 6)) +
           event("DELETED", config_map("a", 7)) + std::string(kLastChunk);
  }));
  KubeClient client(config_for(server), quick());
  WatchOptions options;
  options.ns = "default";
  options.resource_version = "4";
  options.timeout = std::chrono::milliseconds(1500);
  auto watch = client.watch(kConfigMap, options);
  ASSERT_TRUE(watch);
  std::string seen;
  while (const auto e = (*watch)->next(soon())) {
    seen += std::to_string(static_cast<int>(e->type)) + ":" + std::string(api::resource_version_of(e->object)) + " ";
  }
  EXPECT_EQ(seen, "0:5 1:6 2:7 ");
  EXPECT_TRUE((*watch)->ended());
  EXPECT_EQ(server.requests()[0].target,
            "/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=4&timeoutSeconds=2"
            "&allowWatchBookmarks=true");
}

TEST(KubeClient, AWatchWaitsAndGoesOnAndCanBeStopped) {
  ImposterServer server(
      Script::serve([](const ImposterRequest&) { return std::string(kStream) + event("ADDED", config_map("a", 5)); }));
  KubeClient client(config_for(server), quick());
  WatchOptions options;
  options.resource_version = "4";
  auto watch = client.watch(kConfigMap, options);
  ASSERT_TRUE(watch);
  ASSERT_TRUE((*watch)->next(soon()));
  EXPECT_FALSE((*watch)->next(Deadline::after(std::chrono::milliseconds(5))));
  EXPECT_FALSE((*watch)->ended());
  std::thread other([&watch] { (*watch)->stop(); });
  EXPECT_FALSE((*watch)->next(Deadline::never()));
  other.join();
  EXPECT_TRUE((*watch)->ended());
}

TEST(KubeClient, AStalledWatchHasEnded) {
  ImposterServer server(Script::serve([](const ImposterRequest&) { return std::string(kStream); }));
  KubeClientOptions options = quick();
  options.watch_stall = std::chrono::milliseconds(30);
  KubeClient client(config_for(server), options);
  WatchOptions from;
  from.resource_version = "4";
  auto watch = client.watch(kConfigMap, from);
  ASSERT_TRUE(watch);
  EXPECT_FALSE((*watch)->next(soon()));
  EXPECT_TRUE((*watch)->ended());
}

TEST(KubeClient, ABrokenWatchEndsAfterItsWholeEvents) {
  const std::string bytes = std::string(kStream) + event("ADDED", config_map("a", 5));
  ImposterServer server(Script::cut(bytes + event("ADDED", config_map("b", 6)), bytes.size() + 30));
  KubeClient client(config_for(server), quick());
  WatchOptions from;
  from.resource_version = "4";
  auto watch = client.watch(kConfigMap, from);
  ASSERT_TRUE(watch);
  EXPECT_TRUE((*watch)->next(soon()));
  EXPECT_FALSE((*watch)->next(soon()));
  EXPECT_TRUE((*watch)->ended());
  server.fallback(Script::reply(std::string(kStream) + chunk("{\"type\":\"WHAT\"}\n") + std::string(kLastChunk)));
  watch = client.watch(kConfigMap, from);
  ASSERT_TRUE(watch);
  EXPECT_FALSE((*watch)->next(soon()));
  EXPECT_TRUE((*watch)->ended());
}

TEST(KubeClient, AnExpiredVersionIsToldEitherWay) {
  ImposterServer server(Script::serve([](const ImposterRequest&) { return failure(410, "Expired"); }));
  KubeClient client(config_for(server), quick());
  WatchOptions from;
  from.resource_version = "1";
  EXPECT_TRUE(client.watch(kConfigMap, from).status().is_expired());
  server.fallback(Script::reply(std::string(kStream) +
                                event("ERROR", R"({"kind":"Status","reason":"Expired","code":410})") +
                                std::string(kLastChunk)));
  auto watch = client.watch(kConfigMap, from);
  ASSERT_TRUE(watch);
  const auto e = (*watch)->next(soon());
  ASSERT_TRUE(e);
  EXPECT_EQ(e->type, WatchEvent::Type::kError);
  EXPECT_TRUE(e->status.is_expired());
  EXPECT_FALSE((*watch)->next(soon()));
  EXPECT_TRUE((*watch)->ended());
}

TEST(KubeClient, InitialEventsComeFromTheServer) {
  ImposterServer server(Script::serve([](const ImposterRequest&) {
    return std::string(kStream) + event("ADDED", config_map("a", 5)) + initial_end(8) +
           event("ADDED", config_map("b", 9));
  }));
  KubeClient client(config_for(server), quick());
  WatchOptions options;
  options.send_initial_events = true;
  auto watch = client.watch(kConfigMap, options);
  ASSERT_TRUE(watch);
  EXPECT_EQ(api::name_of((*watch)->next(soon())->object), "a");
  EXPECT_TRUE((*watch)->next(soon())->initial_events_end);
  EXPECT_EQ(api::name_of((*watch)->next(soon())->object), "b");
  EXPECT_NE(server.requests()[0].target.find("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
            std::string::npos);
}

TEST(KubeClient, WithoutWatchListItListsAndWatches) {
  for (const bool inside : {true, false}) {
    ImposterServer server(Script::serve([inside](const ImposterRequest& r) {
      if (r.target.find("sendInitialEvents") != std::string::npos) {
        if (!inside) return failure(422, "Invalid");
        // As kube-apiserver over an etcd of 3.4.
        return std::string(kStream) +
               event("ERROR", R"({"kind":"Status","message":"a watch stream was requested by the client but the )"
                              R"(required storage feature RequestWatchProgress is disabled","code":422})") +
               std::string(kLastChunk);
      }
      if (r.target.find("watch=true") != std::string::npos) {
        return std::string(kStream) + event("ADDED", config_map("b", 9));
      }
      return http_answer(200, R"({"metadata":{"resourceVersion":"8"},"items":[)" + config_map("a", 5) + "]}");
    }));
    KubeClient client(config_for(server), quick());
    WatchOptions options;
    options.send_initial_events = true;
    for (int round = 0; round < 2; ++round) {
      auto watch = client.watch(kConfigMap, options);
      ASSERT_TRUE(watch) << watch.status().message;
      EXPECT_EQ(api::name_of((*watch)->next(soon())->object), "a");
      const auto end = (*watch)->next(soon());
      EXPECT_TRUE(end->initial_events_end);
      EXPECT_EQ(api::resource_version_of(end->object), "8");
      EXPECT_EQ(api::name_of((*watch)->next(soon())->object), "b");
    }
    // The second time nobody asks for what is not there.
    EXPECT_EQ(server.requests().size(), 5u);
    EXPECT_NE(server.requests()[2].target.find("resourceVersion=8"), std::string::npos);
  }
}

TEST(KubeClient, AWatchFromNowOnBeginsAtTheNewestVersion) {
  ImposterServer server(Script::serve([](const ImposterRequest& r) {
    if (r.target.find("watch=true") != std::string::npos) return std::string(kStream);
    return http_answer(200, R"({"metadata":{"resourceVersion":"31"},"items":[]})");
  }));
  KubeClient client(config_for(server), quick());
  ASSERT_TRUE(client.watch(kConfigMap, {}));
  EXPECT_NE(server.requests()[1].target.find("resourceVersion=31"), std::string::npos);
}

TEST(KubeClient, WarningsAreGathered) {
  ImposterServer server(Script::serve([](const ImposterRequest&) {
    return http_answer(200, config_map("a", 1),
                       "Warning: 299 - \"unknown field \\\"spec.foo\\\"\"\r\nWarning: 299 - \"second\"\r\n");
  }));
  KubeClient client(config_for(server), quick());
  std::vector<std::string> warnings;
  WriteOptions options;
  options.warnings = &warnings;
  ASSERT_TRUE(client.create(kConfigMap, api::new_object(kConfigMap, "default", "a"), options));
  EXPECT_EQ(warnings, (std::vector<std::string>{"unknown field \"spec.foo\"", "second"}));
}

TEST(KubeClient, ABareSuccessOfADeletionNamesTheObject) {
  ImposterServer server(Script::serve([](const ImposterRequest&) {
    return http_answer(200,
                       R"({"kind":"Status","apiVersion":"v1","status":"Success","details":{"name":"d","uid":"u-1"}})");
  }));
  KubeClient client(config_for(server), quick());
  const auto gone = client.remove(kDataset, "edge", "d", {});
  ASSERT_TRUE(gone);
  EXPECT_EQ(api::uid_of(*gone), "u-1");
  EXPECT_EQ(api::name_of(*gone), "d");
  EXPECT_FALSE(api::is_deleting(*gone));
}

}  // namespace
}  // namespace sedna::store
