// What we make of upstream's recorded services equals what upstream's GM made of them, but for the reviewed list in
// docs/compatibility/control-plane.md, each entry of which is a function here. The recordings lie beside the repository
// (or where SEDNA_GOLDEN says); without them the test says that it was left out.
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

json::object& container_of(json::object& deployment, std::size_t i = 0) {
  return deployment["spec"].at("template").at("spec").at("containers").at(i).get_object();
}

/// Takes the variable out of a container's environment; null when it was not there.
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

// ---- The reviewed list: each function undoes one difference in our object, and fails when it is not there. ----

/// JOB_NAME, POD_UID and SEDNA_SERVE_PLAINTEXT are added.
void without_additions(json::object& deployment) {
  auto& container = container_of(deployment);
  for (const char* name : {"JOB_NAME", "POD_UID", "SEDNA_SERVE_PLAINTEXT"}) {
    EXPECT_FALSE(take_env(container, name).is_null()) << name;
  }
}

/// A Pod with its own network reaches its node's LC at the node's address.
void with_local_lc(json::object& deployment) {
  auto& container = container_of(deployment);
  if (take_env(container, "LC_SERVER").is_null()) return;  // the cloud worker
  EXPECT_FALSE(take_env(container, "HOST_IP").is_null());
  put_env(container, "LC_SERVER", "http://localhost:9100");
}

/// Workers get no token of the API server.
void with_token(json::object& deployment) {
  EXPECT_EQ(deployment["spec"].at("template").at("spec").get_object().erase("automountServiceAccountToken"), 1U);
}

/// GM notes what it made an object from.
void without_hash(json::object& object) {
  auto& annotations = object["metadata"].at("annotations").get_object();
  EXPECT_EQ(annotations.erase(kSpecHash), 1U);
  if (annotations.empty()) object["metadata"].get_object().erase("annotations");
}

/// Credentials stay in their Secret; upstream writes their values into the Pod.
void with_open_credentials(json::object& deployment) {
  auto& spec = deployment["spec"].at("template").at("spec").get_object();
  if (!spec.contains("initContainers")) return;
  for (auto& entry : spec["initContainers"].get_array()) {
    auto& container = entry.get_object();
    for (const auto& [name, value] : {std::pair{"ACCESS_KEY_ID", "aaa"}, {"SECRET_ACCESS_KEY", "bbb"}}) {
      if (!take_env(container, name).is_null()) put_env(container, name, value);
    }
  }
}

// ---- What differs between two runs of the same program. ----

void sort_env(json::object& container) {
  if (!container.contains("env")) return;
  auto& env = container["env"].get_array();
  std::sort(env.begin(), env.end(), [](const json::value& a, const json::value& b) {
    return api::string_at(a.get_object(), {"name"}) < api::string_at(b.get_object(), {"name"});
  });
}

/// Without what the server adds to any object, and with the names that are drawn made equal.
json::object normal(json::object object, const std::string& uid) {
  object.erase("status");
  auto& metadata = object["metadata"].get_object();
  for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}) {
    metadata.erase(name);
  }
  if (auto* spec = api::find(object, {"spec", "template", "spec"})) {
    for (const char* list : {"containers", "initContainers"}) {
      if (!spec->get_object().contains(list)) continue;
      for (auto& entry : spec->get_object()[list].get_array()) {
        auto& container = entry.get_object();
        if (!take_env(container, "WORKER_NAME").is_null()) put_env(container, "WORKER_NAME", "drawn");
        sort_env(container);
      }
    }
  }
  if (auto* spec = api::find(object, {"spec"})) {
    for (const char* given : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
      spec->get_object().erase(given);
  }
  std::string text = canonical_text(object);
  for (auto at = text.find(uid); at != std::string::npos; at = text.find(uid, at)) text.replace(at, uid.size(), "UID");
  return json::parse(text).value().get_object();
}

