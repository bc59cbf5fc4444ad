// The processes below the shim, found through /proc.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace sedna::shim {

inline std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> out;
  const std::string base = "/proc/" + std::to_string(pid) + "/task/";
  // Every thread may have forked; the main one nearly always has.
  FILE* file = std::fopen((base + std::to_string(pid) + "/children").c_str(), "re");
  if (file == nullptr) return out;
  int child = 0;
  while (std::fscanf(file, "%d", &child) == 1) out.push_back(child);
  std::fclose(file);
  return out;
}

inline void collect(pid_t pid, std::vector<pid_t>& out) {
  for (const pid_t child : children_of(pid)) {
    out.push_back(child);
    collect(child, out);
  }
}

inline bool is_bwrap(pid_t pid) {
  FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/comm").c_str(), "re");
  if (file == nullptr) return false;
  char name[32] = {};
  const bool read = std::fgets(name, sizeof name, file) != nullptr;
  std::fclose(file);
  return read && std::string(name) == "bwrap\n";
}

/// The container's own command: below bubblewrap and the first process of its process namespace, where there are such.
inline pid_t command_of(pid_t child) {
  pid_t pid = child;
  while (is_bwrap(pid)) {
    const auto below = children_of(pid);
    if (below.empty()) return pid;
    pid = below.front();
  }
  return pid;
}

/// Ends everything below, also what was forked meanwhile.
inline void kill_descendants() {
  for (int round = 0; round < 16; ++round) {
    std::vector<pid_t> all;
    collect(getpid(), all);
    bool any = false;
    for (const pid_t pid : all) any |= kill(pid, SIGKILL) == 0;
    if (!any || all.empty()) return;
    if (round > 0) usleep(1000);
  }
}

inline long descendants_rss() {
  std::vector<pid_t> all;
  collect(getpid(), all);
  const long page = sysconf(_SC_PAGESIZE);
  long sum = 0;
  for (const pid_t pid : all) {
    FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/statm").c_str(), "re");
    if (file == nullptr) continue;
    long total = 0, resident = 0, shared = 0;
    if (std::fscanf(file, "%ld %ld %ld", &total, &resident, &shared) == 3) sum += (resident - shared) * page;
    std::fclose(file);
  }
  return sum;
}

}  // namespace sedna::shim
