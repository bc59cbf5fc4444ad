#include "sedna/node/exec_in.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "sedna/node/files.hpp"

namespace sedna::node {

namespace {

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int descriptor = -1) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

bool same_namespace(const std::string& a, const std::string& b) {
  struct stat left{}, right{};
  return stat(a.c_str(), &left) == 0 && stat(b.c_str(), &right) == 0 && left.st_ino == right.st_ino;
}

/// In the child: a process namespace takes effect for children only, so one more is made, and this one passes its end
/// on. Returns in the grandchild.
bool fork_into() {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) return true;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace

ProgramResult exec_in(const AttemptPaths& folder, const std::vector<std::string>& argv, Deadline deadline) {
  auto pid = command_process(folder);
  // The sandbox may still be setting itself up; the kernel tells nobody when it becomes the command.
  const auto patience = Deadline::after(std::chrono::milliseconds(500)).earlier(deadline);
  while (!pid && !patience.expired()) {
    usleep(10'000);
    pid = command_process(folder);
  }
  ProgramResult gone;
  gone.exit_code = 126;
  gone.output = "the container's process is not there";
  if (!pid) return gone;
  const std::string base = "/proc/" + std::to_string(*pid) + "/";
  const auto raw = read_file(base + "environ");
  if (!raw) return gone;
  std::vector<std::string> environment;
  for (std::size_t begin = 0; begin < raw->size();) {
    const auto end = std::min(raw->find('\0', begin), raw->size());
    environment.push_back(raw->substr(begin, end - begin));
    begin = end + 1;
  }
  static constexpr std::array<std::pair<const char*, int>, 6> kNamespaces{{{"user", CLONE_NEWUSER},
                                                                           {"net", CLONE_NEWNET},
                                                                           {"ipc", CLONE_NEWIPC},
                                                                           {"uts", CLONE_NEWUTS},
                                                                           {"pid", CLONE_NEWPID},
                                                                           {"mnt", CLONE_NEWNS}}};
  std::array<Descriptor, kNamespaces.size()> fds;
  bool other_processes = false;
  for (std::size_t i = 0; i < kNamespaces.size(); ++i) {
    const std::string file = base + "ns/" + kNamespaces[i].first;
    if (same_namespace(file, std::string("/proc/self/ns/") + kNamespaces[i].first)) continue;
    fds[i].fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fds[i].fd < 0) return gone;
    other_processes |= kNamespaces[i].second == CLONE_NEWPID;
  }
  Descriptor cwd(open((base + "cwd").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return run_program(argv, deadline, &environment, [&] {
    for (std::size_t i = 0; i < kNamespaces.size(); ++i) {
      if (fds[i].fd >= 0 && setns(fds[i].fd, kNamespaces[i].second) != 0) return false;
    }
    if (other_processes && !fork_into()) return false;
    return cwd.fd < 0 || fchdir(cwd.fd) == 0;
  });
}

}  // namespace sedna::node
