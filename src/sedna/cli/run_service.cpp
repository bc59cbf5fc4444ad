#include "sedna/cli/run_service.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sedna/base/error.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::cli {
namespace {

namespace fs = std::filesystem;

std::string checked_model(const std::string& file, const char* flag) {
  std::error_code error;
  const fs::path path = fs::absolute(file).lexically_normal();
  if (!fs::is_regular_file(path, error)) {
    throw Error(ErrorCode::kInvalidArgument, "there is no file " + path.string(), flag);
  }
  if (path.extension() != ".onnx") {
    throw Error(ErrorCode::kInvalidArgument,
                path.string() +
                    " is no .onnx file; other frameworks' models run with a worker of your own "
                    "(docs/joint-inference.md)",
                flag);
  }
  return path.string();
}

api::Object model(const RunServiceOptions& options, const std::string& name, const std::string& file) {
  api::Object out = api::new_object(api::kinds::kModel, options.ns, name);
  out["spec"] = json::object{{"url", file}, {"format", "onnx"}};
  return out;
}

json::object worker_template(const RunServiceOptions& options, const char* name, json::array args,
                             const std::string& node, const char* role) {
  json::object container{{"name", name}, {"image", options.image}, {"imagePullPolicy", "IfNotPresent"}};
  if (!options.worker.empty()) container["command"] = json::array{json::string(options.worker)};
  container["args"] = std::move(args);
  json::object spec;
  if (!node.empty()) {
    spec["nodeName"] = node;
  } else {
    spec["nodeSelector"] = json::object{{std::string("node-role.kubernetes.io/") + role, ""}};
  }
  spec["containers"] = json::array{std::move(container)};
  return {{"spec", std::move(spec)}};
}

/// The folder of a file, mounted read-only where the container finds it.
void mount(json::object& pod_template, const std::string& file, const char* variable) {
  const fs::path path(file);
  json::object& spec = pod_template["spec"].as_object();
  spec["volumes"] = json::array{
      json::object{{"name", "calibration"},
                   {"hostPath", json::object{{"path", path.parent_path().string()}, {"type", "Directory"}}}}};
  json::object& container = spec["containers"].as_array().front().as_object();
  container["volumeMounts"] =
      json::array{json::object{{"name", "calibration"}, {"mountPath", "/calibration"}, {"readOnly", true}}};
  container["env"] =
      json::array{json::object{{"name", variable}, {"value", "/calibration/" + path.filename().string()}}};
}

}  // namespace

std::string object_name_of(const std::string& file) {
  std::string out;
  for (const char c : fs::path(file).stem().string()) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    if (plain) {
      out += lower;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
    if (out.size() == 40) break;  // children's names add to it, and 63 is the end
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "service" : out;
}

std::vector<Manifest> service_of(const RunServiceOptions& options) {
  const std::string edge = checked_model(options.edge, "--edge");
  const std::string cloud = checked_model(options.cloud, "--cloud");
  const std::string name = options.name.empty() ? object_name_of(edge) : options.name;
  json::array parameters;
  for (const auto& p : options.parameters) {
    const std::size_t equals = p.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kInvalidArgument, "'" + p + "' is not KEY=VALUE", "--param");
    }
    parameters.push_back({{"key", p.substr(0, equals)}, {"value", p.substr(equals + 1)}});
  }
  json::object mining{{"name", options.filter}};
  if (!parameters.empty()) mining["parameters"] = std::move(parameters);
  json::object edge_template = worker_template(options, "little-model", json::array{"edge"}, options.edge_node, "edge");
  if (!options.calibration.empty()) {
    std::error_code error;
    const std::string file = fs::absolute(options.calibration).lexically_normal().string();
    if (!fs::is_regular_file(file, error)) {
      throw Error(ErrorCode::kInvalidArgument, "there is no file " + file, "--calibration");
    }
    mount(edge_template, file, "SEDNA_CALIBRATION");
  }
  api::Object service = api::new_object(api::kinds::kJointInferenceService, options.ns, name);
  service["spec"] =
      json::object{{"edgeWorker", json::object{{"model", json::object{{"name", name + "-little"}}},
                                               {"hardExampleMining", std::move(mining)},
                                               {"template", std::move(edge_template)}}},
                   {"cloudWorker", json::object{{"model", json::object{{"name", name + "-big"}}},
                                                {"template", worker_template(options, "big-model", json::array{"infer"},
                                                                             options.cloud_node, "cloud")}}}};
  std::vector<Manifest> out;
  out.push_back({model(options, name + "-little", edge), "--edge"});
  out.push_back({model(options, name + "-big", cloud), "--cloud"});
  out.push_back({std::move(service), "sedna run"});
  return out;
}

std::string yaml_of(const std::vector<Manifest>& manifests) {
  std::string out;
  for (const auto& m : manifests) {
    if (!out.empty()) out += "---\n";
    out += json::write_yaml(m.object);
  }
  return out;
}

}  // namespace sedna::cli
