// What controllers rely on. The rules themselves are held to a real kube-apiserver by tests/conformance.
#include "sedna/store/embedded/embedded_server.hpp"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/store/embedded/engine.hpp"

namespace sedna::store::embedded {
namespace {

using api::kinds::kConfigMap;
using api::kinds::kDataset;
using api::kinds::kNamespace;
using api::kinds::kPod;
using ::testing::HasSubstr;

const Deadline kSoon = Deadline::after(std::chrono::seconds(20));

Object config_map(std::string_view name, std::string_view value = "1") {
  Object object = api::new_object(kConfigMap, "default", name);
  object["data"] = json::object{{"key", value}};
  return object;
}

Object dataset(std::string_view name) {
  Object object = api::new_object(kDataset, "default", name);
  object["spec"] = json::object{{"url", "/data/x.txt"}, {"format", "txt"}, {"nodeName", "edge0"}};
  return object;
}

Object pod(std::string_view name, std::string_view node) {
  Object object = api::new_object(kPod, "default", name);
  object["spec"] =
      json::object{{"nodeName", node}, {"containers", json::array{json::object{{"name", "c"}, {"image", "i"}}}}};
  return object;
}

ListOptions everywhere(std::size_t limit = 0) {
  ListOptions options;
  options.limit = limit;
  return options;
}

TEST(EmbeddedServer, CreatesWithTheSystemsMetadata) {
  EmbeddedServer server;
  const Object made = server.create(kDataset, dataset("d"), {}).value();
  EXPECT_EQ(api::uid_of(made).size(), 36U);
  EXPECT_EQ(api::generation_of(made), 1);
  EXPECT_FALSE(api::resource_version_of(made).empty());
  EXPECT_TRUE(api::parse_time(api::string_at(made, {"metadata", "creationTimestamp"})));
  EXPECT_EQ(server.get(kDataset, "default", "d").value(), made);

  const auto again = server.create(kDataset, dataset("d"), {});
  EXPECT_EQ(again.status().code, 409);
  EXPECT_EQ(again.status().message, R"(datasets.sedna.io "d" already exists)");
  EXPECT_EQ(server.get(kDataset, "default", "e").status().message, R"(datasets.sedna.io "e" not found)");
}

TEST(EmbeddedServer, NamespaceMustExist) {
  EmbeddedServer server;
  Object object = config_map("c");
  api::make_object(object, {"metadata"})["namespace"] = "nowhere";
  const auto outcome = server.create(kConfigMap, object, {});
  EXPECT_TRUE(outcome.status().is_not_found());
  EXPECT_EQ(outcome.status().message, R"(namespaces "nowhere" not found)");
}

TEST(EmbeddedServer, GeneratesNames) {
  EmbeddedServer server;
  Object object = config_map("");
  api::make_object(object, {"metadata"}).erase("name");
  api::make_object(object, {"metadata"})["generateName"] = "job-";
  const std::string first(api::name_of(server.create(kConfigMap, object, {}).value()));
  const std::string second(api::name_of(server.create(kConfigMap, object, {}).value()));
  EXPECT_TRUE(first.starts_with("job-"));
  EXPECT_EQ(first.size(), 9U);
  EXPECT_NE(first, second);
}

TEST(EmbeddedServer, OnlyTheNewestVersionCanBeUpdated) {
  EmbeddedServer server;
  Object mine = server.create(kConfigMap, config_map("c"), {}).value();
  Object theirs = mine;
  api::make_object(theirs, {"data"})["key"] = "theirs";
  ASSERT_TRUE(server.update(kConfigMap, theirs, {}));
  api::make_object(mine, {"data"})["key"] = "mine";
  const auto outcome = server.update(kConfigMap, mine, {});
  EXPECT_TRUE(outcome.status().is_conflict());
  EXPECT_EQ(outcome.status().message,
            "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your "
            "changes to the latest version and try again");
}

TEST(EmbeddedServer, UnchangedIsNotWritten) {
  EmbeddedServer server;
  const Object made = server.create(kConfigMap, config_map("c"), {}).value();
  EXPECT_EQ(server.update(kConfigMap, made, {}).value(), made);
}

TEST(EmbeddedServer, StatusAndSpecAreSeparate) {
  EmbeddedServer server;
  Object object = dataset("d");
  object["status"] = json::object{{"numberOfSamples", 5}};
  object = server.create(kDataset, object, {}).value();
  EXPECT_EQ(object.find("status"), object.end());

  object["status"] = json::object{{"numberOfSamples", 7}};
  api::make_object(object, {"spec"})["format"] = "csv";
  object = server.update_status(kDataset, object, {}).value();
  EXPECT_EQ(api::int_at(object, {"status", "numberOfSamples"}), 7);
  EXPECT_EQ(api::string_at(object, {"spec", "format"}), "txt");
  EXPECT_EQ(api::generation_of(object), 1);

  api::make_object(object, {"spec"})["format"] = "csv";
  object["status"] = json::object{{"numberOfSamples", 9}};
  object = server.update(kDataset, object, {}).value();
  EXPECT_EQ(api::int_at(object, {"status", "numberOfSamples"}), 7);
  EXPECT_EQ(api::generation_of(object), 2);

  const MergePatch patch(json::object{{"status", json::object{{"numberOfSamples", 8}}}});
  object = server.merge_patch_status(kDataset, "default", "d", patch, {}).value();
  EXPECT_EQ(api::int_at(object, {"status", "numberOfSamples"}), 8);
}

TEST(EmbeddedServer, FinalizersHoldAnObject) {
  EmbeddedServer server;
  Object object = dataset("d");
  api::make_object(object, {"metadata"})["finalizers"] = json::array{"sedna.io/test"};
  ASSERT_TRUE(server.create(kDataset, object, {}));
  object = server.remove(kDataset, "default", "d", {}).value();
  EXPECT_TRUE(api::is_deleting(object));
  EXPECT_EQ(api::generation_of(object), 2);

  Object more = object;
  api::make_object(more, {"metadata"})["finalizers"].as_array().emplace_back("sedna.io/late");
  EXPECT_THAT(server.update(kDataset, more, {}).status().message,
              HasSubstr("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
                        "deleted, found new finalizers []string{\"sedna.io/late\"}"));

  api::make_object(object, {"metadata"})["finalizers"] = json::array();
  ASSERT_TRUE(server.update(kDataset, object, {}));
  EXPECT_TRUE(server.get(kDataset, "default", "d").status().is_not_found());
}

TEST(EmbeddedServer, PodsEndGracefully) {
  EmbeddedServer server;
  ASSERT_TRUE(server.create(kPod, pod("waiting", ""), {}));
  ASSERT_TRUE(server.remove(kPod, "default", "waiting", {}));
  EXPECT_TRUE(server.get(kPod, "default", "waiting").status().is_not_found()) << "it never ran";

  ASSERT_TRUE(server.create(kPod, pod("running", "edge0"), {}));
  Object object = server.remove(kPod, "default", "running", {}).value();
  EXPECT_TRUE(api::is_deleting(object));
  EXPECT_EQ(api::int_at(object, {"metadata", "deletionGracePeriodSeconds"}), 30);
  DeleteOptions options;
  options.grace_period_seconds = 5;
  object = server.remove(kPod, "default", "running", options).value();
  EXPECT_EQ(api::int_at(object, {"metadata", "deletionGracePeriodSeconds"}), 5);
  options.grace_period_seconds = 0;
  ASSERT_TRUE(server.remove(kPod, "default", "running", options));
  EXPECT_TRUE(server.get(kPod, "default", "running").status().is_not_found());
}

TEST(EmbeddedServer, DeletePreconditions) {
  EmbeddedServer server;
  ASSERT_TRUE(server.create(kConfigMap, config_map("c"), {}));
  DeleteOptions options;
  options.uid = "other";
  EXPECT_TRUE(server.remove(kConfigMap, "default", "c", options).status().is_conflict());
  options = {};
  options.resource_version = "1";
  EXPECT_TRUE(server.remove(kConfigMap, "default", "c", options).status().is_conflict());
  options = {};
  options.propagation = DeleteOptions::Propagation::kForeground;
  EXPECT_EQ(server.remove(kConfigMap, "default", "c", options).status().code, 400);
}

TEST(EmbeddedServer, DryRunChangesNothing) {
  EmbeddedServer server;
  WriteOptions dry;
  dry.dry_run = true;
  ASSERT_TRUE(server.create(kConfigMap, config_map("c"), dry));
  EXPECT_TRUE(server.get(kConfigMap, "default", "c").status().is_not_found());
}

TEST(EmbeddedServer, ListsBySelectorAndInPiecesOfOneMoment) {
  EmbeddedServer server;
  for (int i = 0; i < 10; ++i) {
    Object object = config_map("c" + std::to_string(i));
    api::make_object(object, {"metadata", "labels"})["odd"] = i % 2 == 1 ? "yes" : "no";
    ASSERT_TRUE(server.create(kConfigMap, object, {}));
  }
  ListOptions options = everywhere();
  options.label_selector = "odd=yes";
  EXPECT_EQ(server.list(kConfigMap, options).value().items.size(), 5U);
  options = everywhere();
  options.field_selector = "metadata.name=c3";
  EXPECT_EQ(server.list(kConfigMap, options).value().items.size(), 1U);
  options.field_selector = "spec.nope=1";
  EXPECT_EQ(server.list(kConfigMap, options).status().code, 400);

  ListResult piece = server.list(kConfigMap, everywhere(4)).value();
  EXPECT_EQ(piece.items.size(), 4U);
  EXPECT_EQ(piece.remaining, 6);
  const std::string version = piece.resource_version;
  // What changes meanwhile is not seen by the later pieces.
  ASSERT_TRUE(server.remove(kConfigMap, "default", "c8", {}));
  ASSERT_TRUE(server.create(kConfigMap, config_map("c55"), {}));
  std::size_t seen = piece.items.size();
  while (!piece.continue_token.empty()) {
    ListOptions next = everywhere(4);
    next.continue_token = piece.continue_token;
    piece = server.list(kConfigMap, next).value();
    EXPECT_EQ(piece.resource_version, version);
    seen += piece.items.size();
  }
  EXPECT_EQ(seen, 10U);
}

TEST(EmbeddedServer, AnOldContinueTokenSaysHowToGoOn) {
  EmbeddedOptions few;
  few.history_events = 2;
  EmbeddedServer server(few);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(server.create(kConfigMap, config_map("c" + std::to_string(i)), {}));
  const ListResult piece = server.list(kConfigMap, everywhere(2)).value();
  for (int i = 6; i < 12; ++i) ASSERT_TRUE(server.create(kConfigMap, config_map("d" + std::to_string(i)), {}));
  ListOptions next = everywhere();
  next.continue_token = piece.continue_token;
  const auto late = server.list(kConfigMap, next);
  ASSERT_TRUE(late.status().is_expired());
  next.continue_token = late.status().continue_token;
  EXPECT_EQ(server.list(kConfigMap, next).value().items.size(), 10U);
}

TEST(EmbeddedServer, WatchesFromAnyRetainedVersion) {
  EmbeddedServer server;
  const Object first = server.create(kConfigMap, config_map("a"), {}).value();
  Object second = server.create(kConfigMap, config_map("b"), {}).value();
  WatchOptions options;
  options.resource_version = api::resource_version_of(first);
  const auto watch = server.watch(kConfigMap, options).value();
  const auto made = watch->next(kSoon);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->type, WatchEvent::Type::kAdded);
  EXPECT_EQ(made->object, second);
  api::make_object(second, {"data"})["key"] = "2";
  ASSERT_TRUE(server.update(kConfigMap, second, {}));
  EXPECT_EQ(watch->next(kSoon)->type, WatchEvent::Type::kModified);
  ASSERT_TRUE(server.remove(kConfigMap, "default", "b", {}));
  const auto gone = watch->next(kSoon);
  EXPECT_EQ(gone->type, WatchEvent::Type::kDeleted);
  EXPECT_NE(api::resource_version_of(gone->object), api::resource_version_of(second));
  EXPECT_FALSE(watch->next(Deadline::after(std::chrono::milliseconds(1))));
  EXPECT_FALSE(watch->ended());
  watch->stop();
  EXPECT_TRUE(watch->ended());
}

TEST(EmbeddedServer, WatchListEndsTheInitialEventsWithABookmark) {
  EmbeddedServer server;
  ASSERT_TRUE(server.create(kConfigMap, config_map("a"), {}));
  WatchOptions options;
  options.send_initial_events = true;
  const auto watch = server.watch(kConfigMap, options).value();
  EXPECT_EQ(watch->next(kSoon)->type, WatchEvent::Type::kAdded);
  const auto mark = watch->next(kSoon);
  EXPECT_EQ(mark->type, WatchEvent::Type::kBookmark);
  EXPECT_TRUE(mark->initial_events_end);
  EXPECT_FALSE(api::resource_version_of(mark->object).empty());
}

TEST(EmbeddedServer, AnObjectThatLeavesTheSelectionIsDeletedForTheWatch) {
  EmbeddedServer server;
  Object object = config_map("a");
  api::make_object(object, {"metadata", "labels"})["app"] = "x";
  object = server.create(kConfigMap, object, {}).value();
  WatchOptions options;
  options.label_selector = "app=x";
  options.resource_version = api::resource_version_of(object);
  const auto watch = server.watch(kConfigMap, options).value();
  api::make_object(object, {"metadata", "labels"})["app"] = "y";
  object = server.update(kConfigMap, object, {}).value();
  const auto left = watch->next(kSoon);
  EXPECT_EQ(left->type, WatchEvent::Type::kDeleted);
  EXPECT_EQ(api::label(left->object, "app"), "x") << "as it was in the selection";
  EXPECT_EQ(api::resource_version_of(left->object), api::resource_version_of(object));
  api::make_object(object, {"metadata", "labels"})["app"] = "x";
  ASSERT_TRUE(server.update(kConfigMap, object, {}));
  EXPECT_EQ(watch->next(kSoon)->type, WatchEvent::Type::kAdded);
}

TEST(EmbeddedServer, ForgottenVersionsAreGone) {
  EmbeddedOptions few;
  few.history_events = 2;
  EmbeddedServer server(few);
  const Object first = server.create(kConfigMap, config_map("a"), {}).value();
  WatchOptions options;
  options.resource_version = api::resource_version_of(first);
  const auto slow = server.watch(kConfigMap, options).value();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(server.create(kConfigMap, config_map("c" + std::to_string(i)), {}));
  EXPECT_TRUE(server.watch(kConfigMap, options).status().is_expired());
  const auto event = slow->next(kSoon);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, WatchEvent::Type::kError);
  EXPECT_TRUE(event->status.is_expired());
  EXPECT_TRUE(slow->ended());
}