/// What upstream's GM asked for, one of each (kind, name): the first create, or the last write of it.
std::map<std::string, json::object> upstreams(const json::object& recorded, bool last) {
  std::map<std::string, json::object> out;
  for (const auto& entry : recorded.at("gmRequests").as_array()) {
    const auto& request = entry.get_object();
    const auto verb = api::string_at(request, {"verb"});
    const auto resource = api::string_at(request, {"resource"});
    if (resource != "deployments" && resource != "services" && resource != "horizontalpodautoscalers") continue;
    const std::string key = std::string(resource) + "/" + std::string(api::string_at(request, {"name"}));
    if (verb == "delete") {
      if (last) out.erase(key);
    } else if (last || !out.contains(key)) {
      out[key] = *api::object_at(request, {"requestObject"});
    }
  }
  return out;
}

class Parity : public ::testing::TestWithParam<const char*> {
 protected:
  /// The namespace, Models and Secret of the recording, then its service.
  void apply(const json::object& recorded) {
    ns_ = api::namespace_of(recorded.at("custom_resource").as_object());
    gm_.apply(api::new_object(kNamespace, "", ns_)).value();
    for (const auto& model : recorded.at("models").as_array()) make(model.get_object());
    api::Object secret = api::new_object(kSecret, ns_, "mysecret");
    secret["metadata"].get_object()["annotations"] =
        json::object{{"s3-endpoint", "s3.example.invalid"}, {"s3-usehttps", "1"}};
    secret["data"] = json::object{{"ACCESS_KEY_ID", "YWFh"}, {"SECRET_ACCESS_KEY", "YmJi"}};
    gm_.apply(secret).value();
    make(recorded.at("custom_resource").as_object());
    gm_.settle();
  }
  void make(json::object object) {
    object.erase("status");
    auto& metadata = object["metadata"].get_object();
    for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "generation"}) metadata.erase(name);
    gm_.apply(object).value();
  }
  std::map<std::string, json::object> ours() {
    std::map<std::string, json::object> out;
    for (const api::Kind* kind : {&kDeployment, &kService, &kHorizontalPodAutoscaler}) {
      store::ListOptions options;
      options.ns = ns_;
      const auto listed = gm_.server.list(*kind, options).value();
      for (const auto& item : listed.items) {
        out[std::string(kind->plural) + "/" + std::string(api::name_of(item))] = item;
      }
    }
    return out;
  }

  testing::TestGm gm_;
  std::string ns_;
};

void expect_parity(std::map<std::string, json::object> ours, const std::map<std::string, json::object>& theirs,
                   const std::string& our_uid, const std::string& their_uid) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (auto& [key, object] : ours) {
    SCOPED_TRACE(key);
    ASSERT_TRUE(theirs.contains(key));
    if (api::kind_of(object) == "Deployment") {
      without_additions(object);
      with_local_lc(object);
      with_token(object);
      with_open_credentials(object);
    }
    if (api::kind_of(object) != "Service") without_hash(object);
    EXPECT_EQ(json::write(normal(object, our_uid)), json::write(normal(theirs.at(key), their_uid)));
  }
}

TEST_P(Parity, TheChildrenAreUpstreamsButForTheReviewedList) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  apply(*recorded);
  const auto& resource = recorded->at("custom_resource").as_object();
  const auto service = gm_.server.get(kJointInferenceService, ns_, api::name_of(resource)).value();
  expect_parity(ours(), upstreams(*recorded, true), std::string(api::uid_of(service)),
                std::string(api::uid_of(resource)));
}

INSTANTIATE_TEST_SUITE_P(Recorded, Parity,
                         ::testing::Values("jointinferenceservice.json", "jointinferenceservice-hpa.json",
                                           "jointinferenceservice-s3.json"));

