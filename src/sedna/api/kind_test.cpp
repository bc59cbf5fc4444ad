#include "sedna/api/kind.hpp"

#include <set>

#include <gtest/gtest.h>

namespace sedna::api {
namespace {

// RES-1.1
TEST(Kind, PathsAreKubernetes) {
  EXPECT_EQ(kinds::kDataset.path("default"), "/apis/sedna.io/v1alpha1/namespaces/default/datasets");
  EXPECT_EQ(kinds::kDataset.path(), "/apis/sedna.io/v1alpha1/datasets");
  EXPECT_EQ(kinds::kPod.path("ns", "p", "status"), "/api/v1/namespaces/ns/pods/p/status");
  EXPECT_EQ(kinds::kNode.path("ignored", "n", ""), "/api/v1/nodes/n");
  EXPECT_EQ(kinds::kDeployment.path("d", "x", "scale"), "/apis/apps/v1/namespaces/d/deployments/x/scale");
}

// RES-1.1
TEST(Kind, FoundByGroupKindAndResource) {
  for (const Kind* k : all_kinds()) {
    EXPECT_EQ(find_kind(k->api_version(), k->kind), k);
    EXPECT_EQ(find_resource(k->group, k->version, k->plural), k);
    EXPECT_EQ(k->list_kind(), std::string(k->kind) + "List");
  }
  EXPECT_EQ(find_kind("sedna.io/v1", "Dataset"), nullptr);
  EXPECT_EQ(find_kind("v1", "Deployment"), nullptr);
}

// RES-1.1
TEST(Kind, FoundByWhatAPersonTypes) {
  EXPECT_EQ(find_kind_by_word("ji"), &kinds::kJointInferenceService);
  EXPECT_EQ(find_kind_by_word("JointInferenceService"), &kinds::kJointInferenceService);
  EXPECT_EQ(find_kind_by_word("datasets.sedna.io"), &kinds::kDataset);
  EXPECT_EQ(find_kind_by_word("deploy"), &kinds::kDeployment);
  EXPECT_EQ(find_kind_by_word("deployments.v1.apps"), &kinds::kDeployment);
  EXPECT_EQ(find_kind_by_word("deployments.v1.core"), nullptr);
  EXPECT_EQ(find_kind_by_word("po"), &kinds::kPod);
  EXPECT_EQ(find_kind_by_word("pods.v1"), &kinds::kPod);
  EXPECT_EQ(find_kind_by_word("ds"), nullptr) << "belongs to DaemonSets";
  EXPECT_EQ(find_kind_by_word("nothing"), nullptr);
  EXPECT_EQ(find_kind_by_word(""), nullptr);
}

// RES-1.1
TEST(Kind, NoTwoKindsShareAName) {
  std::set<std::string> words;
  for (const Kind* k : all_kinds()) {
    EXPECT_TRUE(words.insert(std::string(k->plural)).second) << k->plural;
    EXPECT_TRUE(words.insert(std::string(k->singular)).second) << k->singular;
    for (const auto s : k->short_names) EXPECT_TRUE(words.insert(std::string(s)).second) << s;
  }
  EXPECT_EQ(all_kinds().size(), 22U);
  EXPECT_EQ(all_kinds().front(), &kinds::kDataset);
}

}  // namespace
}  // namespace sedna::api
