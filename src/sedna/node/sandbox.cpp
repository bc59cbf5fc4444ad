#include "sedna/node/sandbox.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include "sedna/node/rootfs.hpp"
#include "sedna/node/run_program.hpp"

namespace sedna::node {

namespace {

namespace fs = std::filesystem;

/// Made by bubblewrap itself or private to the container: never taken from the host.
const std::set<std::string> kOwn{"/proc", "/dev", "/tmp", "/run", "/lost+found", "/sys"};

class View {
 public:
  View(const SandboxSpec& spec, std::vector<std::string>& out) : spec_(spec), out_(out) {
    for (const auto& mount : spec.mounts) need(mount.target);
    if (!spec.work.empty()) need(spec.cwd);
    for (const auto& [target, source] : private_folders()) need(target);
  }

  void write() {
    const Path base = spec_.rootfs.empty() ? Path("/") : spec_.rootfs;
    folder(base, "/");
    if (spec_.rootfs.empty()) add({"--ro-bind", "/sys", "/sys"});
    add({"--dev", "/dev"});
    if (spec_.new_proc && !spec_.host_pid) {
      add({"--proc", "/proc"});
    } else {
      add({"--ro-bind", "/proc", "/proc"});
    }
    for (const auto& [target, source] : private_folders()) add({"--bind", source.string(), target.string()});
    for (const auto& path : spec_.shown) add({"--ro-bind", path.string(), path.string()});
    for (const auto& path : spec_.hidden) {
      std::error_code error;  // what is not there, or lies behind a folder of the container's own, need not be hidden
      const auto entry = private_entry_of(path);
      if (entry && std::ranges::find(spec_.shown, *entry) == spec_.shown.end()) continue;
      if (spec_.rootfs.empty() && fs::is_directory(path, error)) add({"--tmpfs", path.string()});
    }
    if (!spec_.work.empty()) add({"--bind", spec_.work.string(), spec_.cwd.string()});
    for (const auto& mount : spec_.mounts) {
      add({mount.device      ? "--dev-bind"
           : mount.read_only ? "--ro-bind"
                             : "--bind",
           mount.source.string(), mount.target.string()});
    }
  }

 private:
  std::vector<std::pair<Path, Path>> private_folders() const {
    std::vector<std::pair<Path, Path>> out;
    if (!spec_.scratch_tmp.empty()) out.emplace_back("/tmp", spec_.scratch_tmp);
    const Path var_tmp = spec_.rootfs.empty() ? Path("/var/tmp")
                                              : resolve_in_rootfs(spec_.rootfs, "/var/tmp", true).value_or("/var/tmp");
    if (!spec_.scratch_var_tmp.empty()) out.emplace_back(var_tmp, spec_.scratch_var_tmp);
    if (!spec_.scratch_run.empty()) out.emplace_back("/run", spec_.scratch_run);
    return out;
  }

  void add(std::initializer_list<std::string> words) { out_.insert(out_.end(), words); }

  Path on_host(const Path& inside) const {
    return spec_.rootfs.empty() ? inside : spec_.rootfs / inside.relative_path();
  }

  /// A target that the view does not have needs a place to be made in: the folders above it, as far as they exist, are
  /// rebuilt entry by entry, because bubblewrap can make nothing in a folder that is bound read-only.
  void need(const Path& target) {
    std::error_code error;
    if (fs::exists(on_host(target), error) && !error) return;
    for (Path above = target.parent_path(); above != above.root_path(); above = above.parent_path()) {
      const auto status = fs::symlink_status(on_host(above), error);
      if (!error && fs::is_directory(status)) opened_.insert(above.string());
    }
  }

  void folder(const Path& host, const Path& inside) {
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    for (auto it = fs::directory_iterator(host, fs::directory_options::skip_permission_denied, error);
         !error && it != fs::directory_iterator(); it.increment(error))
      entries.push_back(*it);
    std::ranges::sort(entries, {}, [](const auto& entry) { return entry.path(); });
    for (const auto& entry : entries) {
      const Path target = inside / entry.path().filename();
      if (kOwn.contains(target.string())) continue;
      std::error_code failed;
      const auto status = entry.symlink_status(failed);
      if (failed) continue;
      if (fs::is_symlink(status)) {
        const auto link = fs::read_symlink(entry.path(), failed);
        if (!failed) add({"--symlink", link.string(), target.string()});
      } else if (fs::is_directory(status) && (opened_.contains(target.string()) || target == "/home")) {
        add({"--dir", target.string()});
        folder(entry.path(), target);
      } else if (fs::is_directory(status) || fs::is_regular_file(status)) {
        add({"--ro-bind", entry.path().string(), target.string()});
      }
    }
  }

  const SandboxSpec& spec_;
  std::vector<std::string>& out_;
  std::set<std::string> opened_;
};

}  // namespace

std::optional<Path> private_entry_of(const Path& path) {
  const Path clean = path.lexically_normal();
  for (const Path top : {"/tmp", "/var/tmp", "/run"}) {
    const auto [at, rest] = std::ranges::mismatch(top, clean);
    if (at == top.end() && rest != clean.end() && !rest->empty()) return top / *rest;
  }
  return std::nullopt;
}

std::vector<std::string> sandbox_command(const std::string& bwrap, const SandboxSpec& spec) {
  std::vector<std::string> out{bwrap};
  SandboxSpec resolved = spec;
  if (!spec.rootfs.empty()) {
    // bubblewrap makes targets while the host is still in sight: links of an image must not lead it there.
    const auto inside = [&](const Path& target) {
      return resolve_in_rootfs(spec.rootfs, target, true).value_or(target);
    };
    for (auto& mount : resolved.mounts) mount.target = inside(mount.target);
    resolved.cwd = inside(spec.cwd);
  }
  View(resolved, out).write();
  // The shim must be the last to go: bubblewrap follows it, and everything inside follows bubblewrap.
  out.insert(out.end(), {"--die-with-parent", "--cap-drop", "ALL", "--cap-add", "CAP_NET_BIND_SERVICE"});
  if (!spec.host_ipc) out.emplace_back("--unshare-ipc");
  if (!spec.host_pid) out.emplace_back("--unshare-pid");
  if (!spec.host_uts) {
    out.emplace_back("--unshare-uts");
    if (!spec.hostname.empty()) out.insert(out.end(), {"--hostname", spec.hostname.substr(0, 63)});
  }
  out.emplace_back("--unshare-cgroup-try");
  if (spec.uid || spec.gid) {
    out.emplace_back("--unshare-user");
    out.insert(out.end(),
               {"--uid", std::to_string(spec.uid.value_or(0)), "--gid", std::to_string(spec.gid.value_or(0))});
  }
  if (!spec.cwd.empty()) out.insert(out.end(), {"--chdir", spec.cwd.string()});
  out.emplace_back("--");
  out.insert(out.end(), spec.argv.begin(), spec.argv.end());
  return out;
}

SandboxSupport probe_sandbox() {
  SandboxSupport out;
  const auto bwrap = find_program("bwrap");
  if (!bwrap) {
    out.reason = "bubblewrap (bwrap) is not installed";
    return out;
  }
  for (const bool new_proc : {true, false}) {
    SandboxSpec spec;
    spec.new_proc = new_proc;
    spec.argv = {"/bin/true"};
    const auto tried = run_program(sandbox_command(*bwrap, spec), Deadline::after(std::chrono::seconds(10)));
    if (tried.exit_code == 0) {
      out.bwrap = *bwrap;
      out.new_proc = new_proc;
      return out;
    }
    out.reason = "bubblewrap cannot work here: " + tried.output;
  }
  return out;
}

}  // namespace sedna::node
