#include "sedna/api/admission.hpp"

#include <gmock/gmock.h>

#include "sedna/api/schema.hpp"
#include "sedna/api/validate_schema.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Object yaml(std::string_view text) {
  return json::parse_yaml_one(text).value().get_object();
}

std::vector<std::string> faults(const Kind& kind, Object object) {
  std::vector<std::string> unknown, out;
  prune_and_default(kind, object, unknown);
  for (const auto& e : validate(kind, object)) out.push_back(e.text());
  return out;
}

constexpr std::string_view kJi = R"(
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: ji, namespace: default}
spec:
  edgeWorker:
    model: {name: small}
    hardExampleMining:
      name: IBT
      parameters: [{key: threshold_img, value: "0.9"}]
    template:
      metadata: {labels: {a: b}, annotations: {c: d}}
      spec:
        nodeName: edge0
        futureField: {x: 1}
        containers:
        - {name: c, image: i, env: [{name: A, value: "1"}], ports: [{containerPort: 80}]}
  cloudWorker:
    model: {name: big}
    template:
      spec: {containers: [{name: c, image: i}]}
)";

// RES-2.1
TEST(Admission, AcceptsAndKeepsPodTemplatesAsWritten) {
  Object o = yaml(kJi);
  const Object before = o;
  std::vector<std::string> unknown, hints;
  prune_and_default(kinds::kJointInferenceService, o, unknown, &hints);
  EXPECT_EQ(o, before);
  EXPECT_THAT(unknown, IsEmpty());
  EXPECT_THAT(hints, ElementsAre(R"(unknown field "spec.edgeWorker.template.spec.futureField" (kept as written; )"
                                 "Kubernetes knows no such field)"));
  EXPECT_THAT(validate(kinds::kJointInferenceService, o), IsEmpty());
}

// RES-2.1
TEST(Admission, UnknownFieldsArePrunedAndNamed) {
  Object o = yaml(kJi);
  make_object(o, {"spec", "edgeWorker"})["modle"] = "x";
  make_object(o, {"spec"})["edge"] = 1;
  make_object(o, {"metadata"})["lables"] = json::object();
  std::vector<std::string> unknown;
  prune_and_default(kinds::kJointInferenceService, o, unknown);
  EXPECT_THAT(unknown, ElementsAre(R"(unknown field "metadata.lables")", R"(unknown field "spec.edge")",
                                   R"(unknown field "spec.edgeWorker.modle")"));
  EXPECT_EQ(find(o, {"spec", "edge"}), nullptr);
  EXPECT_EQ(
      strict_message(kinds::kJointInferenceService, unknown),
      R"(JointInferenceService in version "v1alpha1" cannot be handled as a JointInferenceService: strict decoding )"
      R"(error: unknown field "metadata.lables", unknown field "spec.edge", unknown field "spec.edgeWorker.modle")");
}

// RES-2.2
TEST(Admission, EveryFaultAtOnce) {
  Object o = yaml(kJi);
  make_object(o, {"spec", "edgeWorker"})["model"] = json::object();
  make_object(o, {"spec", "cloudWorker"})["template"] = json::object{{"spec", json::object()}};
  make_object(o, {"spec", "edgeWorker", "hardExampleMining"})["name"] = 5;
  make_object(o, {"metadata"})["name"] = "Not_Good";
  EXPECT_THAT(
      faults(kinds::kJointInferenceService, o),
      ElementsAre(::testing::StartsWith(R"(metadata.name: Invalid value: "Not_Good": a lowercase RFC 1123 subdomain)"),
                  "spec.edgeWorker.model.name: Required value",
                  "spec.edgeWorker.hardExampleMining.name: Invalid value: \"integer\": "
                  "spec.edgeWorker.hardExampleMining.name in body must be of type string: \"integer\"",
                  "spec.cloudWorker.template.spec.containers: Required value"));
}

// RES-2.1
TEST(Admission, NullsAreAbsent) {
  Object o = yaml(
      "{apiVersion: sedna.io/v1alpha1, kind: Dataset, metadata: {name: d, namespace: ns}, spec: {url: /x, "
      "format: null, nodeName: node}}");
  EXPECT_THAT(faults(kinds::kDataset, o), ElementsAre("spec.format: Required value"));
  EXPECT_THAT(faults(kinds::kDataset, yaml("{metadata: {name: d, namespace: ns}}")),
              ElementsAre("spec: Required value"));
}

