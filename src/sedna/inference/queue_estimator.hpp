// A model that is run by somebody who asks for work: the bridge to Python (user code on one Python thread that loops
// over next()) without knowing Python. Made by the language binding, served by ModelServer like any other estimator.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/inference/estimator.hpp"
#include "sedna/inference/request_queue.hpp"

namespace sedna::inference {

struct QueueEstimatorOptions {
  QueueEstimatorOptions() {}
  std::size_t max_queue = 64;
  int runners = 1;  ///< threads that will call next(); SEDNA_PREDICT_THREADS
};

/// The JSON text of an answer travels as a BYTES tensor of this name with one element where only tensors can.
inline constexpr std::string_view kJsonOutput = "result";

class QueueEstimator final : public Estimator {
 public:
  /// `metadata` without inputs: any tensors are accepted.
  explicit QueueEstimator(ModelMetadata metadata, QueueEstimatorOptions options = {});
  ~QueueEstimator() override;

  /// One request taken out. Answer it exactly once; dropping it unanswered answers kInternal. Movable, not thread-safe.
  class Call {
   public:
    explicit Call(WorkPtr work, std::shared_ptr<RequestQueue> queue);
    ~Call();
    Call(Call&& other) noexcept = default;
    Call& operator=(Call&& other) = delete;
    /// True: json() and callback() hold the request; false: inputs() does.
    bool is_json() const { return work_->is_json; }
    /// The text of upstream's "data" list exactly as sent (NaN and Infinity are possible, as in Python's json).
    std::string_view json() const { return work_->json.text(); }
    const std::optional<std::string>& callback() const { return work_->callback; }
    /// A request in JSON has one unnamed tensor here (INT64 or FP64) when its data is a rectangular list of only
    /// integers or only floats, and none otherwise.
    std::span<const tensor::Tensor> inputs() const { return work_->inputs; }
    const std::string& request_id() const { return work_->request_id; }
    Deadline deadline() const { return work_->deadline; }
    /// True when nobody waits any more (the deadline passed): the run can be spared.
    bool abandoned() const { return work_->answered(); }

    void complete(std::vector<tensor::Tensor> outputs);
    /// `text`: the JSON of the result itself (not wrapped in {"result": …}).
    void complete_json(std::string text);
    void fail(Error error);

   private:
    void give(Answer answer);
    WorkPtr work_;
    std::shared_ptr<RequestQueue> queue_;
  };

  /// The next request, or nothing at the timeout or when closed. From any thread; at most `runners` at once make sense.
  std::optional<Call> next(SteadyClock::duration timeout);
  /// Ends it: waiting requests are answered kUnavailable, next() returns nothing. Idempotent.
  void close();
  bool closed() const { return queue_->closed(); }

  const ModelMetadata& metadata() const override { return metadata_; }
  /// Waits for the answer of whoever calls next() (on another thread).
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline deadline) override;
  int concurrency() const override { return options_.runners; }

  /// For ModelServer, which puts requests in without a thread in between.
  const std::shared_ptr<RequestQueue>& queue() const { return queue_; }

 private:
  ModelMetadata metadata_;
  QueueEstimatorOptions options_;
  std::shared_ptr<RequestQueue> queue_;
};

}  // namespace sedna::inference
