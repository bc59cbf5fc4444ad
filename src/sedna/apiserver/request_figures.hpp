// Requests about objects as metrics: how many of each verb, kind and answer, and how long they took. Looked up once,
// then counted without a lock on the registry. Internal to module apiserver.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <tuple>

#include "sedna/apiserver/request_info.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"

namespace sedna::apiserver {

/// Thread-safe.
class RequestFigures {
 public:
  explicit RequestFigures(metrics::Registry& registry);
  void count(const Kind& kind, Verb verb, int status, SteadyClock::duration took);

 private:
  metrics::Registry& registry_;
  std::array<metrics::Histogram*, 8> seconds_{};  ///< by verb
  std::mutex mutex_;
  std::map<std::tuple<const Kind*, Verb, int>, metrics::Counter*> counters_;
};

}  // namespace sedna::apiserver