/// The objects that upstream's GM left behind are adopted: the same Pods go on.
TEST_P(Parity, WhatUpstreamMadeIsAdoptedAndNothingIsRestarted) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  // The service is there first, so that its uid is known; GM comes last.
  const auto& resource = recorded->at("custom_resource").as_object();
  ns_ = api::namespace_of(resource);
  gm_.apply(api::new_object(kNamespace, "", ns_)).value();
  for (const auto& model : recorded->at("models").as_array()) make(model.get_object());
  api::Object secret = api::new_object(kSecret, ns_, "mysecret");
  secret["metadata"].get_object()["annotations"] = json::object{{"s3-endpoint", "s3.example.invalid"}};
  secret["data"] = json::object{{"ACCESS_KEY_ID", "YWFh"}, {"SECRET_ACCESS_KEY", "YmJi"}};
  gm_.apply(secret).value();
  make(resource);
  const auto service = gm_.server.get(kJointInferenceService, ns_, api::name_of(resource)).value();
  const std::string uid(api::uid_of(service)), old_uid(api::uid_of(resource));
  for (auto& [key, object] : upstreams(*recorded, true)) {
    std::string text = json::write(object);
    for (auto at = text.find(old_uid); at != std::string::npos; at = text.find(old_uid, at)) {
      text.replace(at, old_uid.size(), uid);
    }
    make(json::parse(text).value().get_object());
  }
  const auto before = ours();
  gm_.settle();
  for (const auto& [key, object] : ours()) {
    SCOPED_TRACE(key);
    ASSERT_TRUE(before.contains(key));
    EXPECT_EQ(json::write(object.at("spec")), json::write(before.at(key).at("spec")));
  }
  EXPECT_EQ(ours().size(), before.size());
}

/// After an adoption one side alone rolls without our additions, so that edge and cloud still find each other; both
/// together roll with them.
TEST(Adoption, OurAdditionsComeWhenBothSidesRoll) {
  const auto recorded = recording("jointinferenceservice.json");
  if (!recorded) GTEST_SKIP();
  testing::TestGm gm;
  gm.apply_all(testing::kModels);
  gm.apply_all(testing::kService);
  const std::string uid(api::uid_of(gm.service()));
  // As upstream's GM makes them: by our own builder without the additions, which the tests above hold to the
  // recordings.
  for (const Role role : kRoles) {
    ModelAccess model;
    model.url = role == Role::kCloud ? "/models/big/model.onnx" : "/models/small/model.onnx";
    api::Object deployment = plan_deployment(gm.service(), role, model, {}, std::nullopt, false);
    deployment["metadata"].get_object().erase("annotations");
    gm.apply(deployment).value();
  }
  gm.settle();
  const auto template_of = [&gm](const char* name) {
    return *api::object_at(gm.get(kDeployment, name), {"spec", "template"});
  };
  const auto edit = [&gm](std::initializer_list<const char*> workers, const char* image) {
    api::Object service = gm.service();
    for (const char* worker : workers) {
      service["spec"].at(worker).at("template").at("spec").at("containers").at(0).get_object()["image"] = image;
    }
    gm.server.update(kJointInferenceService, service, {}).value();
    gm.settle();
  };
  EXPECT_FALSE(has_env(template_of("digits-deployment-edge"), "JOB_NAME"));
  const auto name = env_value(template_of("digits-deployment-edge"), "WORKER_NAME");
  edit({"edgeWorker"}, "v2");
  EXPECT_FALSE(has_env(template_of("digits-deployment-edge"), "JOB_NAME"));
  EXPECT_EQ(env_value(template_of("digits-deployment-edge"), "WORKER_NAME"), name);
  edit({"edgeWorker", "cloudWorker"}, "v3");
  EXPECT_TRUE(has_env(template_of("digits-deployment-edge"), "JOB_NAME"));
  EXPECT_TRUE(has_env(template_of("digits-deployment-cloud"), "JOB_NAME"));
  EXPECT_EQ(env_value(template_of("digits-deployment-edge"), "WORKER_NAME"), name);
}

}  // namespace
}  // namespace sedna::gm
