// The agent's state on disk, drawn once; no other code spells a path.
//
//   <state>/nodes/<node>/
//     agent.lock                          held by the running agent
//     agent.pem, agent-key.pem            what its HTTPS port shows
//     address                             the node's address in the Pod network
//     var-lib-sedna/                      host paths under /var/lib/sedna
//     pods/<uid>/
//       pod.json                          the Pod as last accepted: what a new agent goes by while the server is away
//       record.json                       restarts, last ends, address
//       etc-hosts                         bound at /etc/hosts in its containers
//       volumes/<name>/                   emptyDir, configMap, secret, downwardAPI
//       containers/<name>/<attempt>/
//         claim                           made by whoever has the run: the shim, or an agent that calls it off
//         started.json                    the shim's process id with its start time, written by itself
//         command.pid, exit.json          the first process below it, and how the run ended
//         log, log.1, …
//         termination-log
//         scratch/{tmp,var-tmp,run,work}  what the container may write to
//   <state>/net/                          the namespaces' holder (home_network.hpp)
//   <state>/images/                       loaded images, for all nodes (image_store.hpp)
//     lock                                held while something is changed
//     names.json                          {"name:tag": id}
//     <id>/image.json, <id>/rootfs/       what a container runs, and its root
//     .load-*                             a change under way, or what a killed one left
#pragma once

#include <filesystem>
#include <string>

namespace sedna::node {

using Path = std::filesystem::path;

struct NodePaths {
  NodePaths(const Path& state_dir, const std::string& node_name)
      : state(state_dir), node(state_dir / "nodes" / node_name) {}
  Path state, node;
  Path lock() const { return node / "agent.lock"; }
  Path certificate() const { return node / "agent.pem"; }
  Path key() const { return node / "agent-key.pem"; }
  Path var_lib_sedna() const { return node / "var-lib-sedna"; }
  Path pods() const { return node / "pods"; }
  Path pod(const std::string& uid) const { return pods() / uid; }
};

struct PodPaths {
  explicit PodPaths(Path pod_folder) : root(std::move(pod_folder)) {}
  Path root;
  Path pod() const { return root / "pod.json"; }
  Path record() const { return root / "record.json"; }
  Path hosts() const { return root / "etc-hosts"; }
  Path volumes() const { return root / "volumes"; }
  Path volume(const std::string& name) const { return volumes() / name; }
  Path container(const std::string& name) const { return root / "containers" / name; }
};

struct AttemptPaths {
  AttemptPaths(const PodPaths& pod, const std::string& container, int attempt)
      : root(pod.container(container) / std::to_string(attempt)) {}
  Path root;
  Path claim() const { return root / "claim"; }
  Path started() const { return root / "started.json"; }
  Path command_pid() const { return root / "command.pid"; }
  Path exit() const { return root / "exit.json"; }
  Path log() const { return root / "log"; }
  Path termination_log() const { return root / "termination-log"; }
  Path scratch(const char* what) const { return root / "scratch" / what; }
};

}  // namespace sedna::node
