// The bubblewrap command line of one container: its view of the file system, its own process, IPC and host name spaces.
// Pure but for looking at the host's folders; the network is joined by the shim before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/node/paths.hpp"

namespace sedna::node {

struct SandboxMount {
  SandboxMount() {}
  SandboxMount(Path from, Path to, bool ro) : source(std::move(from)), target(std::move(to)), read_only(ro) {}
  Path source;
  Path target;
  bool read_only = false;
  bool device = false;  ///< a device file or a folder of them
};

struct SandboxSpec {
  SandboxSpec() {}
  Path rootfs;                       ///< empty: the host's root, read-only
  std::vector<SandboxMount> mounts;  ///< in order; later ones lie over earlier ones
  std::vector<Path> hidden;          ///< folders of the host that appear empty (the state folder, keys in homes)
  Path scratch_tmp, scratch_var_tmp, scratch_run;  ///< private folders shown at /tmp, /var/tmp, /run
  std::vector<Path> shown;  ///< what of the host's /tmp, /var/tmp, /run stays in sight all the same, read-only
  Path work;                ///< private folder shown at the working folder, when that is not the host's
  Path cwd;                 ///< inside
  std::string hostname;
  std::optional<unsigned> uid, gid;  ///< runAsUser, runAsGroup
  bool host_ipc = false, host_pid = false, host_uts = false;
  bool new_proc = true;  ///< where the kernel allows a fresh /proc
  std::vector<std::string> argv;
};

/// The entry of /tmp, /var/tmp or /run that `path` lies in: what SandboxSpec::shown takes for code that is kept there,
/// a clone of a repository for one. Nothing for paths elsewhere, which are in sight anyway.
std::optional<Path> private_entry_of(const Path& path);

/// argv that the shim starts, beginning with the path of bwrap.
std::vector<std::string> sandbox_command(const std::string& bwrap, const SandboxSpec& spec);

/// Where bubblewrap is, or why it cannot be used here (not installed, or the kernel refuses it). Starts it once.
struct SandboxSupport {
  std::string bwrap;   ///< empty: plain mode
  std::string reason;  ///< why, then
  bool new_proc = true;
};
SandboxSupport probe_sandbox();

}  // namespace sedna::node
