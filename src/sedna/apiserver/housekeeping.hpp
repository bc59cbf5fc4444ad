// What the server does by itself: Events older than an hour are removed, as kube-apiserver lets them expire; figures of
// the store for /metrics. Internal to module apiserver.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sedna/base/metrics.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

class Housekeeping {
 public:
  Housekeeping(store::embedded::Engine& engine, metrics::Registry& registry);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

 private:
  void run();
  void show();

  store::embedded::Engine& engine_;
  metrics::Registry& registry_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

/// Removes Events that were last seen before `limit`; how many.
std::size_t expire_events(store::embedded::Engine& engine, std::chrono::system_clock::time_point limit);

}  // namespace sedna::apiserver
