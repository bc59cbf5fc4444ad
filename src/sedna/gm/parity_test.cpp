// What we make of upstream's recorded services equals what upstream's GM made of them, but for the reviewed list in
// docs/compatibility/control-plane.md, each entry of which is a function here.
#include <map>

#include <gtest/gtest.h>

#include "sedna/gm/children.hpp"
#include "sedna/gm/test_parity.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using testing::put_env;
using testing::recording;
using testing::take_env;

json::object& container_of(json::object& deployment, std::size_t i = 0) {
  return deployment["spec"].at("template").at("spec").at("containers").at(i).get_object();
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

// ---- What differs between two runs of the same program. ----

/// Without what the server adds to any object, and with the names that are drawn made equal.
json::object normal(json::object object, const std::string& uid) {
  testing::without_server_fields(object);
  if (auto* spec = api::find(object, {"spec", "template", "spec"})) {
    for (const char* list : {"containers", "initContainers"}) {
      if (!spec->get_object().contains(list)) continue;
      for (auto& entry : spec->get_object()[list].get_array()) {
        auto& container = entry.get_object();
        if (!take_env(container, "WORKER_NAME").is_null()) put_env(container, "WORKER_NAME", "drawn");
        testing::sort_env(container);
      }
    }
  }
  if (auto* spec = api::find(object, {"spec"})) {
    for (const char* given : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
      spec->get_object().erase(given);
  }
  return json::parse(testing::replaced(canonical_text(object), uid, "UID")).value().get_object();
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

class Parity : public testing::RecordedCase {
 protected:
  std::map<std::string, json::object> ours() {
    std::map<std::string, json::object> out;
    for (const api::Kind* kind : {&kDeployment, &kService, &kHorizontalPodAutoscaler}) {
      for (const auto& item : list(*kind)) {
        out[std::string(kind->plural) + "/" + std::string(api::name_of(item))] = item;
      }
    }
    return out;
  }
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
      testing::with_open_credentials(object["spec"].at("template").at("spec").get_object());
    }
    if (api::kind_of(object) != "Service") without_hash(object);
    EXPECT_EQ(json::write(normal(object, our_uid)), json::write(normal(theirs.at(key), their_uid)));
  }
}

TEST_P(Parity, TheChildrenAreUpstreamsButForTheReviewedList) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  const auto service = make_all(*recorded, {"models"});
  gm_.settle();
  expect_parity(ours(), upstreams(*recorded, true), std::string(api::uid_of(service)),
                std::string(api::uid_of(recorded->at("custom_resource").as_object())));
}

INSTANTIATE_TEST_SUITE_P(Recorded, Parity,
                         ::testing::Values("jointinferenceservice.json", "jointinferenceservice-hpa.json",
                                           "jointinferenceservice-s3.json"));

/// The objects that upstream's GM left behind are adopted: the same Pods go on.
TEST_P(Parity, WhatUpstreamMadeIsAdoptedAndNothingIsRestarted) {
  const auto recorded = recording(GetParam());
  if (!recorded) GTEST_SKIP();
  // The service is there first, so that its uid is known; GM comes last.
  const std::string uid(api::uid_of(make_all(*recorded, {"models"})));
  const std::string old_uid(api::uid_of(recorded->at("custom_resource").as_object()));
  for (auto& [key, object] : upstreams(*recorded, true)) {
    make(json::parse(testing::replaced(json::write(object), old_uid, uid)).value().get_object());
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
