// One version of a model as it is served: estimator, queue, the threads that run it, statistics. Held by ModelRegistry;
// whoever has the pointer may go on using it after the registry let go (hot reload, unload).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/inference/model_stats.hpp"
#include "sedna/inference/request_queue.hpp"

namespace sedna::inference {

struct ServingOptions {
  ServingOptions() {}
  int workers = 0;            ///< threads that run the model; 0: its concurrency()
  std::size_t max_queue = 0;  ///< requests that wait; 0: 4 × max batch × workers, at least 64
  bool allow_inline = true;   ///< run models that say so on the connection's thread
};

class ServedModel {
 public:
  /// Starts no thread; the first queued request does.
  ServedModel(EstimatorPtr estimator, const ServingOptions& options, metrics::Registry& registry);
  ~ServedModel();
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;

  const ModelMetadata& metadata() const { return estimator_->metadata(); }
  const EstimatorPtr& estimator() const { return estimator_; }
  ModelStats& stats() { return stats_; }
  RequestQueue& queue() { return *queue_; }
  bool takes_json() const { return pulled_; }

  /// Puts a request in; its on_answer is called on another thread.
  Result<void> submit(const WorkPtr& work);
  /// True when the request may run here and now instead (see Estimator::run_inline).
  bool may_run_inline(const Work& work) const;
  /// Runs on the calling thread; the answer is in the work afterwards.
  void run_inline(Work& work);
  /// Checks names, dtypes and shapes against the metadata. The error's subject is the input.
  Result<void> check_inputs(const std::vector<tensor::Tensor>& inputs) const;

  /// Refuses new requests, answers those that wait with kUnavailable, lets those that run finish, ends the threads.
  /// Idempotent; never from a worker.
  void stop();

 private:
  void start_workers();
  void work_loop();
  void run_batch(std::vector<WorkPtr>& batch);
  Answer run(const Work& work);
  void finish(const WorkPtr& work, Answer answer);

  EstimatorPtr estimator_;
  ServingOptions options_;
  ModelStats stats_;
  bool pulled_ = false;  ///< a QueueEstimator: its own queue, nobody to start
  int workers_ = 1;
  std::shared_ptr<RequestQueue> queue_;
  std::atomic<bool> started_{false};
  std::mutex start_mutex_;
  std::vector<std::thread> threads_;
};
using ServedModelPtr = std::shared_ptr<ServedModel>;

/// Rows of a request: the first dimension of its first input (1 without).
std::uint64_t rows_of(const std::vector<tensor::Tensor>& inputs);

}  // namespace sedna::inference
