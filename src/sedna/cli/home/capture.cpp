#include "sedna/cli/home/capture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sedna/base/clock.hpp"
#include "sedna/storage/file_io.hpp"

extern char** environ;

namespace sedna::cli::home {

Captured capture(const std::vector<std::string>& argv, std::chrono::milliseconds timeout) {
  Captured out;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return out;
  const storage::Descriptor in(ends[0]);
  storage::Descriptor write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  std::vector<char*> words;
  for (const auto& a : argv) words.push_back(const_cast<char*>(a.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, words.front(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return out;
  write_end.reset();
  const Deadline deadline = Deadline::after(timeout);
  constexpr std::size_t kMost = 64U << 10;
  for (;;) {
    pollfd fd{in.get(), POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline.remaining()).count();
    if (poll(&fd, 1, static_cast<int>(left)) <= 0) {
      kill(pid, SIGKILL);
      break;
    }
    std::array<char, 4096> buffer{};
    const ssize_t n = read(in.get(), buffer.data(), buffer.size());
    if (n <= 0) break;
    if (out.output.size() < kMost) out.output.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status)) out.exit_code = WEXITSTATUS(status);
  return out;
}

bool can_unshare(int flags, std::string& why) {
  const pid_t pid = fork();
  if (pid == 0) _exit(unshare(flags) == 0 ? 0 : errno);
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
    why = "the probe could not be run";
    return false;
  }
  if (WEXITSTATUS(status) == 0) return true;
  std::array<char, 128> text{};
  why = strerror_r(WEXITSTATUS(status), text.data(), text.size());
  return false;
}

}  // namespace sedna::cli::home
