#include "sedna/node/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sedna::node {

namespace {

constexpr std::size_t kMaxOutput = 10 * 1024;

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

int left_ms(Deadline deadline) {
  if (deadline.is_never()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
  return static_cast<int>(std::min<long long>(left, 60'000));
}

}  // namespace

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string all = std::string(path != nullptr ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= all.size();) {
    const auto end = std::min(all.find(':', begin), all.size());
    auto candidate = all.substr(begin, end - begin) + "/" + name;
    if (candidate[0] == '/' && access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

ProgramResult run_program(const std::vector<std::string>& argv, Deadline deadline,
                          const std::vector<std::string>* environment, const std::function<bool()>& prepare) {
  ProgramResult out;
  out.exit_code = 127;
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    out.output = std::strerror(errno);
    return out;
  }
  auto args = pointers(argv);
  std::vector<char*> env = environment != nullptr ? pointers(*environment) : std::vector<char*>();
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, 0);
    dup2(pipes[1], 1);
    dup2(pipes[1], 2);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    if (!prepare || prepare()) {
      if (environment != nullptr) {
        execvpe(args[0], args.data(), env.data());
      } else {
        execvp(args[0], args.data());
      }
    }
    const char* why = std::strerror(errno);
    static_cast<void>(!write(2, args[0], std::strlen(args[0])));
    static_cast<void>(!write(2, ": ", 2));
    static_cast<void>(!write(2, why, std::strlen(why)));
    _exit(127);
  }
  close(pipes[1]);
  if (child < 0) {
    out.output = std::strerror(errno);
    close(pipes[0]);
    return out;
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  bool ended = false;
  while (!ended) {
    pollfd fds[2] = {{pipes[0], POLLIN, 0}, {pidfd, POLLIN, 0}};
    const int ready = poll(fds, 2, left_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if ((fds[0].revents & POLLIN) != 0) {
      char buffer[4096];
      const auto n = read(pipes[0], buffer, sizeof buffer);
      if (n > 0 && out.output.size() < kMaxOutput)
        out.output.append(buffer, std::min<std::size_t>(static_cast<std::size_t>(n), kMaxOutput - out.output.size()));
      continue;
    }
    if (fds[1].revents != 0) {
      ended = true;
    } else if (deadline.expired()) {
      out.timed_out = true;
      kill(-child, SIGKILL);
      kill(child, SIGKILL);
      ended = true;
    } else if ((fds[0].revents & (POLLHUP | POLLERR)) != 0) {
      // Closed its output and works on: wait for the end alone.
      pollfd last{pidfd, POLLIN, 0};
      if (poll(&last, 1, left_ms(deadline)) == 0 && deadline.expired()) {
        out.timed_out = true;
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
      }
      ended = last.revents != 0 || out.timed_out;
    }
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  kill(-child, SIGKILL);  // what it left running in its group
  out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (pidfd >= 0) close(pidfd);
  close(pipes[0]);
  return out;
}

}  // namespace sedna::node
