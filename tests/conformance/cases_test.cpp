// What takes more than one request after the other: watches, versions that expire, writers that race, owners.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/conformance/home.hpp"

namespace sedna::conformance {
namespace {

using api::kinds::kConfigMap;
using api::kinds::kDataset;
using api::kinds::kLease;
using store::Watch;
using store::WatchEvent;
using store::WatchOptions;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(10));
}

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  Home& where() { return home(GetParam()); }
  store::ApiServer& server() { return where().api(); }
  const std::string& ns() {
    if (ns_.empty()) ns_ = where().fresh_namespace();
    return ns_;
  }
  api::Object create(const api::Object& object) { return server().create(*api::find_kind(object), object, {}).value(); }
  api::Object set(const std::string& name, const std::string& value) {
    const store::MergePatch patch(json::object{{"data", json::object{{"key", value}}}});
    return server().merge_patch(kConfigMap, ns(), name, patch, {}).value();
  }
  void remove(const std::string& name) { static_cast<void>(server().remove(kConfigMap, ns(), name, {}).value()); }
  std::unique_ptr<Watch> watch(std::string_view from, const std::string& labels = {}) {
    WatchOptions options;
    options.ns = ns();
    options.resource_version = from;
    options.label_selector = labels;
    return server().watch(kConfigMap, options).value();
  }
  std::string version() {
    store::ListOptions options;
    options.ns = ns();
    return server().list(kConfigMap, options).value().resource_version;
  }

 private:
  std::string ns_;
};

