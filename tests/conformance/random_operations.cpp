#include "tests/conformance/random_operations.hpp"

#include <array>
#include <random>
#include <string>
#include <string_view>

namespace sedna::conformance {
namespace {

using json::array;
using json::object;
using json::value;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  object next() {
    kind_ = pick(kKinds);
    name_ = pick(kNames);
    target_ = std::string(kind_) + "/" + std::string(name_);
    const std::size_t dice = below(100);
    if (dice < 26) return create();
    if (dice < 42) return update();
    if (dice < 56) return merge_patch();
    if (dice < 66) return status_patch();
    if (dice < 71) return finalizers();
    if (dice < 78) return object{{"get", target_}};
    if (dice < 88) return list();
    return remove();
  }

 private:
  static constexpr std::array<std::string_view, 5> kKinds{"ConfigMap", "Lease", "Dataset", "Model",
                                                          "JointInferenceService"};
  static constexpr std::array<std::string_view, 3> kNames{"a", "b", "c"};
  static constexpr std::array<std::string_view, 4> kWords{"one", "two", "three", ""};

  // Not std::uniform_int_distribution: its results differ between libraries.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <std::size_t N>
  std::string_view pick(const std::array<std::string_view, N>& from) {
    return from.at(below(N));
  }
  std::string_view word() { return pick(kWords); }

  std::string api_version() const {
    return kind_ == "ConfigMap" ? "v1" : kind_ == "Lease" ? "coordination.k8s.io/v1" : "sedna.io/v1alpha1";
  }

  object metadata() {
    object out{{"name", name_}};
    if (chance(40)) out["labels"] = object{{"tier", word()}};
    if (chance(10)) out["labels"] = object{{"tier", "not ok"}};
    if (chance(20)) out["annotations"] = object{{"note", word()}};
    if (chance(12)) out["finalizers"] = array{"sedna.io/x"};
    if (chance(5)) out["owner"] = "nobody";
    if (chance(4)) out["generation"] = 7;
    if (chance(8)) {
      out["ownerReferences"] = array{object{
          {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "a"}, {"uid", "00000000-0000-0000-0000-000000000000"}}};
    }
    return out;
  }

  value template_of_worker() {
    object spec{{"nodeName", "edge0"}, {"containers", array{object{{"name", "c"}, {"image", word()}}}}};
    if (chance(20)) spec["anything"] = object{{"goes", true}};
    object out{{"spec", std::move(spec)}};
    if (chance(40)) out["metadata"] = object{{"labels", object{{"l", word()}}}};
    return out;
  }

  value worker(bool edge) {
    object out{{"model", object{{"name", word()}}}, {"template", template_of_worker()}};
    if (edge) {
      object mining{{"name", "IBT"}};
      if (chance(60)) {
        mining["parameters"] =
            array{object{{"key", "threshold_box"}, {"value", chance(80) ? value("0.9") : value(0.9)}}};
      }
      out["hardExampleMining"] = std::move(mining);
    }
    if (chance(6)) out.erase("model");
    return out;
  }

  void fill(object& o) {
    if (kind_ == "ConfigMap") {
      object data{{"key", word()}};
      if (chance(6)) data["key"] = 7;
      if (chance(6)) data["not ok"] = "x";
      if (chance(90)) o["data"] = std::move(data);
      if (chance(5)) o["immutable"] = true;
    } else if (kind_ == "Lease") {
      object spec{{"holderIdentity", word()}};
      if (chance(40)) spec["leaseDurationSeconds"] = static_cast<std::int64_t>(below(20));
      if (chance(30)) spec["leaseTransitions"] = static_cast<std::int64_t>(below(5)) - 1;
      if (chance(30)) spec["renewTime"] = "2026-01-31T13:05:59.123456Z";
      if (chance(5)) spec["renewTime"] = "yesterday";
      if (chance(90)) o["spec"] = std::move(spec);
    } else if (kind_ == "Dataset") {
      object spec{{"url", "/data/" + std::string(word())}, {"format", "txt"}, {"nodeName", "edge0"}};
      if (chance(15)) spec["format"] = word();
      if (chance(8)) spec["url"] = 7;
      if (chance(8)) spec.erase("format");
      if (chance(5)) spec["nodeName"] = nullptr;
      if (chance(95)) o["spec"] = std::move(spec);
    } else if (kind_ == "Model") {
      object spec{{"url", "/models/" + std::string(word())}, {"format", "onnx"}};
      if (chance(8)) spec["format"] = array{"onnx"};
      if (chance(8)) spec.erase("url");
      o["spec"] = std::move(spec);
    } else {
      object spec{{"edgeWorker", worker(true)}, {"cloudWorker", worker(false)}};
      if (chance(6)) spec.erase("cloudWorker");
      o["spec"] = std::move(spec);
    }
    if (chance(8)) o["surplus"] = word();
    if (chance(8) && o.contains("spec")) o["spec"].as_object()["surplus"] = word();
  }

