#include "sedna/node/cgroups.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "sedna/node/files.hpp"

namespace sedna::node {

namespace {

constexpr std::int64_t kPeriod = 100'000;  // µs

bool put(const Path& file, const std::string& text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return ok;
}

/// Where this process stands in a hierarchy: the third field of the line in /proc/self/cgroup that names the
/// controller (version 2: the empty name).
std::string own_group(std::string_view controller) {
  std::istringstream lines(read_file("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names.find("," + std::string(controller) + ",") != std::string::npos) return line.substr(second + 1);
  }
  return {};
}

/// A group of ours below `parent` that takes groups below itself; empty when it cannot be made.
Path make_group(const Path& parent, const std::string& name) {
  const Path group = parent / name;
  if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) return {};
  return access((group / "cgroup.procs").c_str(), W_OK) == 0 ? group : Path();
}

}  // namespace

Cgroups::Cgroups(const std::string& node, Path root) {
  const std::string name = "sedna-" + node;
  std::error_code error;
  if (std::filesystem::exists(root / "cgroup.controllers", error)) {
    v2_ = true;
    // Beside us, not below: a group with processes hands nothing down.
    const Path own = root / Path(own_group("")).relative_path();
    const Path parent = own == root ? root : own.parent_path();
    const Path group = make_group(parent, name);
    if (group.empty()) return;
    const auto controllers = " " + read_file(group / "cgroup.controllers").value_or("") + " ";
    const auto hands_down = [&](const char* controller) {
      return controllers.find(controller) != std::string::npos &&
             put(group / "cgroup.subtree_control", std::string("+") + controller);
    };
    if (hands_down("memory")) memory_ = group;
    if (hands_down("cpu")) cpu_ = group;
    return;
  }
  const auto v1 = [&](const char* controller) {
    const Path parent = root / controller / Path(own_group(controller)).relative_path();
    return make_group(parent, name);
  };
  memory_ = v1("memory");
  cpu_ = v1("cpu");
}

Cgroup Cgroups::make(const std::string& name, const CgroupLimits& limits) const {
  Cgroup out;
  const auto add = [&](const Path& parent, const auto& set) {
    if (parent.empty()) return false;
    const Path group = make_group(parent, name);
    if (group.empty() || !set(group)) return false;
    const auto procs = (group / "cgroup.procs").string();
    if (std::ranges::find(out.join, procs) == out.join.end()) out.join.push_back(procs);
    return true;
  };
  if (limits.memory > 0) {
    const auto bytes = std::to_string(limits.memory);
    out.memory = add(memory_, [&](const Path& group) {
      if (!v2_) return put(group / "memory.limit_in_bytes", bytes);
      static_cast<void>(put(group / "memory.swap.max", "0"));  // where there is swap, it is no way around
      return put(group / "memory.max", bytes);
    });
  }
  if (limits.cpu_millis > 0) {
    const auto quota = std::to_string(std::max<std::int64_t>(1000, limits.cpu_millis * kPeriod / 1000));
    out.cpu = add(cpu_, [&](const Path& group) {
      if (v2_) return put(group / "cpu.max", quota + " " + std::to_string(kPeriod));
      return put(group / "cpu.cfs_period_us", std::to_string(kPeriod)) && put(group / "cpu.cfs_quota_us", quota);
    });
  }
  return out;
}

bool Cgroups::out_of_memory(const std::string& name) const {
  if (memory_.empty()) return false;
  std::istringstream lines(read_file(memory_ / name / (v2_ ? "memory.events" : "memory.oom_control")).value_or(""));
  std::string key;
  for (std::int64_t value = 0; lines >> key >> value;) {
    if (key == "oom_kill") return value > 0;
  }
  return false;
}

void Cgroups::remove(const std::string& name) const {
  for (const auto& parent : {memory_, cpu_}) {
    if (!parent.empty()) rmdir((parent / name).c_str());
  }
}

void Cgroups::remove_all() const {
  for (const auto& parent : {memory_, cpu_}) {
    if (parent.empty()) continue;
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(parent, error);
         !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      if (it->is_directory(error)) rmdir(it->path().c_str());
    }
    rmdir(parent.c_str());
  }
}

}  // namespace sedna::node