/// "ADDED a=1", bookmarks left out; "END" when it has ended, "NOTHING" when nothing came.
std::string next(Watch& watch) {
  static constexpr std::string_view kWords[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
  while (auto event = watch.next(soon())) {
    if (event->type == WatchEvent::Type::kBookmark && !event->initial_events_end) continue;
    std::string text(kWords[static_cast<std::size_t>(event->type)]);
    if (event->type == WatchEvent::Type::kError) return text + " " + event->status.reason;
    if (event->initial_events_end) return text + " END OF INITIAL EVENTS";
    text.append(" ").append(api::name_of(event->object));
    const std::string_view value = api::string_at(event->object, {"data", "key"});
    return value.empty() ? text : text + "=" + std::string(value);
  }
  return watch.ended() ? "END" : "NOTHING";
}

TEST_P(Conformance, AWatchTellsWhatHappensAfterAVersion) {
  const std::string from = version();
  const auto running = watch(from);
  create(config_map(ns(), "a"));
  set("a", "2");
  const api::Object b = create(config_map(ns(), "b"));
  remove("a");
  const auto later_begun = watch(from);
  for (Watch* w : {running.get(), later_begun.get()}) {
    EXPECT_EQ(next(*w), "ADDED a=1");
    EXPECT_EQ(next(*w), "MODIFIED a=2");
    EXPECT_EQ(next(*w), "ADDED b=1");
    EXPECT_EQ(next(*w), "DELETED a=2");
    w->stop();
    EXPECT_EQ(next(*w), "END");
    EXPECT_TRUE(w->ended());
  }
  const auto later = watch(api::resource_version_of(b));
  EXPECT_EQ(next(*later), "DELETED a=2");
}

TEST_P(Conformance, AWatchIsQuietWhileNothingHappens) {
  const auto quiet = watch(version());
  EXPECT_FALSE(quiet->next(Deadline::after(std::chrono::milliseconds(20))));
  EXPECT_FALSE(quiet->ended());
  create(config_map(ns(), "a"));
  EXPECT_EQ(next(*quiet), "ADDED a=1");
  std::thread other([&quiet] { quiet->stop(); });
  EXPECT_FALSE(quiet->next(Deadline::never()));
  other.join();
  EXPECT_TRUE(quiet->ended());
}

TEST_P(Conformance, EventsCarryWholeObjectsAndRisingVersions) {
  const auto w = watch(version());
  const api::Object created = create(config_map(ns(), "a"));
  remove("a");
  const auto added = w->next(soon());
  const auto deleted = w->next(soon());
  ASSERT_TRUE(added && deleted);
  EXPECT_EQ(api::kind_of(added->object), "ConfigMap");
  EXPECT_EQ(api::api_version_of(added->object), "v1");
  EXPECT_EQ(api::resource_version_of(added->object), api::resource_version_of(created));
  // A deletion has a version of its own, from which one can go on watching.
  EXPECT_NE(api::resource_version_of(deleted->object), api::resource_version_of(created));
  EXPECT_EQ(api::uid_of(deleted->object), api::uid_of(created));
  create(config_map(ns(), "b"));
  const auto on = watch(api::resource_version_of(deleted->object));
  EXPECT_EQ(next(*on), "ADDED b=1");
}

TEST_P(Conformance, AWatchWithASelectorSeesObjectsComeAndGo) {
  const auto w = watch(version(), "tier=edge");
  const auto label = [this](const char* tier) {
    const store::MergePatch patch(json::object{{"metadata", json::object{{"labels", json::object{{"tier", tier}}}}}});
    static_cast<void>(server().merge_patch(kConfigMap, ns(), "a", patch, {}).value());
  };
  create(config_map(ns(), "a"));
  label("edge");
  set("a", "2");
  label("cloud");
  label("edge");
  EXPECT_EQ(next(*w), "ADDED a=1");
  EXPECT_EQ(next(*w), "MODIFIED a=2");
  EXPECT_EQ(next(*w), "DELETED a=2");
  EXPECT_EQ(next(*w), "ADDED a=2");
}

TEST_P(Conformance, InitialEventsComeFirstAndEndWithABookmark) {
  create(config_map(ns(), "b"));
  create(config_map(ns(), "a"));
  WatchOptions options;
  options.ns = ns();
  options.send_initial_events = true;
  const auto w = server().watch(kConfigMap, options).value();
  std::set<std::string> initial{next(*w), next(*w)};
  EXPECT_EQ(initial, (std::set<std::string>{"ADDED a=1", "ADDED b=1"}));
  EXPECT_EQ(next(*w), "BOOKMARK END OF INITIAL EVENTS");
  create(config_map(ns(), "c"));
  EXPECT_EQ(next(*w), "ADDED c=1");
}

TEST_P(Conformance, TheBookmarkAfterInitialEventsNamesAVersionToGoOnFrom) {
  create(config_map(ns(), "a"));
  WatchOptions options;
  options.ns = ns();
  options.send_initial_events = true;
  const auto w = server().watch(kConfigMap, options).value();
  std::string at;
  while (auto event = w->next(soon())) {
    at = api::resource_version_of(event->object);
    if (event->initial_events_end) break;
  }
  w->stop();
  create(config_map(ns(), "b"));
  EXPECT_EQ(next(*watch(at)), "ADDED b=1");
}

TEST_P(Conformance, FromNowOnMeansNothingOfBefore) {
  create(config_map(ns(), "a"));
  const auto w = watch("");
  create(config_map(ns(), "b"));
  EXPECT_EQ(next(*w), "ADDED b=1");
}

TEST_P(Conformance, AWatchEndsAtItsTime) {
  WatchOptions options;
  options.ns = ns();
  options.resource_version = version();
  options.timeout = std::chrono::seconds(1);
  const auto w = server().watch(kConfigMap, options).value();
  EXPECT_EQ(next(*w), "END");
}

TEST_P(Conformance, AVersionThatIsForgottenIsExpiredAndAListGoesOn) {
  create(dataset(ns(), "d"));
  // The real server remembers from its start on; the embedded one so many changes a kind.
  // Its memory of a custom resource begins with the CRD.
  if (!where().is_real()) {
    std::vector<std::thread> writers;
    for (int w = 0; w < 8; ++w) {
      writers.emplace_back([this, w] {
        for (int i = 0; i < 600; ++i) {
          const store::MergePatch change(json::object{
              {"metadata", json::object{{"labels", json::object{{"w" + std::to_string(w), std::to_string(i)}}}}}});
          static_cast<void>(server().merge_patch(kDataset, ns(), "d", change, {}).value());
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
  }
  WatchOptions options;
  options.ns = ns();
  options.resource_version = "1";
  auto outcome = server().watch(kDataset, options);
  store::Status status = outcome.status();
  if (outcome) {
    const auto event = (*outcome)->next(soon());
    ASSERT_TRUE(event);
    ASSERT_EQ(event->type, WatchEvent::Type::kError);
    status = event->status;
    EXPECT_EQ(next(**outcome), "END");
  }
  EXPECT_EQ(status.code, 410);
  EXPECT_EQ(status.reason, "Expired");
  EXPECT_EQ(status.message.substr(0, 29), "too old resource version: 1 (");
  const auto w = watch(version());
  create(config_map(ns(), "b"));
  EXPECT_EQ(next(*w), "ADDED b=1");
}

TEST_P(Conformance, AVersionFromTheFutureIsRefused) {
  store::ListOptions options;
  options.ns = ns();
  options.resource_version = "999999999";
  const auto listed = server().list(kConfigMap, options);
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.status().code, 504);
  EXPECT_EQ(listed.status().reason, "Timeout");
}

TEST_P(Conformance, OneOfManyWritersWinsEachRound) {
  create(config_map(ns(), "a", "0"));
  std::atomic<int> conflicts{0};
  const auto count_up = [&] {
    for (int done = 0; done < 10;) {
      api::Object object = server().get(kConfigMap, ns(), "a").value();
      const int value = std::stoi(std::string(api::string_at(object, {"data", "key"})));
      object["data"] = json::object{{"key", std::to_string(value + 1)}};
      const auto answer = server().update(kConfigMap, object, {});
      if (answer) {
        ++done;
      } else {
        EXPECT_TRUE(answer.status().is_conflict()) << answer.status().message;
        ++conflicts;
      }
    }
  };
  std::thread one(count_up);
  std::thread two(count_up);
  count_up();
  one.join();
  two.join();
  EXPECT_EQ(api::string_at(*server().get(kConfigMap, ns(), "a"), {"data", "key"}), "30");
}

TEST_P(Conformance, PatchesWithoutAVersionDoNotConflict) {
  create(config_map(ns(), "a", "0"));
  std::atomic<int> failures{0};
  const auto patch = [&](const std::string& key) {
    for (int i = 0; i < 10; ++i) {
      const store::MergePatch change(json::object{{"data", json::object{{key, std::to_string(i)}}}});
      if (!server().merge_patch(kConfigMap, ns(), "a", change, {})) ++failures;
    }
  };
  std::thread one(patch, "one");
  patch("two");
  one.join();
  EXPECT_EQ(failures, 0);
  const api::Object object = server().get(kConfigMap, ns(), "a").value();
  EXPECT_EQ(api::string_at(object, {"data", "one"}), "9");
  EXPECT_EQ(api::string_at(object, {"data", "two"}), "9");
}

TEST_P(Conformance, EveryWatcherSeesTheSameOrder) {
  const std::string from = version();
  std::vector<std::unique_ptr<Watch>> watchers;
  for (int i = 0; i < 3; ++i) watchers.push_back(watch(from));
  const auto write = [this](const std::string& prefix) {
    for (int i = 0; i < 10; ++i) create(config_map(ns(), prefix + std::to_string(i)));
  };
  std::thread one(write, "one-");
  write("two-");
  one.join();
  std::vector<std::string> first;
  for (const auto& w : watchers) {
    std::vector<std::string> seen;
    for (int i = 0; i < 20; ++i) seen.push_back(next(*w));
    if (first.empty()) first = seen;
    EXPECT_EQ(seen, first);
  }
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 20u);
}

TEST_P(Conformance, DrawnNamesDiffer) {
  std::set<std::string> names;
  for (int i = 0; i < 50; ++i) {
    api::Object object = config_map(ns(), "");
    json::object& metadata = api::make_object(object, {"metadata"});
    metadata.erase("name");
    metadata["generateName"] = "worker-";
    const std::string name(api::name_of(create(object)));
    EXPECT_EQ(name.size(), 12u);
    EXPECT_EQ(name.substr(0, 7), "worker-");
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 50u);
}

TEST_P(Conformance, ListsAcrossNamespacesHaveAllAndWatchesToo) {
  const std::string other = where().fresh_namespace();
  WatchOptions options;
  options.label_selector = "suite=" + ns();
  options.resource_version = version();
  const auto w = server().watch(kConfigMap, options).value();
  for (const std::string& each : {ns(), other}) {
    api::Object object = config_map(each, "a");
    api::make_object(object, {"metadata", "labels"})["suite"] = ns();
    create(object);
    EXPECT_EQ(next(*w), "ADDED a=1");
  }
  store::ListOptions all;
  all.label_selector = "suite=" + ns();
  EXPECT_EQ(server().list(kConfigMap, all).value().items.size(), 2u);
}

TEST_P(Conformance, LongListsComeInPagesThatBelongTogether) {
  for (int i = 0; i < 25; ++i) create(config_map(ns(), "a" + std::to_string(100 + i)));
  store::ListOptions options;
  options.ns = ns();
  options.limit = 7;
  std::vector<std::string> names;
  std::string version_of_first;
  do {
    const auto page = server().list(kConfigMap, options).value();
    if (version_of_first.empty()) version_of_first = page.resource_version;
    EXPECT_EQ(page.resource_version, version_of_first);
    EXPECT_LE(page.items.size(), 7u);
    for (const auto& item : page.items) names.emplace_back(api::name_of(item));
    options.continue_token = page.continue_token;
    // What happens meanwhile belongs to a later version.
    create(config_map(ns(), "z" + std::to_string(names.size())));
  } while (!options.continue_token.empty());
  EXPECT_EQ(names.size(), 25u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_P(Conformance, ADeletionWithFinalizersIsAChangeAndThenADeletion) {
  api::Object object = config_map(ns(), "a");
  api::make_object(object, {"metadata"})["finalizers"] = json::array{"sedna.io/x"};
  const auto w = watch(version());
  create(object);
  remove("a");
  const api::Object going = server().get(kConfigMap, ns(), "a").value();
  ASSERT_TRUE(api::is_deleting(going));
  const store::MergePatch release(json::object{{"metadata", json::object{{"finalizers", json::array()}}}},
                                  api::resource_version_of(going));
  static_cast<void>(server().merge_patch(kConfigMap, ns(), "a", release, {}).value());
  EXPECT_EQ(next(*w), "ADDED a=1");
  EXPECT_EQ(next(*w), "MODIFIED a=1");
  EXPECT_EQ(next(*w), "DELETED a=1");
  EXPECT_TRUE(server().get(kConfigMap, ns(), "a").status().is_not_found());
}

TEST_P(Conformance, StatusAndSpecAreWatchedAlike) {
  WatchOptions options;
  options.ns = ns();
  options.send_initial_events = true;
  const auto w = server().watch(kDataset, options).value();
  EXPECT_EQ(next(*w), "BOOKMARK END OF INITIAL EVENTS");
  create(dataset(ns(), "d"));
  const store::MergePatch facts(json::object{{"status", json::object{{"numberOfSamples", 7}}}});
  static_cast<void>(server().merge_patch_status(kDataset, ns(), "d", facts, {}).value());
  EXPECT_EQ(next(*w), "ADDED d");
  const auto event = w->next(soon());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, WatchEvent::Type::kModified);
  EXPECT_EQ(api::int_at(event->object, {"status", "numberOfSamples"}), 7);
  EXPECT_EQ(api::generation_of(event->object), 1);
}

// A Lease as leader election uses it: taken by one, and only with the version that was read.
TEST_P(Conformance, ALeaseIsTakenByOne) {
  const api::Object free = create(lease(ns(), "leader"));
  api::Object mine = free;
  api::make_object(mine, {"spec"})["holderIdentity"] = "one";
  api::Object yours = free;
  api::make_object(yours, {"spec"})["holderIdentity"] = "two";
  EXPECT_TRUE(server().update(kLease, mine, {}));
  EXPECT_TRUE(server().update(kLease, yours, {}).status().is_conflict());
  EXPECT_EQ(api::string_at(*server().get(kLease, ns(), "leader"), {"spec", "holderIdentity"}), "one");
}

TEST_P(Conformance, WhatAnOwnerLeavesIsCollected) {
  if (GetParam() == "kube") {
    GTEST_SKIP() << "no controller-manager runs beside this API server: garbage collection is not looked at there";
  }
  if (GetParam() == "embedded") GTEST_SKIP() << "the loops run in the daemon, not in the engine";
  Home& alive = home("apiserver-with-loops");
  const std::string ns = alive.fresh_namespace();
  const auto make = [&](const api::Object& object) { return alive.api().create(kConfigMap, object, {}).value(); };
  const api::Object owner = make(config_map(ns, "owner"));
  api::Object child = config_map(ns, "child");
  api::OwnerReference reference = api::controller_reference(owner);
  api::make_object(child, {"metadata"})["ownerReferences"] = json::array{api::to_json(reference)};
  make(child);
  reference.uid = "00000000-0000-0000-0000-000000000000";
  api::Object orphan = config_map(ns, "orphan-of-another");
  api::make_object(orphan, {"metadata"})["ownerReferences"] = json::array{api::to_json(reference)};
  WatchOptions options;
  options.ns = ns;
  const auto w = alive.api().watch(kConfigMap, options).value();
  make(orphan);
  EXPECT_EQ(next(*w), "ADDED orphan-of-another=1");
  EXPECT_EQ(next(*w), "DELETED orphan-of-another=1");
  static_cast<void>(alive.api().remove(kConfigMap, ns, "owner", {}).value());
  EXPECT_EQ(next(*w), "DELETED owner=1");
  EXPECT_EQ(next(*w), "DELETED child=1");
}

INSTANTIATE_TEST_SUITE_P(Homes, Conformance, ::testing::ValuesIn(home_names()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace sedna::conformance
