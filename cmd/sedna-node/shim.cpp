// sedna-shim: the small process that stays with one container. The agent starts it and may die; the shim keeps the
// container's log, waits for its end and writes how it ended to a file that the next agent reads. It links nothing but
// the C and C++ runtime, because there is one for each container.
//
//   sedna-shim --dir DIR [--log-bytes N] [--log-files N] [--netns FILE] [--cwd DIR] [--cgroup FILE]… [--memory BYTES]
//              [--report FD] -- PROGRAM ARGS…
//
// Its own environment is the container's. Signals: SIGTERM goes to the container's command alone, SIGUSR1 ends all of
// it at once. If the shim itself dies, the kernel ends the container: nothing runs unwatched.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "shim_log.hpp"
#include "shim_tree.hpp"

namespace {

using sedna::shim::LogFile;

struct Options {
  std::string dir;
  std::string netns, cwd;
  std::vector<std::string> cgroups;
  long log_bytes = 10L << 20;
  int log_files = 5;
  long memory = 0;
  int report = -1;
  char** command = nullptr;
};

bool parse(int argc, char** argv, Options& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--") {
      out.command = argv + i + 1;
      return !out.dir.empty() && out.command[0] != nullptr;
    }
    if (i + 1 >= argc) return false;
    const std::string value = argv[++i];
    if (flag == "--dir") {
      out.dir = value;
    } else if (flag == "--netns") {
      out.netns = value;
    } else if (flag == "--cwd") {
      out.cwd = value;
    } else if (flag == "--cgroup") {
      out.cgroups.push_back(value);
    } else if (flag == "--log-bytes") {
      out.log_bytes = std::atol(value.c_str());
    } else if (flag == "--log-files") {
      out.log_files = std::atoi(value.c_str());
    } else if (flag == "--memory") {
      out.memory = std::atol(value.c_str());
    } else if (flag == "--report") {
      out.report = std::atoi(value.c_str());
    } else {
      return false;
    }
  }
  return false;
}

void write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody reads any more: what matters is in the files
    done += static_cast<std::size_t>(n);
  }
}

/// Appears whole or not at all.
bool write_file(const std::string& path, const std::string& text, bool durable = true) {
  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  write_all(fd, text);
  const bool ok = !durable || fsync(fd) == 0;
  close(fd);
  return ok && rename(part.c_str(), path.c_str()) == 0;
}

/// When this process began, in clock ticks since boot: with its number, who it is.
unsigned long long own_start_time() {
  FILE* file = std::fopen("/proc/self/stat", "re");
  if (file == nullptr) return 0;
  char text[1024] = {};
  const std::size_t n = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const char* at = n == 0 ? nullptr : std::strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
  return at == nullptr ? 0 : std::strtoull(at, nullptr, 10);
}