TEST(EmbeddedServer, NamespacesFinish) {
  EmbeddedServer server;
  ASSERT_TRUE(server.create(kNamespace, api::new_object(kNamespace, {}, "team"), {}));
  Object ns = server.remove(kNamespace, {}, "team", {}).value();
  EXPECT_EQ(api::string_at(ns, {"status", "phase"}), "Terminating");
  Object object = config_map("c");
  api::make_object(object, {"metadata"})["namespace"] = "team";
  EXPECT_EQ(server.create(kConfigMap, object, {}).status().code, 403);
  api::make_object(ns, {"spec"})["finalizers"] = json::array();
  ASSERT_TRUE(server.update(kNamespace, ns, {}));
  EXPECT_TRUE(server.get(kNamespace, {}, "team").status().is_not_found());
  EXPECT_EQ(server.remove(kNamespace, {}, "default", {}).status().code, 403);
}

TEST(EmbeddedServer, ManyWritersLoseNothing) {
  EmbeddedServer server;
  ASSERT_TRUE(server.create(kConfigMap, config_map("sum", "0"), {}));
  std::atomic<int> conflicts{0};
  const auto raise = [&] {
    for (int i = 0; i < 50;) {
      Object object = server.get(kConfigMap, "default", "sum").value();
      const int value = std::stoi(std::string(api::string_at(object, {"data", "key"})));
      api::make_object(object, {"data"})["key"] = std::to_string(value + 1);
      if (server.update(kConfigMap, object, {})) {
        ++i;
      } else {
        ++conflicts;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(raise);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(api::string_at(server.get(kConfigMap, "default", "sum").value(), {"data", "key"}), "200");
}

}  // namespace
}  // namespace sedna::store::embedded
