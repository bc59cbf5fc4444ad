#include "sedna/cli/home/doctor.hpp"

#include <sched.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/capture.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/text_table.hpp"
#include "sedna/cli/version.hpp"

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;
using State = Finding::State;

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string read_word(const char* file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

Finding programs() {
  Finding out{State::kGood, "programs", "sedna " + std::string(kVersion), {}, {}};
  std::string missing;
  for (const char* name : {"sedna-apiserver", "sedna-gm", "sedna-lc", "sedna-node", "sedna-shim",
                           "sedna-storage-initializer", "sedna-worker"}) {
    try {
      out.detail = "sedna " + std::string(kVersion) + ", daemons in " + find_program(name).parent_path().string();
    } catch (const Error&) {
      missing += (missing.empty() ? "" : ", ") + std::string(name);
    }
  }
  if (missing.empty()) return out;
  return {State::kMissing, "programs", missing + " not found", "sedna up cannot start",
          "build them (script/build) or install all programs into one folder"};
}

Finding state_folder(const Paths& paths) {
  fs::path there = paths.state;
  std::error_code error;
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  if (access(there.c_str(), W_OK | X_OK) != 0) {
    return {State::kMissing, "state folder", paths.state.string() + " cannot be written", "sedna up cannot start",
            "another folder: --state DIR, or SEDNA_STATE"};
  }
  struct statvfs disk{};
  const double free = statvfs(there.c_str(), &disk) == 0 ? static_cast<double>(disk.f_bavail) * disk.f_frsize : 0;
  Finding out{State::kGood, "state folder", paths.state.string() + ", " + human_bytes(free) + " free", {}, {}};
  if (free < 200e6) {
    out.state = State::kCosts;
    out.cost = "logs, models and datasets soon fill it";
    out.remedy = "make room, or another folder: --state DIR";
  }
  return out;
}

Finding port(const Paths& paths) {
  std::uint16_t wanted = 16443;
  try {
    if (const auto home = HomeFile::read(paths); home && home->port != 0) wanted = home->port;
  } catch (const Error& error) {
    return {State::kMissing, "home", error.what(), "sedna up refuses it", "sedna restore, or another --state"};
  }
  const auto record = RunRecord::read(paths.run_file("apiserver"));
  if (record && record->process.alive()) {
    return {State::kGood, "home", "is up on port " + std::to_string(wanted), {}, {}};
  }
  try {
    choose_port(wanted, true, "port");
  } catch (const Error&) {
    return {State::kCosts, "port " + std::to_string(wanted), "is in use", "another one is taken for a new home",
            "sedna up --port N"};
  }
  return {State::kGood, "port " + std::to_string(wanted), "free", {}, {}};
}

Finding namespaces() {
  std::string why;
  const std::string cost =
      "plain mode: no sandbox, one node, no two workers on one port, no `sedna net cut` (docs/node.md)";
  if (!can_unshare(CLONE_NEWUSER, why)) {
    std::string remedy = "as root: sysctl -w user.max_user_namespaces=15000";
    if (read_word("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
      remedy = "as root: sysctl -w kernel.unprivileged_userns_clone=1";
    } else if (read_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
      remedy = "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    }
    return {State::kCosts, "user namespaces", why, cost, remedy};
  }
  if (!can_unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID, why)) {
    return {State::kCosts, "user namespaces", "there, but not with a network of their own: " + why, cost,
            "a kernel with network namespaces (CONFIG_NET_NS)"};
  }
  return {State::kGood, "user namespaces", "with network and mounts of their own", {}, {}};
}

Finding sandbox() {
  const Captured bwrap = capture({"bwrap", "--version"});
  if (bwrap.exit_code != 0) {
    return {State::kCosts, "bubblewrap", "not installed", "workers run without a sandbox (plain mode)",
            "apt install bubblewrap"};
  }
  const Captured run =
      capture({"bwrap", "--ro-bind", "/", "/", "--unshare-net", "--proc", "/proc", "--dev", "/dev", "true"});
  if (run.exit_code != 0) {
    return {State::kCosts, "bubblewrap",
            first_line(bwrap.output) + ", but it cannot run here: " + first_line(run.output),
            "workers run without a sandbox (plain mode)", "see user namespaces above"};
  }
  return {State::kGood, "bubblewrap", first_line(bwrap.output), {}, {}};
}

Finding limits() {
  // A group of our own is what the agent makes one for each worker in.
  std::ifstream in("/proc/self/cgroup");
  std::string own;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("0::")) own = "/sys/fs/cgroup" + line.substr(3);
  }
  std::error_code error;
  std::ifstream controllers(own + "/cgroup.controllers");
  std::string available;
  std::getline(controllers, available);
  if (!own.empty() && access(own.c_str(), W_OK) == 0 && available.find("memory") != std::string::npos) {
    return {State::kGood, "cgroups", "memory limits by the kernel", {}, {}};
  }
  return {State::kCosts, "cgroups", "no group with a memory controller that we may write",
          "memory limits are kept by a watchdog that looks every so often, CPU limits not at all",
          "run under systemd with Delegate=yes (sedna up --install-service)"};
}

