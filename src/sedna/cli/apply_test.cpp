#include "sedna/cli/apply.hpp"

#include <gtest/gtest.h>

#include "sedna/cli/apply_files.hpp"
#include "sedna/cli/fake_cluster.hpp"

namespace sedna::cli {
namespace {

json::object object(std::string_view text) {
  return json::parse(text).value().as_object();
}

json::object patch(std::string_view original, std::string_view modified, std::string_view current) {
  return three_way_merge_patch(object(original), object(modified), object(current));
}

// HOME-1.2
TEST(ThreeWayPatch, SetsRemovesAndLeavesAlone) {
  EXPECT_EQ(patch("{}", R"({"a":1})", R"({"a":1,"others":2})"), object("{}"));
  EXPECT_EQ(patch("{}", R"({"a":2})", R"({"a":1})"), object(R"({"a":2})"));
  EXPECT_EQ(patch(R"({"a":1,"b":1})", R"({"a":1})", R"({"a":1,"b":1,"c":1})"), object(R"({"b":null})"));
  EXPECT_EQ(patch(R"({"s":{"x":1,"y":1}})", R"({"s":{"x":1}})", R"({"s":{"x":1,"y":1,"z":1}})"),
            object(R"({"s":{"y":null}})"));
  EXPECT_EQ(patch(R"({"b":1})", R"({})", R"({})"), object("{}"));  // gone already
}

// HOME-1.2
TEST(ThreeWayPatch, ListsAreReplacedWhole) {
  EXPECT_EQ(patch("{}", R"({"l":[1,2]})", R"({"l":[1]})"), object(R"({"l":[1,2]})"));
  EXPECT_EQ(patch("{}", R"({"l":[1,2]})", R"({"l":[1,2]})"), object("{}"));
}

// HOME-1.2
TEST(ThreeWayPatch, WhatTheServerAddedInAListIsNoChange) {
  const char* mine = R"({"ports":[{"port":80}]})";
  const char* defaulted = R"({"ports":[{"port":80,"protocol":"TCP"}]})";
  EXPECT_EQ(patch(mine, mine, defaulted), object("{}"));
  EXPECT_EQ(patch("{}", mine, defaulted), object("{}"));
  // But a member that the file had before and has no longer is one.
  EXPECT_EQ(patch(R"({"ports":[{"port":80,"name":"x"}]})", mine, R"({"ports":[{"port":80,"name":"x"}]})"),
            object(mine));
}

// HOME-1.2
TEST(ThreeWayPatch, NumbersOfAnotherTypeAreTheSame) {
  EXPECT_EQ(patch("{}", R"({"a":1.0})", R"({"a":1})"), object("{}"));
}

// HOME-1.1
TEST(LastApplied, IsWhatKubectlWrites) {
  EXPECT_EQ(
      last_applied_text(object(R"({"kind":"Model","apiVersion":"sedna.io/v1alpha1","spec":{"url":"/x","format":"pb"},)"
                               R"("metadata":{"name":"m","namespace":"default"}})")),
      R"({"apiVersion":"sedna.io/v1alpha1","kind":"Model","metadata":{"annotations":{},"name":"m",)"
      R"("namespace":"default"},"spec":{"format":"pb","url":"/x"}})"
      "\n");
}

constexpr const char* kModel = R"(apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: small}
spec: {url: /models/small.onnx, format: onnx}
)";

struct ApplyTest : ::testing::Test {
  FakeCluster cluster;
  std::string out, err;

