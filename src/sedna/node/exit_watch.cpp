#include "sedna/node/exit_watch.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sedna/base/error.hpp"

namespace sedna::node {

ExitWatch::ExitWatch(std::function<void(const std::string&)> ended) : ended_(std::move(ended)) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0)
    throw Error(ErrorCode::kResourceExhausted, "cannot watch processes: too many files open");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  thread_ = std::thread([this] { run(); });
}

ExitWatch::~ExitWatch() {
  const std::uint64_t one = 1;
  static_cast<void>(!write(wake_, &one, sizeof one));
  thread_.join();
  for (const auto& [fd, uid] : watched_) close(fd);
  close(wake_);
  close(epoll_);
}

void ExitWatch::add(int pidfd, const std::string& uid) {
  const int copy = pidfd < 0 ? -1 : fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {  // ended already, or no descriptor left: look at once
    ended_(uid);
    return;
  }
  const std::lock_guard lock(mutex_);
  watched_[copy] = uid;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = copy;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, copy, &event);
}

void ExitWatch::run() {
  for (;;) {
    std::array<epoll_event, 16> events{};
    const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    if (n < 0 && errno != EINTR) return;
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == wake_) return;
      std::string uid;
      {
        const std::lock_guard lock(mutex_);
        const auto it = watched_.find(fd);
        if (it == watched_.end()) continue;
        uid = it->second;
        watched_.erase(it);
        epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        close(fd);
      }
      ended_(uid);
    }
  }
}

}  // namespace sedna::node