// RES-2.4
TEST(Admission, DefaultsAndMinimum) {
  constexpr std::string_view kIl = R"(
metadata: {name: il, namespace: ns}
spec:
  dataset: {name: d, trainProb: 0.8}
  initialModel: {name: m}
  outputDir: /out
  trainSpec: {template: {spec: {containers: [{name: c}]}}, trigger: {condition: {operator: ">", threshold: 500, metric: num_of_samples}}}
  evalSpec: {template: {spec: {containers: [{name: c}]}}}
  deploySpec:
    model: {name: m}
    trigger: {timer: {start: 02:00, end: 24:00}, condition: {operator: ">", threshold: 0.1, metric: precision_delta}}
    hardExampleMining: {name: IBT}
    template: {spec: {containers: [{name: c}]}}
)";
  Object o = yaml(kIl);
  EXPECT_THAT(faults(kinds::kIncrementalLearningJob, o), IsEmpty());
  std::vector<std::string> unknown;
  prune_and_default(kinds::kIncrementalLearningJob, o, unknown);
  EXPECT_EQ(int_at(o, {"spec", "deploySpec", "model", "pollPeriodSeconds"}), 60);
  make_object(o, {"spec", "deploySpec", "model"})["pollPeriodSeconds"] = 0;
  EXPECT_THAT(faults(kinds::kIncrementalLearningJob, o),
              ElementsAre("spec.deploySpec.model.pollPeriodSeconds: Invalid value: 0: "
                          "spec.deploySpec.model.pollPeriodSeconds in body should be greater than or equal to 1"));
}

// RES-2.2
TEST(Admission, UpstreamsInvalidSamplesGetErrorsThatHelp) {
  // The multi-edge samples write a list where a text belongs, and leave out the selector.
  constexpr std::string_view kObjectSearch = R"(
metadata: {name: pedestrian-search, namespace: default}
spec:
  userWorker: {template: {spec: {containers: [{name: userWorker, image: i}]}}}
  trackingWorkers:
  - template:
      spec:
        containers:
        - name: t
          image: i
          env: [{name: dataSources, value: [192.168.0.12, 192.168.0.13]}]
  reidWorkers:
    replicas: 5
    template: {spec: {containers: [{name: reid, image: i}]}}
)";
  EXPECT_THAT(faults(kinds::kObjectSearchService, yaml(kObjectSearch)),
              ElementsAre("spec.trackingWorkers[0].template.spec.containers[0].env[0].value: Invalid value: \"array\": "
                          "spec.trackingWorkers[0].template.spec.containers[0].env[0].value in body must be of type "
                          "string: \"array\"",
                          "spec.reidWorkers.selector: Required value"));
}

// RES-2.3
TEST(Admission, DecodeFaults) {
  EXPECT_EQ(decode_fault(kinds::kPod, yaml("{spec: {containers: [{name: 5}]}}")),
            "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field "
            "Container.spec.containers.name of type string");
  EXPECT_EQ(
      decode_fault(kinds::kDataset, yaml("{metadata: {labels: {a: 1}}}")),
      "Dataset in version \"v1alpha1\" cannot be handled as a Dataset: json: cannot unmarshal number into Go struct "
      "field ObjectMeta.labels of type string");
  EXPECT_EQ(decode_fault(kinds::kDataset, yaml("{spec: 5}")), std::nullopt) << "for validation to say";
  EXPECT_TRUE(decode_fault(kinds::kPod, yaml("{spec: {containers: [{resources: {limits: {cpu: 1x}}}]}}")));
  EXPECT_FALSE(
      decode_fault(kinds::kPod, yaml("{spec: {containers: [{resources: {limits: {cpu: 1, memory: 64Mi}}}]}}")));
  EXPECT_TRUE(decode_fault(kinds::kSecret, yaml("{data: {a: '%%'}}")));
}

// RES-2.2
TEST(Admission, RulesAreToldWithTheirMessage) {
  Schema* schema = new_schema(Schema::Type::kObject);
  schema->preserve_unknown = true;
  schema->rules.push_back({"self.low <= self.high", "low must not be above high", [](const json::object& self) {
                             return self.at("low").to_number<double>() <= self.at("high").to_number<double>();
                           }});
  FieldErrors errors;
  validate_schema(json::object{{"low", 1}, {"high", 2}}, *schema, "spec.range", errors);
  EXPECT_THAT(errors, IsEmpty());
  validate_schema(json::object{{"low", 3}, {"high", 2}}, *schema, "spec.range", errors);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].text(), "spec.range: Invalid value: \"object\": low must not be above high");
}

TEST(Admission, EveryKindHasASchema) {
  for (const Kind* kind : all_kinds()) {
    const Schema& s = schema_of(*kind);
    EXPECT_NE(s.find("metadata"), nullptr) << kind->kind;
    if (kind->category == "sedna") {
      EXPECT_TRUE(s.find("spec")->required);
      EXPECT_FALSE(printer_columns(*kind).empty());
    }
  }
  EXPECT_EQ(core_structure("Container")->find("ports")->schema->merge_key, "containerPort");
}

}  // namespace
}  // namespace sedna::api
