#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sedna/base/clock.hpp"
#include "sedna/base/error.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/plan.hpp"
#include "sedna/cli/home/supervisor.hpp"
#include "sedna/cli/home/up.hpp"

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Programs of ours whose command line names the state folder: nothing else is ever touched.
std::vector<ProcessId> leftovers(const Paths& paths) {
  std::vector<ProcessId> out;
  const std::string state = paths.state.string();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    const pid_t pid = static_cast<pid_t>(std::stol(name));
    if (pid == getpid()) continue;
    const std::string comm = read_all(entry.path() / "comm");
    if (!comm.starts_with("sedna") && comm != "bwrap\n") continue;
    const std::string line = read_all(entry.path() / "cmdline");
    const std::size_t at = line.find(state);
    if (at == std::string::npos) continue;
    const char after = at + state.size() < line.size() ? line[at + state.size()] : '\0';
    if (after != '\0' && after != '/') continue;                                // another home whose name begins alike
    if (line.find("down") != std::string::npos && comm == "sedna\n") continue;  // another `sedna down`
    if (auto process = ProcessId::of(pid)) out.push_back(*process);
  }
  return out;
}

/// Ends what is left, firmly. How many there were.
std::size_t end_leftovers(const Paths& paths) {
  const auto left = leftovers(paths);
  for (const auto& process : left) {
    const storage::Descriptor fd = watch_process(process);
    if (!fd) continue;
    kill(process.pid, SIGTERM);
    pollfd wait{fd.get(), POLLIN, 0};
    if (poll(&wait, 1, 3000) == 0) kill(process.pid, SIGKILL);
  }
  return left.size();
}

/// Asks the `sedna up` that supervises to stop, and waits for it.
void stop_supervisor(Console& console, const Paths& paths, int pid, Deadline deadline) {
  const auto process = ProcessId::of(pid);
  if (!process) return;
  const storage::Descriptor fd = watch_process(*process);
  if (!fd) return;
  kill(pid, SIGTERM);
  for (;;) {
    std::size_t left = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(paths.run(), error)) left += entry.path().extension() == ".json";
    console.progress("stopping: " + std::to_string(left) + " daemons left …");
    pollfd wait{fd.get(), POLLIN, 0};
    if (poll(&wait, 1, 200) > 0) return;
    if (deadline.expired()) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  "process " + std::to_string(pid) + " is not done; its log is " + paths.log("up").string(),
                  paths.state.string());
    }
  }
}

bool mounted_below(const Paths& paths) {
  return read_all("/proc/self/mounts").find(" " + paths.state.string() + "/") != std::string::npos;
}

}  // namespace

int down(Console& console, const DownOptions& options) {
  const Paths paths{options.state};
  std::error_code error;
  if (!fs::exists(paths.home_file(), error)) {
    console.err_line("There is no home in " + paths.state.string() + ".");
    return 0;
  }
  const Deadline deadline = Deadline::after(options.timeout);
  if (const int pid = supervisor_of(paths); pid != 0) stop_supervisor(console, paths, pid, deadline);
  {
    const storage::Descriptor lock = storage::open_file(paths.lock(), O_RDWR | O_CREAT, 0600);
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      throw Error(ErrorCode::kAborted, "another `sedna` has begun to work on it; try again", paths.state.string());
    }
    // What an `up` that was killed has left, and the workers of agents that are gone.
    const auto home = HomeFile::read(paths);
    PlanOptions how;
    how.to_stop = true;
    Supervisor supervisor(paths, plan(paths, *home, how), [&](const DaemonEvent& event) {
      if (event.what == DaemonEvent::What::kStopping) console.progress("stopping " + event.daemon->title + " …");
      if (event.what == DaemonEvent::What::kCleaning) {
        console.progress("stopping the workers of " + event.daemon->title + " …");
      }
    });
    supervisor.adopt();
    supervisor.stop();
    const std::size_t ended = end_leftovers(paths);
    if (ended > 0) console.warn(std::to_string(ended) + " processes had to be ended by hand");
    if (mounted_below(paths)) {
      console.warn("something is still mounted below " + paths.state.string());
      return 1;
    }
    if (options.delete_state) fs::remove_all(paths.state, error);
  }
  if (error) throw storage::system_error(error.value(), "cannot be deleted", paths.state);
  console.progress_end();
  console.err_line(options.delete_state ? "The home is down and " + paths.state.string() + " is deleted."
                                        : "The home is down; its objects are kept for the next `sedna up`.");
  return 0;
}

}  // namespace sedna::cli::home
