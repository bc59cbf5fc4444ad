// Control groups for containers, where this machine lets us write them: version 2 with the controllers handed down, or
// version 1's hierarchies one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/node/paths.hpp"

namespace sedna::node {

struct CgroupLimits {
  std::int64_t memory = 0;      ///< bytes; 0: none
  std::int64_t cpu_millis = 0;  ///< thousandths of a processor; 0: none
};

/// One container's groups.
struct Cgroup {
  std::vector<std::string> join;     ///< cgroup.procs files that its first process writes itself into
  bool memory = false, cpu = false;  ///< which limits are in force
};

class Cgroups {
 public:
  /// Finds out what may be written, by trying. `root`: /sys/fs/cgroup, or a test's.
  explicit Cgroups(const std::string& node, Path root = "/sys/fs/cgroup");
  bool memory() const { return !memory_.empty(); }
  bool cpu() const { return !cpu_.empty(); }
  /// Makes the groups of a container run; what cannot be made is left out (and then not in force).
  Cgroup make(const std::string& name, const CgroupLimits& limits) const;
  /// Whether the kernel ended something in it for want of memory.
  bool out_of_memory(const std::string& name) const;
  /// After its end.
  void remove(const std::string& name) const;
  /// After the node's end: all of it, as far as nothing runs in it.
  void remove_all() const;

 private:
  Path memory_, cpu_;  ///< our own group in each hierarchy; the same for version 2
  bool v2_ = false;
};

}  // namespace sedna::node