  object options() {
    object out;
    if (chance(8)) out["dryRun"] = true;
    if (chance(15)) out["fieldValidation"] = chance(50) ? "Strict" : "Ignore";
    return out;
  }
  static object with_options(object operation, object options) {
    if (!options.empty()) operation["options"] = std::move(options);
    return operation;
  }

  object whole() {
    object o{{"apiVersion", api_version()}, {"kind", kind_}, {"metadata", metadata()}};
    fill(o);
    return o;
  }

  object create() { return with_options(object{{"create", whole()}}, options()); }

  object update() {
    object o = whole();
    const std::size_t dice = below(10);
    // What replaces needs a version for most kinds.
    if (dice < 7) o["metadata"].as_object()["resourceVersion"] = "$rv:" + target_;
    if (dice == 7) o["metadata"].as_object()["resourceVersion"] = "$rv:" + target_ + "@first";
    if (chance(10)) o["metadata"].as_object()["uid"] = "$uid:" + target_;
    object operation{{"update", std::move(o)}};
    if (kind_ != "ConfigMap" && kind_ != "Lease" && chance(15)) operation["status"] = true;
    return with_options(std::move(operation), options());
  }

  object merge_patch() {
    object o = whole();
    o.erase("apiVersion");
    o.erase("kind");
    object& fields = o["metadata"].as_object();
    fields.erase("name");
    fields["resourceVersion"] = "$rv:" + target_;  // in process a patch with a list must have one
    if (chance(10)) fields["resourceVersion"] = "$rv:" + target_ + "@first";
    if (chance(20)) fields["labels"] = nullptr;
    if (chance(15)) o["data"] = nullptr;
    if (chance(5)) o["status"] = object{{"surplus", 1}};
    return with_options(object{{"patch", target_}, {"body", std::move(o)}}, options());
  }

  object status_patch() {
    if (kind_ == "ConfigMap" || kind_ == "Lease") return merge_patch();
    object status;
    if (kind_ == "Dataset") status["numberOfSamples"] = chance(90) ? value(below(100)) : value("many");
    if (kind_ == "JointInferenceService") status["active"] = static_cast<std::int64_t>(below(3));
    if (chance(20)) status["surplus"] = word();
    object body{{"status", std::move(status)}};
    if (chance(20)) body["spec"] = object{{"format", "csv"}};
    if (chance(20)) body["metadata"] = object{{"labels", object{{"tier", word()}}}};
    return with_options(object{{"patch", target_}, {"status", true}, {"body", std::move(body)}}, options());
  }

  object finalizers() {
    array list;
    if (chance(40)) list.emplace_back("sedna.io/y");
    return object{
        {"patch", target_},
        {"body", object{{"metadata", object{{"resourceVersion", "$rv:" + target_}, {"finalizers", std::move(list)}}}}}};
  }

  object list() {
    object options;
    static constexpr std::array<std::string_view, 5> kSelectors{"tier=one", "tier!=one", "tier in (two,three)", "tier",
                                                                "!tier"};
    if (chance(50)) options["labelSelector"] = pick(kSelectors);
    if (chance(20)) options["fieldSelector"] = "metadata.name=" + std::string(name_);
    if (chance(30)) options["limit"] = static_cast<std::int64_t>(1 + below(2));
    return with_options(object{{"list", kind_}}, std::move(options));
  }

  object remove() {
    object options;
    if (chance(15)) options["uid"] = "$uid:" + target_;
    if (chance(15)) options["resourceVersion"] = "$rv:" + target_ + (chance(50) ? "@first" : "");
    if (chance(8)) options["dryRun"] = true;
    if (chance(8)) options["gracePeriodSeconds"] = static_cast<std::int64_t>(below(2));
    return with_options(object{{"delete", target_}}, std::move(options));
  }

  std::mt19937_64 random_;
  std::string_view kind_, name_;
  std::string target_;
};

}  // namespace

std::vector<json::object> random_operations(std::uint64_t seed, std::size_t count) {
  Generator generator(seed);
  std::vector<json::object> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(generator.next());
  return out;
}

}  // namespace sedna::conformance
