#include "sedna/cli/overview.hpp"

#include <algorithm>
#include <tuple>

#include "sedna/api/object.hpp"

namespace sedna::cli {
namespace {

constexpr std::string_view kRolePrefix = "node-role.kubernetes.io/";
constexpr std::string_view kOwnerSuffix = ".sedna.io/name";

const json::object* condition_of(const api::Object& object, std::string_view type) {
  const auto* conditions = api::array_at(object, {"status", "conditions"});
  if (conditions == nullptr) return nullptr;
  for (const auto& c : *conditions) {
    if (c.is_object() && api::string_at(c.as_object(), {"type"}) == type) return &c.as_object();
  }
  return nullptr;
}

std::string text_at(const json::object& o, std::initializer_list<std::string_view> path) {
  return std::string(api::string_at(o, path));
}

/// Init containers first: the first of them that is not done names the Pod's state.
bool summarise_init(const api::Object& pod, PodSummary& out) {
  const auto* statuses = api::array_at(pod, {"status", "initContainerStatuses"});
  if (statuses == nullptr) return false;
  std::size_t done = 0;
  for (const auto& s : *statuses) {
    if (!s.is_object()) continue;
    const json::object& status = s.as_object();
    if (const auto* ended = api::object_at(status, {"state", "terminated"})) {
      if (api::int_at(*ended, {"exitCode"}) == 0) {
        ++done;
        continue;
      }
      out.status = "Init:" + text_at(*ended, {"reason"});
      out.message = text_at(*ended, {"message"});
      if (out.message.empty()) out.message = "exit code " + std::to_string(api::int_at(*ended, {"exitCode"}));
      out.container = text_at(status, {"name"});
      return true;
    }
    const std::string reason = text_at(status, {"state", "waiting", "reason"});
    if (!reason.empty() && reason != "PodInitializing") {
      out.status = "Init:" + reason;
      out.message = text_at(status, {"state", "waiting", "message"});
      out.container = text_at(status, {"name"});
      return true;
    }
    out.status = "Init:" + std::to_string(done) + "/" + std::to_string(statuses->size());
    return true;
  }
  return false;
}

void summarise_containers(const api::Object& pod, PodSummary& out) {
  std::size_t ready = 0;
  std::size_t count = 0;
  if (const auto* containers = api::array_at(pod, {"spec", "containers"})) count = containers->size();
  bool running = false;
  if (const auto* statuses = api::array_at(pod, {"status", "containerStatuses"})) {
    for (const auto& s : *statuses) {
      if (!s.is_object()) continue;
      const json::object& status = s.as_object();
      out.restarts += api::int_at(status, {"restartCount"});
      if (const auto* r = status.if_contains("ready"); r != nullptr && r->is_bool() && r->as_bool()) ++ready;
      const auto* waiting = api::object_at(status, {"state", "waiting"});
      const auto* ended = api::object_at(status, {"state", "terminated"});
      if (waiting != nullptr && !text_at(*waiting, {"reason"}).empty()) {
        out.status = text_at(*waiting, {"reason"});
        out.message = text_at(*waiting, {"message"});
        out.container = text_at(status, {"name"});
        if (const auto* last = api::object_at(status, {"lastState", "terminated"}); last != nullptr) {
          const std::string why = text_at(*last, {"reason"});
          out.message += (out.message.empty() ? "" : "; ") + std::string("it ended with exit code ") +
                         std::to_string(api::int_at(*last, {"exitCode"})) +
                         (why.empty() || why == "Error" ? "" : " (" + why + ")");
        }
      } else if (ended != nullptr) {
        out.status = text_at(*ended, {"reason"});
        if (out.status.empty()) out.status = "Error";
        out.message = text_at(*ended, {"message"});
        if (out.message.empty()) out.message = "exit code " + std::to_string(api::int_at(*ended, {"exitCode"}));
        out.container = text_at(status, {"name"});
      } else if (api::object_at(status, {"state", "running"}) != nullptr) {
        running = true;
      }
    }
  }
  if (out.status == "Completed" && running) out.status = ready == count ? "Running" : "NotReady";
  out.ready = std::to_string(ready) + "/" + std::to_string(count);
  out.healthy = (out.status == "Running" && ready == count) || out.status == "Completed" || out.status == "Succeeded";
}

std::string where(std::string_view kind, const std::string& ns, const std::string& name) {
  std::string out = std::string(kind) + "/" + name;
  if (!ns.empty() && ns != "default") out += " -n " + ns;
  return out;
}

std::vector<api::Object> list(Cluster& cluster, const api::Kind& kind, const std::string& ns) {
  store::ListOptions options;
  if (kind.namespaced) options.ns = ns;
  auto found = cluster.api().list(kind, options);
  if (found) return std::move(found->items);
  const store::Status& status = found.status();
  if (status.code == 403 || status.code == 404) return {};  // not ours to see, or a server without our kinds
  throw status.to_error();
}

json::value to_json(const NodeSummary& n) {
  return {{"name", n.name}, {"role", n.role}, {"ready", n.ready}, {"address", n.address}, {"message", n.message}};
}

json::value to_json(const ServiceSummary& s) {
  return {{"kind", s.kind->kind}, {"namespace", s.ns},    {"name", s.name},      {"state", s.state},
          {"reason", s.reason},   {"message", s.message}, {"healthy", s.healthy}};
}

json::value to_json(const PodSummary& p) {
  return {{"namespace", p.ns},    {"name", p.name},     {"node", p.node},
          {"status", p.status},   {"ready", p.ready},   {"restarts", p.restarts},
          {"message", p.message}, {"service", p.owner}, {"workerType", p.worker_type},
          {"healthy", p.healthy}};
}

}  // namespace

PodSummary summarise_pod(const api::Object& pod) {
  PodSummary out;
  out.ns = api::namespace_of(pod);
  out.name = api::name_of(pod);
  out.node = api::string_at(pod, {"spec", "nodeName"});
  out.started = api::string_at(pod, {"metadata", "creationTimestamp"});
  out.status = api::string_at(pod, {"status", "phase"}, "Pending");
  if (const auto* labels = api::object_at(pod, {"metadata", "labels"})) {
    for (const auto& [key, value] : *labels) {
      const std::string_view k = key;
      if (!value.is_string()) continue;
      if (k.ends_with(kOwnerSuffix)) {
        out.owner_kind = k.substr(0, k.size() - kOwnerSuffix.size());
        out.owner = std::string_view(value.as_string());
      }
      if (k.ends_with(".sedna.io/worker-type")) out.worker_type = std::string_view(value.as_string());
    }
  }
  const std::string reason(api::string_at(pod, {"status", "reason"}));
  const bool initialising = summarise_init(pod, out);
  if (!initialising) summarise_containers(pod, out);
  if (!reason.empty()) {
    out.status = reason;
    out.message = api::string_at(pod, {"status", "message"});
    out.healthy = false;
  }
  if (out.status == "Pending") {
    if (const auto* scheduled = condition_of(pod, "PodScheduled");
        scheduled != nullptr && text_at(*scheduled, {"status"}) == "False") {
      out.status = text_at(*scheduled, {"reason"}).empty() ? "Pending" : text_at(*scheduled, {"reason"});
      out.message = text_at(*scheduled, {"message"});
    }
  }
  if (out.message.empty() && !out.healthy) {
    if (const auto* ready = condition_of(pod, "Ready")) out.message = text_at(*ready, {"message"});
  }
  if (api::is_deleting(pod)) out.status = "Terminating";
  return out;
}

NodeSummary summarise_node(const api::Object& node) {
  NodeSummary out;
  out.name = api::name_of(node);
  out.version = api::string_at(node, {"status", "nodeInfo", "kubeletVersion"});
  out.since = api::string_at(node, {"metadata", "creationTimestamp"});
  if (const auto* labels = api::object_at(node, {"metadata", "labels"})) {
    for (const auto& [key, value] : *labels) {
      if (!std::string_view(key).starts_with(kRolePrefix)) continue;
      out.role += (out.role.empty() ? "" : ",") + std::string(key).substr(kRolePrefix.size());
    }
  }
  if (const auto* addresses = api::array_at(node, {"status", "addresses"})) {
    for (const auto& a : *addresses) {
      if (a.is_object() && api::string_at(a.as_object(), {"type"}) == "InternalIP") {
        out.address = api::string_at(a.as_object(), {"address"});
        break;
      }
    }
  }
  if (const auto* ready = condition_of(node, "Ready")) {
    out.ready = text_at(*ready, {"status"}) == "True";
    if (!out.ready) out.message = text_at(*ready, {"message"});
  } else {
    out.message = "has not reported yet";
  }
  const auto* unschedulable = api::find(node, {"spec", "unschedulable"});
  out.schedulable = unschedulable == nullptr || !unschedulable->is_bool() || !unschedulable->as_bool();
  return out;
}

ServiceSummary summarise_service(const api::Kind& kind, const api::Object& object) {
  ServiceSummary out;
  out.kind = &kind;
  out.ns = api::namespace_of(object);
  out.name = api::name_of(object);
  out.since = api::string_at(object, {"metadata", "creationTimestamp"});
  const auto* conditions = api::array_at(object, {"status", "conditions"});
  const bool job = &kind == &api::kinds::kFederatedLearningJob;
  // The current one is the last that holds; services keep one entry a type, jobs a log.
  const json::object* current = nullptr;
  if (conditions != nullptr) {
    for (const auto& c : *conditions) {
      if (!c.is_object() || api::string_at(c.as_object(), {"status"}) != "True") continue;
      const auto type = api::string_at(c.as_object(), {"type"});
      if (!job || (type != "InsecureTransport" && type != "Degraded")) current = &c.as_object();
    }
    if (current == nullptr && !conditions->empty() && conditions->back().is_object()) {
      current = &conditions->back().as_object();
    }
  }
  if (current == nullptr) {
    out.state = "-";
    out.waiting = true;
    out.message = "no controller has looked at it yet";
    return out;
  }
  out.state = api::string_at(*current, {"type"});
  const std::string stage(api::string_at(*current, {"stage"}));
  if (!stage.empty()) out.state = stage + " " + out.state;
  out.reason = api::string_at(*current, {"reason"});
  out.message = api::string_at(*current, {"message"});
  out.healthy = out.state.ends_with("Running") || out.state.ends_with("Completed") || out.state == "Ready";
  if (job) {
    const bool holds = api::string_at(*current, {"status"}) == "True";
    out.healthy = holds && (out.state == "Training" || out.state == "Complete");
    if (!holds && out.state == "Training") out.state = "Pending";
  }
  out.waiting = !out.healthy && !out.state.ends_with("Failed") && out.reason != "NoController";
  return out;
}

std::string advice_for(const PodSummary& pod) {
  const std::string flags = pod.ns == "default" ? "" : " -n " + pod.ns;
  const std::string container = pod.container.empty() ? "" : " -c " + pod.container;
  if (pod.status == "CrashLoopBackOff")
    return "sedna logs -p " + pod.name + flags + container + "   shows its last words";
  if (pod.status == "OOMKilled") return "it used more memory than resources.limits.memory: raise it in the template";
  if (pod.status == "Unschedulable") return "sedna get nodes --show-labels   shows what there is to run on";
  if (pod.status == "ImageNeedsCommand" || pod.status == "ErrImagePull" || pod.status == "ImagePullBackOff") {
    return "images are not pulled on one machine: load it from an archive (sedna image load FILE), give the container "
           "a command, or say in a file what the image runs (sedna up --images FILE)";
  }
  if (pod.status == "ImageNeedsSandbox") return "sedna doctor   says what a sandbox needs on this machine";
  if (pod.status.starts_with("Init:") || pod.status == "Error" || pod.status == "Failed") {
    return "sedna logs " + pod.name + flags + container + "   shows its last words";
  }
  return "sedna describe pod " + pod.name + flags + "   shows its conditions and events";
}

Overview load_overview(Cluster& cluster, const std::string& ns) {
  Overview out;
  for (const auto& node : list(cluster, api::kinds::kNode, "")) {
    out.nodes.push_back(summarise_node(node));
    const NodeSummary& n = out.nodes.back();
    if (!n.ready) {
      out.problems.push_back({"node/" + n.name, "not ready" + (n.message.empty() ? "" : ": " + n.message),
                              "is its machine or its agent down? sedna describe node " + n.name});
    }
  }
  if (out.nodes.empty()) {
    out.problems.push_back({"nodes", "there is none: nothing can run", "sedna up --nodes cloud0:cloud,edge0:edge"});
  }
  for (const api::Kind* kind : api::all_kinds()) {
    if (kind->category != "sedna" || kind == &api::kinds::kDataset || kind == &api::kinds::kModel) continue;
    for (const auto& object : list(cluster, *kind, ns)) {
      out.services.push_back(summarise_service(*kind, object));
      const ServiceSummary& s = out.services.back();
      if (s.healthy) continue;
      std::string what = s.state == "-" ? s.message : s.state;
      if (s.state != "-" && !s.message.empty()) what += ": " + s.message;
      const std::string flags = s.ns == "default" ? "" : " -n " + s.ns;
      out.problems.push_back({where(kind->singular, s.ns, s.name), what,
                              "sedna describe " + std::string(kind->singular) + " " + s.name + flags});
    }
  }
  for (const auto& pod : list(cluster, api::kinds::kPod, ns)) {
    out.pods.push_back(summarise_pod(pod));
    const PodSummary& p = out.pods.back();
    const bool on_its_way =
        p.status == "ContainerCreating" || p.status == "PodInitializing" || p.status == "Terminating";
    if (p.healthy || on_its_way) continue;
    out.problems.push_back(
        {where("pod", p.ns, p.name), p.status + (p.message.empty() ? "" : ": " + p.message), advice_for(p)});
  }
  const auto by_name = [](const auto& a, const auto& b) { return std::tie(a.ns, a.name) < std::tie(b.ns, b.name); };
  std::sort(out.pods.begin(), out.pods.end(), by_name);
  return out;
}

json::value Overview::to_json() const {
  json::array nodes_json, services_json, pods_json, problems_json;
  for (const auto& n : nodes) nodes_json.push_back(cli::to_json(n));
  for (const auto& s : services) services_json.push_back(cli::to_json(s));
  for (const auto& p : pods) pods_json.push_back(cli::to_json(p));
  for (const auto& p : problems) {
    problems_json.push_back({{"where", p.where}, {"what", p.what}, {"advice", p.advice}});
  }
  return json::object{{"nodes", std::move(nodes_json)},
                      {"services", std::move(services_json)},
                      {"workers", std::move(pods_json)},
                      {"problems", std::move(problems_json)}};
}

}  // namespace sedna::cli
