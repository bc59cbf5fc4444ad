// What we make of upstream's recorded FederatedLearningJobs equals what upstream's GM made of them, but for the
// reviewed list in docs/compatibility/control-plane.md, each entry of which is a function here. The recordings lie
// beside the repository (or where SEDNA_GOLDEN says); without them the test says that it was left out.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include <gmock/gmock.h>

#include "sedna/gm/children.hpp"
#include "sedna/gm/test_gm.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;

std::optional<json::object> recording(const std::string& name) {
  const char* folder = std::getenv("SEDNA_GOLDEN");
  const std::string root = folder != nullptr ? folder : SEDNA_SOURCE_DIR "/../shared/golden";
  std::ifstream in(root + "/objects/" + name);
  if (!in) {
    std::cout << "LEFT OUT: no recordings of upstream at " << root << "; set SEDNA_GOLDEN\n";
    return std::nullopt;
  }
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return json::parse(text).value().get_object();
}

json::object& first_of(json::object& pod, std::string_view list) {
  return pod["spec"].at(list).at(0).get_object();
}

json::value take_env(json::object& container, std::string_view name) {
  json::value found;
  json::array rest;
  for (auto& entry : container["env"].get_array()) {
    if (api::string_at(entry.get_object(), {"name"}) == name) {
      found = entry;
    } else {
      rest.push_back(entry);
    }
  }
  container["env"] = std::move(rest);
  return found;
}

void put_env(json::object& container, std::string_view name, std::string_view value) {
  container["env"].get_array().push_back(json::object{{"name", name}, {"value", value}});
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

/// Credentials stay in their Secret; upstream writes their values into the Pod.
void with_open_credentials(json::object& pod) {
  for (const char* list : {"containers", "initContainers"}) {
    if (api::array_at(pod, {"spec", list}) == nullptr) continue;
    auto& container = first_of(pod, list);
    for (const auto& [name, value] : {std::pair{"ACCESS_KEY_ID", "aaa"}, {"SECRET_ACCESS_KEY", "bbb"}}) {
      if (!take_env(container, name).is_null()) put_env(container, name, value);
    }
  }
}

// ---- What differs between two runs of the same program. ----

std::string normal(json::object object, const std::string& uid) {
  object.erase("status");
  auto& metadata = object["metadata"].get_object();
  for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}) {
    metadata.erase(name);
  }
  auto& spec = object["spec"].get_object();
  // What servers fill in, each in its own way.
  for (const char* name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "nodeName", "tolerations",
                           "priority", "preemptionPolicy"}) {
    if (name != std::string_view("nodeName")) spec.erase(name);
  }
  for (const char* list : {"containers", "initContainers"}) {
    if (!spec.contains(list)) continue;
    for (auto& entry_of_list : spec.at(list).as_array()) {
      auto& env = entry_of_list.at("env").as_array();
      for (auto& entry : env) {
        auto& variable = entry.get_object();
        if (api::string_at(variable, {"name"}) == "WORKER_NAME") {
          std::string drawn(api::string_at(variable, {"value"}));
          variable["value"] = drawn.substr(0, drawn.find('-') + 1);
        }
      }
      std::sort(env.begin(), env.end(), [](const json::value& a, const json::value& b) {
        return api::string_at(a.get_object(), {"name"}) < api::string_at(b.get_object(), {"name"});
      });
    }
  }
  std::string text = canonical_text(object);
  for (auto at = text.find(uid); at != std::string::npos; at = text.find(uid, at)) text.replace(at, uid.size(), "UID");
  return text;
}

class FederatedParity : public ::testing::TestWithParam<const char*> {
 protected:
  void make(json::object object) {
    object.erase("status");
    auto& metadata = object["metadata"].get_object();
    for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "generation"}) metadata.erase(name);
    gm_.apply(object).value();
  }
  /// Everything of the recording but what GM makes. Models and Datasets of one name twice are one.
  void apply(const json::object& recorded) {
    ns_ = api::namespace_of(recorded.at("custom_resource").as_object());
    gm_.apply(api::new_object(kNamespace, "", ns_)).value();
    for (const char* list : {"models", "datasets"}) {
      for (const auto& object : recorded.at(list).as_array()) make(object.get_object());
    }
    api::Object secret = api::new_object(kSecret, ns_, "mysecret");
    secret["metadata"].get_object()["annotations"] =
        json::object{{"s3-endpoint", "s3.example.invalid"}, {"s3-usehttps", "1"}};
    secret["data"] = json::object{{"ACCESS_KEY_ID", "YWFh"}, {"SECRET_ACCESS_KEY", "YmJi"}};
    gm_.apply(secret).value();
    make(recorded.at("custom_resource").as_object());
    job_ = gm_.server.get(kFederatedLearningJob, ns_, api::name_of(recorded.at("custom_resource").as_object())).value();
  }
  std::vector<api::Object> list(const api::Kind& kind) {
    store::ListOptions options;
    options.ns = ns_;
    return gm_.server.list(kind, options).value().items;
  }
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

  testing::TestGm gm_;
  std::string ns_;
  api::Object job_;
};

// FJ-1.1
TEST_P(FederatedParity, PodsAndServiceAreUpstreamsButForTheReviewedList) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  apply(*recorded);
  gm_.settle();
  const std::string ours(api::uid_of(job_)), old(api::uid_of(recorded->at("custom_resource").as_object()));
  std::vector<std::string> made, wanted;
  for (api::Object pod : list(kPod)) {
    without_additions(pod);
    without_state(pod);
    with_token(pod);
    without_notes(pod);
    with_drawn_name(pod);
    with_open_credentials(pod);
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
  apply(*recorded);
  const std::string uid(api::uid_of(job_)), old(api::uid_of(recorded->at("custom_resource").as_object()));
  int drawn = 0;
  for (const char* resource : {"pods", "services"}) {
    for (auto& object : theirs(*recorded, resource)) {
      std::string text = json::write(object);
      for (auto at = text.find(old); at != std::string::npos; at = text.find(old, at))
        text.replace(at, old.size(), uid);
      json::object made = json::parse(text).value().get_object();
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
