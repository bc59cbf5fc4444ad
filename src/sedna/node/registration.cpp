#include "sedna/node/registration.hpp"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>

#include "sedna/base/log.hpp"
#include "sedna/control/leader.hpp"

namespace sedna::node {

namespace {

constexpr auto kBeat = std::chrono::seconds(3);
constexpr int kLeaseSeconds = 12;
constexpr const char* kLeases = "kube-node-lease";

void put_condition(json::array& all, std::string_view type, bool holds, std::string_view reason, std::string message,
                   SystemClock::time_point now) {
  json::object one{{"type", type},
                   {"status", holds ? "True" : "False"},
                   {"reason", reason},
                   {"message", std::move(message)},
                   {"lastTransitionTime", api::format_time(now)}};
  for (auto& entry : all) {
    if (!entry.is_object() || api::string_at(entry.get_object(), {"type"}) != type) continue;
    const auto& old = entry.get_object();
    if (api::string_at(old, {"status"}) == api::string_at(one, {"status"}) && old.contains("lastTransitionTime"))
      one["lastTransitionTime"] = old.at("lastTransitionTime");
    entry = std::move(one);
    return;
  }
  all.push_back(std::move(one));
}

std::string_view architecture(const utsname& machine) {
  const std::string_view name = machine.machine;
  if (name == "x86_64") return "amd64";
  if (name == "aarch64") return "arm64";
  return name;
}

}  // namespace

std::string disk_pressure(const std::string& folder) {
  struct statvfs space{};
  if (statvfs(folder.c_str(), &space) != 0) return {};
  constexpr std::uint64_t kLeast = std::uint64_t{64} << 20;
  const auto free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  const auto all = static_cast<std::uint64_t>(space.f_blocks) * space.f_frsize;
  if (free >= kLeast && free >= all / 100) return {};
  return "only " + std::to_string(free >> 20) + " MiB are left where " + folder +
         " lies: containers cannot be started and logs are lost";
}

api::Object node_object(const NodeIdentity& identity, api::Object node, SystemClock::time_point now) {
  utsname machine{};
  uname(&machine);
  node["apiVersion"] = "v1";
  node["kind"] = "Node";
  auto& metadata = api::make_object(node, {"metadata"});
  metadata["name"] = identity.name;
  auto& labels = api::make_object(node, {"metadata", "labels"});
  labels["kubernetes.io/hostname"] = identity.name;
  labels["kubernetes.io/os"] = "linux";
  labels["kubernetes.io/arch"] = architecture(machine);
  labels["node-role.kubernetes.io/" + identity.role] = "";
  labels.erase("node-role.kubernetes.io/" + std::string(identity.role == "edge" ? "cloud" : "edge"));
  api::make_object(node, {"metadata", "annotations"})["sedna.io/agent-certificate"] = identity.certificate;

  auto& status = api::make_object(node, {"status"});
  json::object resources{{"cpu", std::to_string(identity.cpu_millis / 1000)},
                         {"memory", std::to_string(identity.memory_bytes / 1024) + "Ki"},
                         {"pods", "250"}};
  if (identity.gpus > 0) resources["nvidia.com/gpu"] = std::to_string(identity.gpus);
  status["capacity"] = resources;
  status["allocatable"] = std::move(resources);
  status["addresses"] = json::array{json::object{{"type", "InternalIP"}, {"address", identity.ip}},
                                    json::object{{"type", "Hostname"}, {"address", identity.name}}};
  status["daemonEndpoints"] = json::object{{"kubeletEndpoint", {{"Port", static_cast<std::int64_t>(identity.port)}}}};
  auto& info = api::make_object(node, {"status", "nodeInfo"});
  info["architecture"] = architecture(machine);
  info["operatingSystem"] = "linux";
  info["kernelVersion"] = std::string_view(machine.release);
  info["osImage"] = std::string_view(machine.sysname);
  info["kubeletVersion"] = "sedna-0.1.0";
  info["kubeProxyVersion"] = "sedna-0.1.0";
  info["containerRuntimeVersion"] = identity.plain ? "process://plain" : "process://bubblewrap";
  for (const char* name : {"bootID", "machineID", "systemUUID"}) {
    if (!info.contains(name)) info[name] = "";
  }
  auto& conditions = status["conditions"];
  if (!conditions.is_array()) conditions = json::array();
  put_condition(conditions.get_array(), "Ready", true, "KubeletReady", "the node agent is running", now);
  if (!identity.disk_folder.empty()) {
    const auto why = disk_pressure(identity.disk_folder);
    put_condition(conditions.get_array(), "DiskPressure", !why.empty(),
                  why.empty() ? "KubeletHasNoDiskPressure" : "KubeletHasDiskPressure",
                  why.empty() ? std::string("kubelet has no disk pressure") : why, now);
  }
  if (identity.plain)
    put_condition(conditions.get_array(), "sedna.io/PlainMode", true, "NoNamespaces", identity.plain_reason, now);
  return node;
}

Registration::Registration(store::ApiServer& server, NodeIdentity identity, const Clock& clock)
    : server_(server), identity_(std::move(identity)), clock_(clock), task_("heartbeat", kBeat, [this] {
        const auto why = beat();
        if (!why.empty() && !failing_)
          log::warning("the API server does not take the node's heartbeat; the Pods go on", {{"reason", why}});
        failing_ = !why.empty();
      }) {}

std::string Registration::renew() {
  const std::string now = control::format_micro_time(clock_.wall());
  json::object spec{{"holderIdentity", identity_.name}, {"leaseDurationSeconds", kLeaseSeconds}, {"renewTime", now}};
  auto renewed = server_.merge_patch(api::kinds::kLease, kLeases, identity_.name,
                                     store::MergePatch(json::object{{"spec", spec}}), {});
  if (renewed) return {};
  if (!renewed.status().is_not_found()) return renewed.status().message;
  auto lease = api::new_object(api::kinds::kLease, kLeases, identity_.name);
  lease["spec"] = std::move(spec);
  auto made = server_.create(api::kinds::kLease, lease, {});
  return made || made.status().already_exists() ? std::string() : made.status().message;
}

std::string Registration::beat() {
  // First the Lease: whoever sees the node Ready again must not find it expired.
  if (auto why = renew(); !why.empty()) return why;
  auto there = server_.get(api::kinds::kNode, {}, identity_.name);
  if (!there && !there.status().is_not_found()) return there.status().message;
  if (!there) {
    auto made = server_.create(api::kinds::kNode, node_object(identity_, {}, clock_.wall()), {});
    if (!made) return made.status().message;
    there = std::move(made);
  }
  auto wanted = node_object(identity_, *there, clock_.wall());
  if (wanted.at("metadata") != there->at("metadata")) {
    auto written = server_.update(api::kinds::kNode, wanted, {});
    if (!written) return written.status().is_conflict() ? std::string() : written.status().message;
    wanted = node_object(identity_, *written, clock_.wall());
    there = std::move(written);
  }
  const auto* have = there->if_contains("status");
  if (have == nullptr || *have != wanted.at("status")) {
    auto written = server_.update_status(api::kinds::kNode, wanted, {});
    if (!written && !written.status().is_conflict()) return written.status().message;
  }
  return {};
}

}  // namespace sedna::node
