#include "sedna/api/object.hpp"

#include <gtest/gtest.h>

namespace sedna::api {
namespace {

using std::chrono::system_clock;

Object parse(std::string_view text) {
  return json::parse(text).value().get_object();
}

// RES-1.2
TEST(Object, MetadataAccess) {
  const Object o = parse(R"({"apiVersion":"sedna.io/v1alpha1","kind":"Dataset","metadata":{"name":"d","namespace":"n",
      "uid":"u","resourceVersion":"7","generation":3,"labels":{"a":"b"},"annotations":{"c":""}},"spec":{"x":[1]}})");
  EXPECT_EQ(name_of(o), "d");
  EXPECT_EQ(namespace_of(o), "n");
  EXPECT_EQ(uid_of(o), "u");
  EXPECT_EQ(resource_version_of(o), "7");
  EXPECT_EQ(generation_of(o), 3);
  EXPECT_FALSE(is_deleting(o));
  EXPECT_EQ(find_kind(o), &kinds::kDataset);
  EXPECT_EQ(label(o, "a"), "b");
  EXPECT_EQ(label(o, "z"), std::nullopt);
  EXPECT_EQ(annotation(o, "c"), "");
  EXPECT_EQ(key_of(o), "n/d");
  EXPECT_NE(array_at(o, {"spec", "x"}), nullptr);
  EXPECT_EQ(object_at(o, {"spec", "x"}), nullptr);
}

// RES-1.2
TEST(Object, WrongShapesAreAbsent) {
  const Object o = parse(R"({"metadata":[],"kind":3,"spec":null})");
  EXPECT_EQ(name_of(o), "");
  EXPECT_EQ(kind_of(o), "");
  EXPECT_EQ(find_kind(o), nullptr);
  EXPECT_EQ(find(o, {"spec", "x"}), nullptr);
  EXPECT_TRUE(owners_of(o).empty());
  EXPECT_FALSE(is_deleting(o));
}

TEST(Object, MakeObjectBuildsThePathAndRefusesAnotherShape) {
  Object o = parse(R"({"spec":null,"text":"x"})");
  make_object(o, {"spec", "template", "metadata"})["name"] = "t";
  EXPECT_EQ(string_at(o, {"spec", "template", "metadata", "name"}), "t");
  EXPECT_THROW(make_object(o, {"text", "x"}), Error);
}

// RES-1.2
TEST(Object, Owners) {
  Object owner = new_object(kinds::kJointInferenceService, "default", "ji");
  make_object(owner, {"metadata"})["uid"] = "u1";
  const auto reference = controller_reference(owner);
  Object child = new_object(kinds::kDeployment, "default", "child");
  make_object(child, {"metadata"})["ownerReferences"] = json::array{to_json(reference)};
  ASSERT_TRUE(controller_of(child).has_value());
  EXPECT_EQ(controller_of(child)->uid, "u1");
  EXPECT_EQ(controller_of(child)->api_version, "sedna.io/v1alpha1");
  EXPECT_TRUE(controller_of(child)->block_owner_deletion);
  EXPECT_EQ(controller_of(owner), std::nullopt);
}

// RES-1.2
TEST(Object, Keys) {
  EXPECT_EQ(split_key("a/b"), (std::pair<std::string, std::string>{"a", "b"}));
  EXPECT_EQ(split_key("node0"), (std::pair<std::string, std::string>{"", "node0"}));
  EXPECT_EQ(make_key("", "x"), "x");
  EXPECT_EQ(namespace_of(new_object(kinds::kNode, "default", "n")), "") << "nodes have no namespace";
}

// RES-1.2
TEST(Time, RoundTripAndZones) {
  const auto t = parse_time("2026-01-31T13:05:59Z");
  ASSERT_TRUE(t);
  EXPECT_EQ(format_time(*t), "2026-01-31T13:05:59Z");
  EXPECT_EQ(parse_time("2026-01-31T15:05:59+02:00"), t);
  EXPECT_EQ(*parse_time("2026-01-31T13:05:59.250000Z") - *t, std::chrono::milliseconds(250));
  EXPECT_EQ(format_time(*parse_time("2024-02-29T00:00:00-00:30")), "2024-02-29T00:30:00Z");
  EXPECT_EQ(format_time(system_clock::time_point{}), "1970-01-01T00:00:00Z");
  EXPECT_TRUE(parse_time("0001-01-01T00:00:00Z")) << "Go's zero time";
  for (const char* bad : {"", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T13:05:59",
                          "2026-01-31T13:05:59.Z", "2026-01-31 13:05:59Z", "2026-01-31T13:05:59+2:00"}) {
    EXPECT_EQ(parse_time(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace sedna::api
