// One run of a container as processes: started through the shim, found again by a new agent, ended, and asked how it
// ended. Used by the Pod runner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/node/environment.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

/// A process that cannot be mistaken for a later one with the same number.
struct ProcessId {
  ProcessId() {}
  ProcessId(int process, std::uint64_t start) : pid(process), start_time(start) {}
  int pid = 0;
  std::uint64_t start_time = 0;  ///< in clock ticks since boot, /proc/PID/stat's field 22
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};
/// Nothing when there is no such process (a zombie counts as none).
std::optional<std::uint64_t> process_start_time(int pid);
bool is_alive(const ProcessId& id);

struct Launch {
  Launch() {}
  std::string shim;                  ///< path of sedna-shim
  std::vector<std::string> argv;     ///< bubblewrap's, or the command itself in plain mode
  Environment environment;           ///< all of it
  std::string netns;                 ///< file of the Pod's network namespace; empty: the agent's own
  std::string cwd;                   ///< of argv[0]; the sandbox changes into the container's itself
  std::vector<std::string> cgroups;  ///< cgroup.procs files to join
  std::int64_t memory_limit = 0;     ///< watched by the shim when not zero
  long log_bytes = 10L << 20;
  int log_files = 5;
};

/// How the shim says that a run ended.
struct ShimExit {
  int exit_code = 0;
  std::int64_t finished_at = 0;
  bool out_of_memory = false;
  std::string last_error;  ///< the end of its error stream
};

/// Movable handle of a running shim; closing it ends nothing.
class ContainerProcess {
 public:
  ContainerProcess() = default;
  ContainerProcess(ContainerProcess&& other) noexcept { *this = std::move(other); }
  ContainerProcess& operator=(ContainerProcess&& other) noexcept;
  ~ContainerProcess();

  /// Starts it; its state is in `folder` from then on. The error's message is what Kubernetes would put into
  /// StartError.
  static Result<ContainerProcess> start(const Launch& launch, const AttemptPaths& folder);
  /// The run that an earlier agent started in `folder`; not running when it has ended meanwhile.
  static std::optional<ContainerProcess> adopt(const AttemptPaths& folder);

  /// Readable (poll) when the run is over; -1 when it was over already.
  int pidfd() const { return pidfd_; }
  bool alive() const;
  /// SIGTERM to the container's command alone.
  void terminate() const;
  /// Ends all of it at once.
  void kill() const;
  /// A child of this process that has ended must be waited for.
  void reap() const;
  int shim_pid() const { return id_.pid; }

 private:
  ProcessId id_;
  int pidfd_ = -1;
};

/// Whether the run in `folder`, whose agent died while it began, has begun. When it has not, it never will.
bool has_begun(const AttemptPaths& folder);
/// How the run in `folder` ended; nothing when the shim could not say (it was killed itself).
std::optional<ShimExit> read_exit(const AttemptPaths& folder);
/// The process of the container's own command, below the sandbox; nothing when it is not there.
std::optional<int> command_process(const AttemptPaths& folder);

}  // namespace sedna::node
