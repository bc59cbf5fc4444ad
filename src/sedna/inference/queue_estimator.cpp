#include "sedna/inference/queue_estimator.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace sedna::inference {

QueueEstimator::QueueEstimator(ModelMetadata metadata, QueueEstimatorOptions options)
    : metadata_(std::move(metadata)),
      options_(options),
      queue_(std::make_shared<RequestQueue>(options.max_queue, options.runners)) {}

QueueEstimator::~QueueEstimator() {
  queue_->abandon();
}

QueueEstimator::Call::Call(WorkPtr work, std::shared_ptr<RequestQueue> queue)
    : work_(std::move(work)), queue_(std::move(queue)) {}

QueueEstimator::Call::~Call() {
  if (work_ == nullptr || queue_ == nullptr) return;
  Answer answer;
  answer.error.emplace(ErrorCode::kInternal, "the model gave no answer");
  give(std::move(answer));
}

void QueueEstimator::Call::give(Answer answer) {
  if (queue_ == nullptr) return;  // answered before
  // Forgotten first, so that a client that sees the answer also sees room in the queue.
  queue_->done(work_);
  queue_ = nullptr;
  work_->answer(std::move(answer));
}

void QueueEstimator::Call::complete(std::vector<tensor::Tensor> outputs) {
  Answer answer;
  answer.outputs = std::move(outputs);
  give(std::move(answer));
}

void QueueEstimator::Call::complete_json(std::string text) {
  Answer answer;
  answer.json = Bytes::from_string(std::move(text));
  give(std::move(answer));
}

void QueueEstimator::Call::fail(Error error) {
  Answer answer;
  answer.error.emplace(std::move(error));
  give(std::move(answer));
}

std::optional<QueueEstimator::Call> QueueEstimator::next(SteadyClock::duration timeout) {
  const auto now = SteadyClock::now();
  const auto until = timeout > SteadyClock::time_point::max() - now ? SteadyClock::time_point::max() : now + timeout;
  WorkPtr work = queue_->pop(until);
  if (work == nullptr) return std::nullopt;
  return std::make_optional<Call>(std::move(work), queue_);
}

void QueueEstimator::close() {
  queue_->close();
}

std::vector<tensor::Tensor> QueueEstimator::infer(std::span<const tensor::Tensor> inputs, Deadline deadline) {
  struct Signal {
    std::mutex mutex;
    std::condition_variable set;
    bool done = false;
  };
  auto signal = std::make_shared<Signal>();
  auto work = std::make_shared<Work>();
  work->inputs.assign(inputs.begin(), inputs.end());
  work->deadline = deadline;
  work->on_answer = [signal] {
    const std::lock_guard lock(signal->mutex);
    signal->done = true;
    signal->set.notify_all();
  };
  queue_->push(work).value();
  std::unique_lock lock(signal->mutex);
  signal->set.wait(lock, [&] { return signal->done; });  // the queue's watch answers at the deadline
  if (work->result().error) throw Error(*work->result().error);
  if (!work->result().json.empty()) {
    const std::string_view text = work->result().json.text();
    tensor::Tensor t = tensor::make_bytes_tensor(std::string(kJsonOutput), std::span(&text, 1));
    std::vector<tensor::Tensor> outputs;
    outputs.push_back(std::move(t));
    return outputs;
  }
  return std::move(work->result().outputs);
}

}  // namespace sedna::inference
