#include "sedna/inference/model_stats.hpp"

namespace sedna::inference {

namespace {

metrics::Labels labels_of(const std::string& model, const std::string& version) {
  return {{"model", model}, {"version", version}};
}

metrics::Counter& failure(metrics::Registry& registry, metrics::Labels labels, const char* reason) {
  labels.emplace_back("reason", reason);
  return registry.counter("nv_inference_request_failure", "Requests that failed, by reason", labels);
}

std::uint64_t microseconds(SteadyClock::duration d) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(d).count());
}

double seconds(SteadyClock::duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

ModelStats::ModelStats(metrics::Registry& r, const std::string& model, const std::string& version)
    : m_success_(r.counter("nv_inference_request_success", "Requests answered", labels_of(model, version))),
      m_rejected_(failure(r, labels_of(model, version), "REJECTED")),
      m_timeout_(failure(r, labels_of(model, version), "TIMEOUT")),
      m_input_(failure(r, labels_of(model, version), "INPUT")),
      m_model_(failure(r, labels_of(model, version), "BACKEND")),
      m_rows_(r.counter("nv_inference_count", "Inferences done (a batch of n counts n)", labels_of(model, version))),
      m_executions_(r.counter("nv_inference_exec_count", "Runs of the model", labels_of(model, version))),
      m_request_us_(r.counter("nv_inference_request_duration_us", "Time in requests", labels_of(model, version))),
      m_queue_us_(r.counter("nv_inference_queue_duration_us", "Time in the queue", labels_of(model, version))),
      m_input_us_(r.counter("nv_inference_compute_input_duration_us", "Time decoding", labels_of(model, version))),
      m_infer_us_(r.counter("nv_inference_compute_infer_duration_us", "Time in the model", labels_of(model, version))),
      m_output_us_(r.counter("nv_inference_compute_output_duration_us", "Time encoding", labels_of(model, version))),
      pending_(
          r.gauge("nv_inference_pending_request_count", "Requests in the queue or running", labels_of(model, version))),
      h_request_(r.histogram("sedna_inference_request_seconds", "Time of a request in the model server",
                             labels_of(model, version))),
      h_queue_(r.histogram("sedna_inference_queue_seconds", "Time in the queue", labels_of(model, version))),
      h_infer_(r.histogram("sedna_inference_model_seconds", "Time of a run of the model", labels_of(model, version))) {}

void ModelStats::succeeded(const RequestTimes& t, std::uint64_t rows) {
  success_.add(t.total);
  queue_.add(t.queue);
  input_.add(t.input);
  infer_.add(t.infer);
  output_.add(t.output);
  rows_.fetch_add(rows, std::memory_order_relaxed);
  const auto wall = SystemClock::now().time_since_epoch();
  last_ms_.store(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count()),
                 std::memory_order_relaxed);
  m_success_.add();
  m_rows_.add(rows);
  m_request_us_.add(microseconds(t.total));
  m_queue_us_.add(microseconds(t.queue));
  m_input_us_.add(microseconds(t.input));
  m_infer_us_.add(microseconds(t.infer));
  m_output_us_.add(microseconds(t.output));
  h_request_.observe(seconds(t.total));
  h_queue_.observe(seconds(t.queue));
}

void ModelStats::failed(FailureKind kind, SteadyClock::duration total) {
  fail_.add(total);
  switch (kind) {
    case FailureKind::kRejected:
      m_rejected_.add();
      break;
    case FailureKind::kTimeout:
      m_timeout_.add();
      break;
    case FailureKind::kInput:
      m_input_.add();
      break;
    case FailureKind::kModel:
      m_model_.add();
      break;
  }
}

void ModelStats::executed(std::uint64_t rows, SteadyClock::duration took) {
  executions_.fetch_add(1, std::memory_order_relaxed);
  m_executions_.add();
  h_infer_.observe(seconds(took));
  const std::lock_guard lock(batches_mutex_);
  // Sizes come from requests: only so many are told apart.
  tensor::oip::Duration& b = batches_.size() < 256 || batches_.contains(rows) ? batches_[rows] : batches_[0];
  ++b.count;
  b.ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count());
}

tensor::oip::ModelStatistics ModelStats::snapshot(const std::string& model, const std::string& version) const {
  tensor::oip::ModelStatistics s;
  s.name = model;
  s.version = version;
  s.last_inference_ms = last_ms_.load(std::memory_order_relaxed);
  s.inference_count = rows_.load(std::memory_order_relaxed);
  s.execution_count = executions_.load(std::memory_order_relaxed);
  s.success = success_.read();
  s.fail = fail_.read();
  s.queue = queue_.read();
  s.compute_input = input_.read();
  s.compute_infer = infer_.read();
  s.compute_output = output_.read();
  const std::lock_guard lock(batches_mutex_);
  for (const auto& [rows, took] : batches_) {
    tensor::oip::BatchStatistics& batch = s.batches.emplace_back();
    batch.batch_size = rows;
    batch.compute_infer = took;
  }
  return s;
}

}  // namespace sedna::inference
