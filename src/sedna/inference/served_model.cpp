#include "sedna/inference/served_model.hpp"

#include <algorithm>
#include <utility>

#include "sedna/inference/batch.hpp"
#include "sedna/inference/onnx_estimator.hpp"
#include "sedna/inference/queue_estimator.hpp"

namespace sedna::inference {

using tensor::Tensor;

namespace {

/// More rows than this take longer than the one that run_inline() went by.
constexpr std::uint64_t kInlineRows = 8;

Error model_error(const std::exception& e) {
  if (const auto* error = dynamic_cast<const Error*>(&e)) return *error;
  return Error(ErrorCode::kInternal, std::string("the model failed: ") + e.what());
}

}  // namespace

std::uint64_t rows_of(const std::vector<Tensor>& inputs) {
  if (inputs.empty() || inputs[0].shape.empty()) return 1;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(inputs[0].shape[0], 1));
}

ServedModel::ServedModel(EstimatorPtr estimator, const ServingOptions& options, metrics::Registry& registry)
    : estimator_(std::move(estimator)),
      options_(options),
      stats_(registry, estimator_->metadata().name, estimator_->metadata().version) {
  if (const auto pulled = std::dynamic_pointer_cast<QueueEstimator>(estimator_)) {
    pulled_ = true;
    queue_ = pulled->queue();
    return;
  }
  workers_ = options_.workers > 0 ? std::min(options_.workers, estimator_->concurrency()) : estimator_->concurrency();
  workers_ = std::max(workers_, 1);
  const auto batch = static_cast<std::size_t>(std::max(metadata().max_batch_size, 1));
  const std::size_t capacity = options_.max_queue > 0
                                   ? options_.max_queue
                                   : std::max<std::size_t>(4 * batch * static_cast<std::size_t>(workers_), 64);
  queue_ = std::make_shared<RequestQueue>(capacity, workers_);
}

ServedModel::~ServedModel() {
  stop();
}

void ServedModel::stop() {
  queue_->close();
  const std::lock_guard lock(start_mutex_);
  for (std::thread& t : threads_) t.join();
  threads_.clear();
  if (pulled_) queue_->abandon();  // whoever runs it may hang; nobody waits for them
}

void ServedModel::start_workers() {
  const std::lock_guard lock(start_mutex_);
  if (started_ || queue_->closed()) return;
  for (int i = 0; i < workers_; ++i) threads_.emplace_back([this] { work_loop(); });
  started_ = true;
}

Result<void> ServedModel::submit(const WorkPtr& work) {
  if (!pulled_ && !started_.load(std::memory_order_acquire)) start_workers();
  auto pushed = queue_->push(work);
  if (pushed) stats_.pending(1);
  return pushed;
}

bool ServedModel::may_run_inline(const Work& work) const {
  return !pulled_ && options_.allow_inline && estimator_->run_inline() && rows_of(work.inputs) <= kInlineRows;
}

void ServedModel::run_inline(Work& work) {
  work.queued = work.started = SteadyClock::now();
  work.answer(run(work));
}

Answer ServedModel::run(const Work& work) {
  Answer answer;
  const auto start = SteadyClock::now();
  try {
    answer.outputs = estimator_->infer(work.inputs, work.deadline);
    stats_.executed(rows_of(work.inputs), SteadyClock::now() - start);
  } catch (const std::exception& e) {
    answer.error.emplace(model_error(e));
  }
  return answer;
}

void ServedModel::finish(const WorkPtr& work, Answer answer) {
  queue_->done(work);  // first, so that a client that sees the answer also sees room in the queue
  work->answer(std::move(answer));
}

void ServedModel::work_loop() {
  const auto max_rows = static_cast<std::uint64_t>(std::max(metadata().max_batch_size, 0));
  for (;;) {
    std::vector<WorkPtr> batch;
    if (max_rows > 1) {
      std::uint64_t rows = 0;
      batch = queue_->pop_batch([&](const Work& first, const Work& next) {
        if (rows == 0) rows = rows_of(first.inputs);
        if (rows + rows_of(next.inputs) > max_rows || !can_join(first.inputs, next.inputs)) return false;
        rows += rows_of(next.inputs);
        return true;
      });
    } else if (WorkPtr work = queue_->pop(SteadyClock::time_point::max())) {
      batch.push_back(std::move(work));
    }
    if (batch.empty()) return;
    run_batch(batch);
  }
}

void ServedModel::run_batch(std::vector<WorkPtr>& batch) {
  if (batch.size() == 1) {
    finish(batch.front(), run(*batch.front()));
    return;
  }
  std::vector<const std::vector<Tensor>*> requests;
  requests.reserve(batch.size());
  for (const WorkPtr& work : batch) requests.push_back(&work->inputs);
  std::vector<std::vector<Tensor>> split;
  std::uint64_t rows = 0;
  try {
    const std::vector<Tensor> joined = join_rows(requests);
    rows = rows_of(joined);
    const auto start = SteadyClock::now();
    const std::vector<Tensor> outputs = estimator_->infer(joined, Deadline::never());
    stats_.executed(rows, SteadyClock::now() - start);
    split = split_rows(outputs, requests);
  } catch (const std::exception&) {
    // One bad request must not fail its neighbours: each runs alone and gets its own answer or error.
    for (const WorkPtr& work : batch) finish(work, run(*work));
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i]->batch_rows = static_cast<std::uint32_t>(rows);
    Answer answer;
    answer.outputs = std::move(split[i]);
    finish(batch[i], std::move(answer));
  }
}

Result<void> ServedModel::check_inputs(const std::vector<Tensor>& inputs) const {
  const auto& declared = metadata().inputs;
  if (declared.empty()) return {};
  if (inputs.size() != declared.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "model '" + metadata().name + "' takes " + std::to_string(declared.size()) + " inputs, got " +
                     std::to_string(inputs.size()),
                 "inputs");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = inputs[i];
    const std::string where = "inputs[" + std::to_string(i) + "]";
    const auto spec = std::ranges::find(declared, t.name, &TensorSpec::name);
    if (spec == declared.end()) {
      return Error(ErrorCode::kInvalidArgument, "model '" + metadata().name + "' has no input '" + t.name + "'",
                   where + ".name");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (inputs[j].name == t.name)
        return Error(ErrorCode::kInvalidArgument, "input '" + t.name + "' is given twice", where + ".name");
    }
    if (t.dtype != spec->dtype) {
      return Error(ErrorCode::kInvalidArgument,
                   "input '" + t.name + "' takes " + std::string(tensor::dtype_name(spec->dtype)) + ", got " +
                       std::string(tensor::dtype_name(t.dtype)),
                   where + ".datatype");
    }
    if (!shape_fits(spec->shape, t.shape)) {
      return Error(ErrorCode::kInvalidArgument,
                   "input '" + t.name + "' takes the shape " + shape_text(spec->shape) + ", got " + shape_text(t.shape),
                   where + ".shape");
    }
  }
  return {};
}

}  // namespace sedna::inference
