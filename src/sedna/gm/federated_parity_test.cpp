// What we make of upstream's recorded FederatedLearningJobs equals what upstream's GM made of them, but for the
// reviewed list in docs/compatibility/control-plane.md, each entry of which is a function here.
#include <map>

#include <gmock/gmock.h>

#include "sedna/gm/children.hpp"
#include "sedna/gm/test_parity.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using testing::recording;
using testing::take_env;

json::object& first_of(json::object& pod, std::string_view list) {
  return pod["spec"].at(list).at(0).get_object();
}

bool aggregates(const json::object& pod) {
  return api::label(pod, "federatedlearningjob.sedna.io/worker-type") == "aggregation";
}

// ---- The reviewed list: each function undoes one difference in our Pod, and fails when it is not there. ----

/// POD_UID and SEDNA_SERVE_PLAINTEXT are added; the aggregator reports, too.
void without_additions(json::object& pod) {
  auto& container = first_of(pod, "containers");
  for (const char* name : {"POD_UID", "SEDNA_SERVE_PLAINTEXT"})
    EXPECT_FALSE(take_env(container, name).is_null()) << name;
  if (!aggregates(pod)) return;
  for (const char* name : {"LC_SERVER", "HOST_IP"}) EXPECT_FALSE(take_env(container, name).is_null()) << name;
}

/// The rounds lie in a folder of the node.
void without_state(json::object& pod) {
  if (!aggregates(pod)) return;
  auto& container = first_of(pod, "containers");
  EXPECT_FALSE(take_env(container, "SEDNA_FL_STATE").is_null());
  auto& mounts = container["volumeMounts"].get_array();
  EXPECT_EQ(api::string_at(mounts.back().get_object(), {"name"}), "sedna-federated-state");
  mounts.pop_back();
  auto& volumes = pod["spec"].at("volumes").get_array();
  EXPECT_EQ(api::string_at(volumes.back().get_object(), {"name"}), "sedna-federated-state");
  volumes.pop_back();
}

/// Workers get no token of the API server.
void with_token(json::object& pod) {
  EXPECT_EQ(pod["spec"].get_object().erase("automountServiceAccountToken"), 1U);
}

/// GM notes what it made a Pod from, and which worker it is.
void without_notes(json::object& pod) {
  auto& annotations = pod["metadata"].at("annotations").get_object();
  EXPECT_EQ(annotations.erase(kSpecHash), 1U);
  EXPECT_EQ(annotations.erase(kWorkerKey), 1U);
  if (annotations.empty()) pod["metadata"].get_object().erase("annotations");
}

/// A Pod's name follows from the worker; upstream has one drawn.
void with_drawn_name(json::object& pod) {
  auto& metadata = pod["metadata"].get_object();
  const std::string name(api::string_at(metadata, {"name"}));
  constexpr std::size_t kLetters = 5;
  ASSERT_GT(name.size(), kLetters);
  metadata["generateName"] = name.substr(0, name.size() - kLetters);
  metadata.erase("name");
}

// ---- What differs between two runs of the same program. ----

std::string normal(json::object object, const std::string& uid) {
  testing::without_server_fields(object);
  auto& spec = object["spec"].get_object();
  // What servers fill in, each in its own way.
  for (const char* name :
       {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "tolerations", "priority", "preemptionPolicy"}) {
    spec.erase(name);
  }
  for (const char* list : {"containers", "initContainers"}) {
    if (!spec.contains(list)) continue;
    for (auto& entry_of_list : spec.at(list).as_array()) {
      for (auto& entry : entry_of_list.at("env").as_array()) {
        auto& variable = entry.get_object();
        if (api::string_at(variable, {"name"}) == "WORKER_NAME") {
          std::string drawn(api::string_at(variable, {"value"}));
          variable["value"] = drawn.substr(0, drawn.find('-') + 1);
        }
      }
      testing::sort_env(entry_of_list.get_object());
    }
  }
  return testing::replaced(canonical_text(object), uid, "UID");
}

class FederatedParity : public testing::RecordedCase {
 protected:
  static std::vector<json::object> theirs(const json::object& recorded, std::string_view resource) {
    std::vector<json::object> out;
    for (const auto& entry : recorded.at("gmRequests").as_array()) {
      const auto& request = entry.get_object();
      if (api::string_at(request, {"verb"}) == "create" && api::string_at(request, {"resource"}) == resource) {
        out.push_back(*api::object_at(request, {"requestObject"}));
      }
    }
    return out;
  }
};

// FJ-1.1
TEST_P(FederatedParity, PodsAndServiceAreUpstreamsButForTheReviewedList) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  const auto job = make_all(*recorded, {"models", "datasets"});
  gm_.settle();
  const std::string ours(api::uid_of(job)), old(api::uid_of(recorded->at("custom_resource").as_object()));
  std::vector<std::string> made, wanted;
  for (api::Object pod : list(kPod)) {
    without_additions(pod);
    without_state(pod);
    with_token(pod);
    without_notes(pod);
    with_drawn_name(pod);
    testing::with_open_credentials(pod["spec"].get_object());
    if (!aggregates(pod)) {
      // A worker on the host's network reaches its node's local controller as upstream's does.
      EXPECT_EQ(env_value(pod, "LC_SERVER"), "http://localhost:9100");
    }
    made.push_back(normal(std::move(pod), ours));
  }
  for (auto& service : list(kService)) made.push_back(normal(std::move(service), ours));
  for (const char* resource : {"pods", "services"}) {
    for (auto& object : theirs(*recorded, resource)) wanted.push_back(normal(std::move(object), old));
  }
  EXPECT_THAT(made, ::testing::UnorderedElementsAreArray(wanted));
}

/// The Pods that upstream's GM left behind go on.
// FJ-1.10
TEST_P(FederatedParity, WhatUpstreamMadeIsAdoptedAndNothingIsRestarted) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  const auto job = make_all(*recorded, {"models", "datasets"});
  const std::string uid(api::uid_of(job)), old(api::uid_of(recorded->at("custom_resource").as_object()));
  int drawn = 0;
  for (const char* resource : {"pods", "services"}) {
    for (auto& object : theirs(*recorded, resource)) {
      json::object made = json::parse(testing::replaced(json::write(object), old, uid)).value().get_object();
      auto& metadata = made["metadata"].get_object();
      if (!metadata.contains("name")) {
        metadata["name"] = std::string(api::string_at(metadata, {"generateName"})) + "drawn" + std::to_string(++drawn);
      }
      make(std::move(made));
    }
  }
  std::map<std::string, std::string> before, after;
  for (const auto& pod : list(kPod)) before[std::string(api::name_of(pod))] = json::write(pod.at("spec"));
  gm_.settle();
  for (const auto& pod : list(kPod)) {
    after[std::string(api::name_of(pod))] = json::write(pod.at("spec"));
    EXPECT_TRUE(api::annotation(pod, kSpecHash));
    EXPECT_FALSE(api::is_deleting(pod));
  }
  EXPECT_EQ(after, before);
  EXPECT_EQ(before.size(), 3U);
}

INSTANTIATE_TEST_SUITE_P(Recorded, FederatedParity,
                         ::testing::Values("federatedlearningjob.json", "federatedlearningjob-transmitter.json",
                                           "federatedlearningjob-yolo-s3.json"));

}  // namespace
}  // namespace sedna::gm
