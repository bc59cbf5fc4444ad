#include "sedna/control/object_cache.hpp"

#include <gtest/gtest.h>

namespace sedna::control {
namespace {

api::Object pod(std::string_view name, int version, std::string_view node = "edge0") {
  api::Object object = api::new_object(api::kinds::kPod, "default", name);
  object["metadata"].get_object()["resourceVersion"] = std::to_string(version);
  api::make_object(object, {"spec"})["nodeName"] = node;
  return object;
}

TEST(ObjectCache, TakesNewerVersionsAndLeavesOlderOnesOut) {
  ObjectCache cache;
  EXPECT_TRUE(cache.put(pod("a", 5)).after);
  EXPECT_FALSE(cache.put(pod("a", 5))) << "the same version is no change";
  EXPECT_FALSE(cache.put(pod("a", 4))) << "a late watch event";
  const auto change = cache.put(pod("a", 6));
  EXPECT_EQ(api::resource_version_of(*change.before), "5");
  EXPECT_EQ(api::resource_version_of(*cache.get("default/a")), "6");
}

TEST(ObjectCache, ALateEventDoesNotBringADeletedObjectBack) {
  ObjectCache cache;
  cache.put(pod("a", 5));
  EXPECT_TRUE(cache.erase("default/a", "7").before);
  EXPECT_FALSE(cache.put(pod("a", 6)));
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_TRUE(cache.put(pod("a", 8))) << "made again under the same name";
}

TEST(ObjectCache, ALateDeletionDoesNotTakeTheNewObject) {
  ObjectCache cache;
  cache.put(pod("a", 9));
  EXPECT_FALSE(cache.erase("default/a", "7"));
  EXPECT_EQ(cache.size(), 1U);
}

TEST(ObjectCache, IndexesFollowChanges) {
  ObjectCache cache;
  cache.add_index("node", index_by_node);
  cache.put(pod("a", 1, "edge0"));
  cache.put(pod("b", 2, "edge0"));
  cache.put(pod("c", 3, "edge1"));
  EXPECT_EQ(cache.by_index("node", "edge0").size(), 2U);
  cache.put(pod("a", 4, "edge1"));
  ASSERT_EQ(cache.by_index("node", "edge1").size(), 2U);
  EXPECT_EQ(api::name_of(*cache.by_index("node", "edge1")[0]), "a") << "in order of the keys";
  cache.erase("default/c");
  EXPECT_EQ(cache.by_index("node", "edge1").size(), 1U);
  EXPECT_TRUE(cache.by_index("node", "nowhere").empty());
}

TEST(ObjectCache, ReplaceTakesAwayWhatIsNotListedButNotWhatIsNewerThanTheList) {
  ObjectCache cache;
  cache.put(pod("kept", 1));
  cache.put(pod("gone", 2));
  cache.put(pod("written-by-us", 11));
  std::vector<api::Object> listed;
  listed.push_back(pod("kept", 1));
  listed.push_back(pod("new", 9));
  const auto changes = cache.replace(std::move(listed), "10");
  EXPECT_EQ(changes.size(), 2U);
  EXPECT_FALSE(cache.get("default/gone"));
  EXPECT_TRUE(cache.get("default/new"));
  EXPECT_TRUE(cache.get("default/written-by-us"));
}

TEST(ObjectCache, ListsOneNamespace) {
  ObjectCache cache;
  cache.put(pod("a", 1));
  api::Object other = pod("b", 2);
  other["metadata"].get_object()["namespace"] = "default2";
  cache.put(std::move(other));
  EXPECT_EQ(cache.list("default").size(), 1U);
  EXPECT_EQ(cache.list().size(), 2U);
}

}  // namespace
}  // namespace sedna::control
