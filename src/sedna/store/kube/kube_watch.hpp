// A watch over one connection: what KubeClient::watch gives out.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "sedna/store/kube/kube_connection.hpp"
#include "sedna/store/kube/watch_lines.hpp"

namespace sedna::store {

class KubeWatch final : public Watch {
 public:
  /// `initial`: events that come before those of the stream. `what`: the path, for log lines.
  KubeWatch(std::shared_ptr<KubeConnection> connection, std::unique_ptr<net::HttpStream> stream, std::string what,
            std::deque<WatchEvent> initial = {});
  ~KubeWatch() override;

  std::optional<WatchEvent> next(Deadline deadline) override;
  bool ended() const override { return ended_.load(std::memory_order_acquire); }
  void stop() override;

  /// Puts an event back in front of the next one.
  void put_back(WatchEvent event) { waiting_.push_front(std::move(event)); }

 private:
  std::optional<WatchEvent> end();

  const std::shared_ptr<KubeConnection> connection_;
  const std::unique_ptr<net::HttpStream> stream_;
  const std::string what_;
  std::deque<WatchEvent> waiting_;
  WatchLines lines_;
  SteadyClock::time_point last_byte_;
  bool drained_ = false;  ///< the stream gives no more; lines may be left
  std::atomic<bool> ended_{false}, stopped_{false};
};

}  // namespace sedna::store