  int run(const std::string& text) {
    out.clear();
    err.clear();
    Console console = Console::capture(out, err);
    ApplyFilesOptions options;
    options.manifests = parse_manifests(text, "x.yaml");
    options.apply.ns = "default";
    return apply_files(cluster, console, std::move(options));
  }
};

// HOME-1.1
TEST_F(ApplyTest, CreatesConfiguresLeaves) {
  EXPECT_EQ(run(kModel), 0) << err;
  EXPECT_EQ(out, "model.sedna.io/small created\n");
  EXPECT_EQ(run(kModel), 0);
  EXPECT_EQ(out, "model.sedna.io/small unchanged\n");
  std::string changed(kModel);
  changed.replace(changed.find("small.onnx"), 10, "better.onnx");
  EXPECT_EQ(run(changed), 0);
  EXPECT_EQ(out, "model.sedna.io/small configured\n");
  const auto stored = cluster.api().get(api::kinds::kModel, "default", "small").value();
  EXPECT_EQ(api::string_at(stored, {"spec", "url"}), "/models/better.onnx");
}

// HOME-1.1
TEST_F(ApplyTest, WhatOthersSetStays) {
  ASSERT_EQ(run(kModel), 0);
  json::object patch{{"metadata", json::object{{"labels", json::object{{"team", "a"}}}}}};
  ASSERT_TRUE(cluster.api().merge_patch(api::kinds::kModel, "default", "small", store::MergePatch(patch)).ok());
  EXPECT_EQ(run(kModel), 0);
  EXPECT_EQ(out, "model.sedna.io/small unchanged\n");
  const auto stored = cluster.api().get(api::kinds::kModel, "default", "small").value();
  EXPECT_EQ(api::label(stored, "team"), "a");
}

// HOME-1.3
TEST_F(ApplyTest, OneBadDocumentDoesNotKeepTheOthersOut) {
  EXPECT_EQ(run("apiVersion: sedna.io/v1alpha1\nkind: Modle\nmetadata: {name: x}\n---\n" + std::string(kModel)), 1);
  EXPECT_EQ(out, "model.sedna.io/small created\n");
  EXPECT_NE(err.find("Modle"), std::string::npos) << err;
  EXPECT_NE(err.find("x.yaml (line 1)"), std::string::npos) << err;
}

// HOME-1.3
TEST_F(ApplyTest, FaultsNameTheirFields) {
  EXPECT_EQ(run("apiVersion: sedna.io/v1alpha1\nkind: Model\nmetadata: {name: x}\nspec: {format: 3}\n"), 1);
  EXPECT_NE(err.find("spec.url"), std::string::npos) << err;
  EXPECT_EQ(out, "");
}

// HOME-1.3
TEST_F(ApplyTest, NamespacesComeFirst) {
  EXPECT_EQ(run("apiVersion: sedna.io/v1alpha1\nkind: Model\nmetadata: {name: x, namespace: lab}\n"
                "spec: {url: /x, format: onnx}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: lab}\n"),
            0)
      << err;
  EXPECT_EQ(out, "namespace/lab created\nmodel.sedna.io/x created\n");
}

// HOME-1.3
TEST_F(ApplyTest, AMissingNamespaceSaysHowToMakeIt) {
  EXPECT_EQ(run("apiVersion: sedna.io/v1alpha1\nkind: Model\nmetadata: {name: x, namespace: nowhere}\n"
                "spec: {url: /x, format: onnx}\n"),
            1);
  EXPECT_NE(err.find("kind: Namespace"), std::string::npos) << err;
}

// HOME-1.3
TEST(Manifests, SayWhereTheFaultIs) {
  const auto message = [](const std::string& text) {
    try {
      parse_manifests(text, "x.yaml");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(message("a: [1\n").find("line"), std::string::npos) << message("a: [1\n");
  EXPECT_NE(message("- 1\n").find("x.yaml"), std::string::npos);
  EXPECT_NE(message("apiVersion: v1\n").find("kind is missing"), std::string::npos);
  EXPECT_NE(message("kind: A\nkind: B\napiVersion: v1\n").find("kind"), std::string::npos);
}

// HOME-1.3
TEST(Manifests, ListsGiveTheirItems) {
  const auto all = parse_manifests(
      "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n"
      "- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n---\n{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}\n",
      "x");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(api::name_of(all[1].object), "b");
  EXPECT_EQ(api::kind_of(all[2].object), "ConfigMap");
}

}  // namespace
}  // namespace sedna::cli