Finding python() {
  const Captured run =
      capture({"python3", "-c",
               "import sys\ntry:\n import sedna\n where = sedna.__file__\nexcept ImportError:\n where = ''\n"
               "print('.'.join(map(str, sys.version_info[:3])), where)"});
  if (run.exit_code != 0) {
    return {State::kCosts, "Python", "no python3", "only workers without Python run (sedna-worker)",
            "apt install python3"};
  }
  const std::string line = first_line(run.output);
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || space + 1 >= line.size()) {
    return {State::kCosts, "Python", line.substr(0, space) + ", without the package sedna",
            "workers in Python need an environment of their own that has it",
            "pip install . (from the repository; `sedna` on PyPI is another project)"};
  }
  return {State::kGood,
          "Python",
          line.substr(0, space) + ", sedna in " + fs::path(line.substr(space + 1)).parent_path().string(),
          {},
          {}};
}

Finding machine() {
  utsname system{};
  uname(&system);
  const long pages = sysconf(_SC_AVPHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  const double free = static_cast<double>(pages) * static_cast<double>(page);
  Finding out{State::kGood,
              "machine",
              std::string(system.sysname) + " " + system.release + " " + system.machine + ", " +
                  std::to_string(std::thread::hardware_concurrency()) + " cores, " + human_bytes(free) + " memory free",
              {},
              {}};
  if (free < 100e6) {
    out.state = State::kCosts;
    out.cost = "a home of two nodes takes some 60 MB, workers come on top";
    out.remedy = "end something else first";
  }
  return out;
}

Finding kubectl() {
  const Captured run = capture({"kubectl", "version", "--client", "-o", "yaml"});
  if (run.exit_code != 0)
    return {State::kGood, "kubectl", "not installed; not needed, `sedna` does what it does", {}, {}};
  const std::size_t at = run.output.find("gitVersion: ");
  return {
      State::kGood, "kubectl", at == std::string::npos ? "installed" : first_line(run.output.substr(at + 12)), {}, {}};
}

}  // namespace

std::vector<Finding> examine(const std::string& state) {
  const Paths paths{state};
  return {machine(), programs(), state_folder(paths), port(paths), namespaces(), sandbox(), limits(),
          python(),  kubectl()};
}

int doctor(Console& console, const std::string& state, const Output& output) {
  const auto findings = examine(state);
  const bool missing =
      std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.state == State::kMissing; });
  const auto word = [](State s) { return s == State::kGood ? "ok" : s == State::kCosts ? "costs" : "missing"; };
  if (!output.is_table()) {
    json::array all;
    for (const auto& f : findings) {
      all.push_back(
          {{"what", f.what}, {"state", word(f.state)}, {"detail", f.detail}, {"cost", f.cost}, {"remedy", f.remedy}});
    }
    print_value(console, output, json::object{{"ok", !missing}, {"findings", std::move(all)}});
    return missing ? 1 : 0;
  }
  for (const auto& f : findings) {
    const std::string mark = f.state == State::kGood    ? console.styled(Style::kGood, "✓")
                             : f.state == State::kCosts ? console.styled(Style::kWarning, "!")
                                                        : console.styled(Style::kBad, "✗");
    std::string name = f.what;
    if (text_width(name) < 16) name.append(16 - text_width(name), ' ');
    console.line(mark + " " + console.styled(Style::kBold, name) + " " + f.detail);
    if (!f.cost.empty()) console.line("    without it: " + f.cost);
    if (!f.remedy.empty()) console.line("    to get it:  " + f.remedy);
  }
  console.line(missing ? "\nA home cannot run here yet." : "\nA home can run here: sedna up");
  return missing ? 1 : 0;
}

}  // namespace sedna::cli::home
