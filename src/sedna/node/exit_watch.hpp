// One thread that waits for the ends of all containers' processes and says whose it was.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace sedna::node {

/// Thread-safe.
class ExitWatch {
 public:
  explicit ExitWatch(std::function<void(const std::string& uid)> ended);
  ~ExitWatch();
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;
  /// The descriptor stays the caller's; a copy is watched.
  void add(int pidfd, const std::string& uid);

 private:
  void run();
  const std::function<void(const std::string&)> ended_;
  int epoll_ = -1, wake_ = -1;
  std::mutex mutex_;
  std::map<int, std::string> watched_;
  std::thread thread_;
};

}  // namespace sedna::node
