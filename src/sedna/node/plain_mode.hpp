// Plain mode has no mounts and no network of its own: paths inside the container, as they stand in its command and
// environment, become the host's; workers of ours serve at their Pod's address alone. Internal to node.
#pragma once

#include <string>
#include <vector>

#include "sedna/node/environment.hpp"
#include "sedna/node/sandbox.hpp"

namespace sedna::node {

/// Every word that is a path at or below a mount's target, or a ";"-separated list of such, is rewritten; the longest
/// target wins. DATA_PATH_PREFIX, which workers put before host paths, becomes empty.
void rewrite_for_plain_mode(const std::vector<SandboxMount>& mounts, std::vector<std::string>& argv,
                            Environment& environment);
/// Where workers serve, unless they are told: at the Pod's address, so that several of them, of this home or of
/// another, have the same port. And where they report: to the node's local controller, which is not at the host's
/// "localhost".
void set_plain_addresses(const std::string& pod_ip, const std::string& node_ip, Environment& environment);
std::string rewrite_paths(const std::vector<SandboxMount>& mounts, const std::string& text);

}  // namespace sedna::node
