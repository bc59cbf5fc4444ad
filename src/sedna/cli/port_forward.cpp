#include "sedna/cli/port_forward.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/logs.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {
namespace {

std::uint16_t port_of(std::string_view text, const std::string& whole) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > 65535) {
    throw Error(ErrorCode::kInvalidArgument, "expected PORT, LOCAL:REMOTE or :REMOTE", "'" + whole + "'");
  }
  return static_cast<std::uint16_t>(value);
}

/// The container port that a Service's targetPort names; `otherwise` when no container has it.
std::uint16_t port_named(const api::Object& pod, std::string_view name, std::uint16_t otherwise) {
  const auto* containers = api::array_at(pod, {"spec", "containers"});
  if (containers == nullptr) return otherwise;
  for (const auto& container : *containers) {
    const auto* ports = container.is_object() ? api::array_at(container.as_object(), {"ports"}) : nullptr;
    if (ports == nullptr) continue;
    for (const auto& p : *ports) {
      if (p.is_object() && api::string_at(p.as_object(), {"name"}) == name)
        return static_cast<std::uint16_t>(api::int_at(p.as_object(), {"containerPort"}, otherwise));
    }
  }
  return otherwise;
}

/// The port of the Pod behind a Service's port.
std::uint16_t behind_service(const api::Object& service, std::uint16_t port, const api::Object& pod) {
  const auto* ports = api::array_at(service, {"spec", "ports"});
  if (ports == nullptr) return port;
  for (const auto& p : *ports) {
    if (!p.is_object() || api::int_at(p.as_object(), {"port"}) != port) continue;
    if (const auto name = api::string_at(p.as_object(), {"targetPort"}); !name.empty())
      return port_named(pod, name, port);
    return static_cast<std::uint16_t>(api::int_at(p.as_object(), {"targetPort"}, port));
  }
  return port;
}

/// Of a JointInferenceService the cloud workers serve 5000, the edge workers anything else.
void keep_side(std::vector<api::Object>& pods, std::uint16_t port) {
  const std::string_view side = port == 5000 ? "cloud" : "edge";
  std::erase_if(pods, [&](const api::Object& pod) { return summarise_pod(pod).worker_type != side; });
}

/// A Pod that can answer, the first Ready one.
api::Object pick(std::vector<api::Object> pods, const std::string& what) {
  for (auto& pod : pods) {
    if (summarise_pod(pod).status == "Running" && !api::string_at(pod, {"status", "podIP"}).empty()) {
      return std::move(pod);
    }
  }
  throw Error(ErrorCode::kUnavailable, pods.empty() ? "has no Pods" : "has no running Pod; `sedna status` says why",
              what);
}

}  // namespace

Forward parse_forward(const std::string& text) {
  const std::size_t colon = text.find(':');
  Forward out;
  out.remote = port_of(std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1), text);
  if (colon == std::string::npos) {
    out.local = out.remote;
  } else if (colon > 0) {
    out.local = port_of(std::string_view(text).substr(0, colon), text);
  }
  return out;
}

void become(const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const auto& a : argv) words.push_back(const_cast<char*>(a.c_str()));
  words.push_back(nullptr);
  std::fflush(nullptr);
  execvp(words.front(), words.data());
  throw storage::system_error(errno, "cannot be run", argv.front());
}

ForwardPlan plan_forward(Cluster& cluster, const PortForwardOptions& options) {
  const bool slashed = options.what.find('/') != std::string::npos;
  const auto targets = parse_targets(cluster, {slashed ? options.what : "pod/" + options.what});
  const Target& target = targets.front();
  if (options.ports.size() != 1) {
    throw Error(ErrorCode::kInvalidArgument, "one port at a time: PORT, LOCAL:REMOTE or :REMOTE", "ports");
  }
  ForwardPlan out;
  out.forward = parse_forward(options.ports.front());
  auto pods = pods_of(cluster, *target.kind, options.ns, target.name);
  if (target.kind == &api::kinds::kJointInferenceService) keep_side(pods, out.forward.remote);
  const api::Object pod = pick(std::move(pods), options.what);
  if (target.kind == &api::kinds::kService) {
    out.forward.remote =
        behind_service(cluster.api().get(*target.kind, options.ns, target.name).value(), out.forward.remote, pod);
  }
  out.pod = api::name_of(pod);
  if (out.forward.local == 0) out.forward.local = home::choose_port(0, false, "");
  const std::string remote = std::to_string(out.forward.remote), local = std::to_string(out.forward.local);
  if (home::is_home(options.state, cluster)) {
    const std::string to(api::string_at(pod, {"status", "podIP"}));
    out.argv = {home::find_program("sedna-node").string(),
                "forward",
                "--state",
                home::Paths(options.state).state.string(),
                "--listen",
                options.address + ":" + local,
                "--to",
                to + ":" + remote};
    // From the Pod's own node, so that it is reached while the node is cut off, too.
    if (const auto node = api::string_at(pod, {"spec", "nodeName"}); !node.empty())
      out.argv.insert(out.argv.end(), {"--node", std::string(node)});
    return out;
  }
  out.argv = {"kubectl",       "port-forward",      "-n", options.ns, "pod/" + out.pod, "--address",
              options.address, local + ":" + remote};
  if (!options.kubeconfig.empty()) out.argv.insert(out.argv.end(), {"--kubeconfig", options.kubeconfig});
  return out;
}

int port_forward(Cluster& cluster, Console& console, const PortForwardOptions& options) {
  const ForwardPlan plan = plan_forward(cluster, options);
  console.err_line("Forwarding from " + options.address + ":" + std::to_string(plan.forward.local) + " to " + plan.pod +
                   ":" + std::to_string(plan.forward.remote) + "; Ctrl-C ends it");
  become(plan.argv);
}

}  // namespace sedna::cli
