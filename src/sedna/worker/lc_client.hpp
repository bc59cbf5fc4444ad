// What a worker posts to its node's local controller: POST /sedna/workers/<name>/info. Used by the joint-inference
// reporter and by the Python package for every kind of job.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"

namespace sedna::worker {

struct WorkerInfo {
  std::string name;
  std::string namespace_name;
  std::string owner_name;
  std::string owner_kind;                 ///< "jointinferenceservice", …
  std::string kind;                       ///< phase: train, eval, deploy, inference
  std::optional<std::string> status;      ///< running, completed, failed; left out for joint inference
  std::optional<std::string> results;     ///< JSON array, as it is
  std::optional<std::string> owner_info;  ///< JSON object, as it is
};

/// The body as upstream's workers write it, byte for byte (key order, separators).
std::string worker_info_body(const WorkerInfo& info);

/// Thread-safe. Never retries: the caller reports again with newer figures.
class LcClient {
 public:
  /// Throws Error(kInvalidArgument) when `server` is no http(s) URL.
  explicit LcClient(std::string_view server);
  ~LcClient();
  LcClient(const LcClient&) = delete;
  LcClient& operator=(const LcClient&) = delete;
  /// kUnavailable when the LC cannot be reached in time, the code of its answer when that is not 2xx.
  Result<void> post(std::string_view worker_name, std::string body, Deadline deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::worker