/// In the child: joins what it was told to join and becomes the command. Errors go through `report`.
[[noreturn]] void become_command(const Options& options, pid_t parent, int out, int err, int report) {
  const auto fail = [&](const char* what) {
    write_all(report, std::string(what) + ": " + std::strerror(errno));
    _exit(127);
  };
  // With the shim gone nobody keeps the log or the exit status: the kernel then ends the container too.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl");
  if (getppid() != parent) _exit(127);
  setsid();
  for (const auto& cgroup : options.cgroups) {
    const int fd = open(cgroup.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail(cgroup.c_str());
    if (write(fd, "0", 1) != 1) fail(cgroup.c_str());
    close(fd);
  }
  if (!options.netns.empty()) {
    const int fd = open(options.netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) fail("cannot join the Pod's network");
    close(fd);
  }
  if (!options.cwd.empty() && chdir(options.cwd.c_str()) != 0) fail(options.cwd.c_str());
  const int null = open("/dev/null", O_RDONLY);
  if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) fail("dup2");
  for (int s = 1; s < NSIG; ++s) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(options.command[0], options.command);
  fail(options.command[0]);
  _exit(127);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Shim {
 public:
  explicit Shim(const Options& options)
      : options_(options), log_(options.dir + "/log", options.log_bytes, options.log_files) {}

  int run() {
    if (options_.report >= 0) fcntl(options_.report, F_SETFD, FD_CLOEXEC);  // not for the command
    sigset_t set;
    sigemptyset(&set);
    for (const int s : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGHUP}) sigaddset(&set, s);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || !log_.open() || !start()) return 1;
    int watchdog = -1;
    if (options_.memory > 0) {
      watchdog = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
      const itimerspec quarter{{0, 250'000'000}, {0, 250'000'000}};
      timerfd_settime(watchdog, 0, &quarter, nullptr);
    }
    while (!ended_) step(signals, watchdog);
    // What the command still had in the pipes; a grandchild that holds them open is ended first.
    sedna::shim::kill_descendants();
    log_.drain(out_, "stdout");
    log_.drain(err_, "stderr");
    log_.close();
    finish();
    return 0;
  }

 private:
  bool start() {
    int out[2], err[2], report[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) return false;
    const pid_t self = getpid();
    // Whoever comes after the agent that started us must know of us, or keep us from beginning: who makes this file
    // first has the run.
    const int claim = open((options_.dir + "/claim").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (claim < 0) return false;
    close(claim);
    if (!write_file(options_.dir + "/started.json",
                    "{\"pid\":" + std::to_string(self) + ",\"startTime\":" + std::to_string(own_start_time()) + "}\n",
                    false))
      return false;
    child_ = fork();
    if (child_ < 0) return false;
    if (child_ == 0) {
      close(report[0]);
      become_command(options_, self, out[1], err[1], report[1]);
    }
    close(out[1]);
    close(err[1]);
    close(report[1]);
    out_ = out[0];
    err_ = err[0];
    fcntl(out_, F_SETFL, O_NONBLOCK);
    fcntl(err_, F_SETFL, O_NONBLOCK);
    std::string failure;
    char buffer[512];
    for (ssize_t n = 0; (n = read(report[0], buffer, sizeof buffer)) != 0;) {
      if (n > 0) failure.append(buffer, static_cast<std::size_t>(n));
      if (n < 0 && errno != EINTR) break;
    }
    close(report[0]);
    if (!failure.empty()) {
      waitpid(child_, nullptr, 0);
      if (options_.report >= 0) write_all(options_.report, "error " + failure);
      return false;
    }
    write_file(options_.dir + "/command.pid", std::to_string(child_) + "\n", false);
    if (options_.report >= 0) {
      write_all(options_.report, "ok " + std::to_string(child_));
      close(options_.report);
    }
    return true;
  }

  void step(int signals, int watchdog) {
    pollfd fds[4] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}, {signals, POLLIN, 0}, {watchdog, POLLIN, 0}};
    if (poll(fds, 4, -1) < 0) return;
    if (fds[0].revents != 0 && log_.copy(out_, "stdout") == LogFile::Read::kEnd) {
      close(out_);
      out_ = -1;
    }
    if (fds[1].revents != 0 && log_.copy(err_, "stderr") == LogFile::Read::kEnd) {
      close(err_);
      err_ = -1;
    }
    if (fds[3].revents != 0) {
      std::uint64_t ticks = 0;
      static_cast<void>(!read(watchdog, &ticks, sizeof ticks));
      if (sedna::shim::descendants_rss() > options_.memory) {
        out_of_memory_ = true;
        sedna::shim::kill_descendants();
      }
    }
    if (fds[2].revents != 0) take_signals(signals);
  }

  void take_signals(int signals) {
    signalfd_siginfo info{};
    while (read(signals, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
        kill(sedna::shim::command_of(child_), SIGTERM);
      } else if (info.ssi_signo == SIGUSR1) {
        sedna::shim::kill_descendants();
      } else if (info.ssi_signo == SIGCHLD) {
        int status = 0;
        for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
          if (pid == child_) {
            status_ = status;
            ended_ = true;
          }
        }
      }
    }
  }

  void finish() {
    int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    if (out_of_memory_) code = 137;
    write_file(options_.dir + "/exit.json", "{\"exitCode\":" + std::to_string(code) +
                                                ",\"finishedAt\":" + std::to_string(time(nullptr)) +
                                                ",\"outOfMemory\":" + (out_of_memory_ ? "true" : "false") +
                                                ",\"lastError\":" + quoted(log_.last_error()) + "}\n");
  }

  const Options options_;
  LogFile log_;
  pid_t child_ = -1;
  int out_ = -1, err_ = -1;
  int status_ = 0;
  bool ended_ = false, out_of_memory_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "sedna-shim: started by sedna-node, not by hand (--dir DIR … -- PROGRAM ARGS…)\n");
    return 2;
  }
  return Shim(options).run();
}
