#include "sedna/inference/joint_inference.hpp"

#include <cmath>
#include <utility>

#include "sedna/base/error.hpp"
#include "sedna/inference/joint_core.hpp"
#include "sedna/json/json.hpp"

namespace sedna::inference {

using tensor::Tensor;

namespace {

constexpr std::uint32_t kGaugeEvery = 64;  // easy samples between two updates of the ratio gauges

}  // namespace

MiningMode parse_mining_mode(std::string_view text) {
  if (text == "inference-then-mining") return MiningMode::kInferenceThenMining;
  if (text == "mining-then-inference") return MiningMode::kMiningThenInference;
  throw Error(ErrorCode::kInvalidArgument,
              "is \"" + std::string(text) + "\"; it must be inference-then-mining or mining-then-inference",
              "MINING_MODE");
}

std::uint64_t payload_bytes(std::span<const Tensor> tensors) {
  std::uint64_t sum = 0;
  for (const Tensor& tensor : tensors) sum += tensor.data.size();
  return sum;
}

JointInference::Impl::Impl(JointOptions joint_options, EstimatorPtr edge_model,
                           std::shared_ptr<const algo::HardExampleFilter> hard_filter,
                           std::shared_ptr<CloudClient> cloud_client, metrics::Registry& registry,
                           std::shared_ptr<LcReporter> lc_reporter)
    : options(std::move(joint_options)),
      edge(std::move(edge_model)),
      filter(std::move(hard_filter)),
      cloud(std::move(cloud_client)),
      reporter(std::move(lc_reporter)),
      policy(options, filter ? filter->threshold() : std::nullopt) {
  if (options.deadline <= SteadyClock::duration::zero()) {
    throw Error(ErrorCode::kInvalidArgument, "must be above zero", "deadline");
  }
  if (options.target_ratio < 0 || options.target_ratio > 1) {
    throw Error(ErrorCode::kInvalidArgument, "must lie between 0 and 1", "target_ratio");
  }
  reader = options.reader
               ? options.reader
               : default_reader(filter ? filter->form() : algo::EdgeResult::Form::kProbabilities, options.score_output);
  static constexpr std::string_view requests_help = "Samples by who answered and why";
  for (std::size_t i = 0; i < kReasons; ++i) {
    const std::string reason(algo::reason_name(static_cast<algo::Reason>(i)));
    stayed[i] = &registry.counter("sedna_ji_requests_total", requests_help, {{"decision", "edge"}, {"reason", reason}});
  }
  went = &registry.counter("sedna_ji_requests_total", requests_help, {{"decision", "cloud"}, {"reason", "hard"}});
  hard = &registry.counter("sedna_ji_hard_total", "Samples that the filter called hard");
  uploaded = &registry.counter("sedna_ji_uploaded_total", "Samples that the cloud has received");
  upload_bytes = &registry.counter("sedna_ji_upload_bytes_total", "Request bodies sent to the cloud, retries included");
  late = &registry.counter("sedna_ji_late_total", "Cloud answers that came after the edge's was returned");
  edge_seconds = &registry.histogram("sedna_ji_edge_seconds", "Time of the edge model");
  offload_ratio = &registry.gauge("sedna_ji_offload_ratio", "Share of samples that the cloud has received");
  wanted_ratio =
      &registry.gauge("sedna_ji_wanted_ratio", "Share of the last 200 samples that the filter wanted to send");
  agreement_ratio = &registry.gauge("sedna_ji_agreement_ratio", "Edge equals cloud among the offloaded samples");
  held_back = &registry.gauge("sedna_ji_budget_holds_back", "1 while the wanted share exceeds the budget 1.5 times");
}

Deadline JointInference::Impl::deadline_or_default(Deadline deadline) const {
  return deadline.is_never() ? Deadline::after(options.deadline) : deadline;
}

Decision JointInference::Impl::decide(const algo::Verdict& verdict, std::uint64_t bytes, Deadline until) {
  if (reporter) reporter->touch();
  // The clock and the cloud's state matter only to a sample that may go; the others do not pay for them.
  const Decision decision = policy.decide(verdict, bytes, [&]() -> OffloadPolicy::Outlook {
    if (cloud == nullptr || !cloud->available()) return {false, true};
    return {true, !options.respect_estimate || cloud->fits(bytes, until.remaining())};
  });
  if (decision.is_hard) hard->add();
  if (decision.is_hard || calls.fetch_add(1, std::memory_order_relaxed) % kGaugeEvery == 0) set_gauges();
  if (!decision.offload) count_edge(decision.reason);
  return decision;
}

Decision JointInference::Impl::judge(const algo::EdgeResult& edge_result, std::uint64_t bytes, Deadline until) {
  return decide(filter ? filter->judge(edge_result) : algo::Verdict{}, bytes, until);
}

Decision JointInference::Impl::judge_tensors(std::span<const Tensor> tensors, std::uint64_t bytes, Deadline until) {
  if (!filter) return decide(algo::Verdict{}, bytes, until);
  thread_local std::vector<double> values;  // keeps its storage from call to call: no allocation per sample
  values.clear();
  algo::EdgeResult edge_result;
  edge_result.form = filter->form();
  edge_result.valid = reader(tensors, values);
  edge_result.values = values;
  return judge(edge_result, bytes, until);
}

JointInference::Impl::EdgePart JointInference::Impl::run_edge(std::span<const Tensor> inputs, Deadline deadline) {
  if (!edge) throw Error(ErrorCode::kInvalidArgument, "this JointInference has no edge model", "estimator");
  EdgePart part;
  const auto started = SteadyClock::now();
  part.deadline = deadline.is_never() ? Deadline(started + options.deadline) : deadline;
  const std::uint64_t bytes = payload_bytes(inputs);
  const auto run_model = [&](SteadyClock::time_point from) {
    part.result.edge = edge->infer(inputs, part.deadline);
    part.result.edge_latency = SteadyClock::now() - from;
    edge_seconds->observe(std::chrono::duration<double>(part.result.edge_latency).count());
  };
  if (options.mode == MiningMode::kInferenceThenMining) {
    run_model(started);
    part.decision = judge_tensors(part.result.edge, bytes, part.deadline);
  } else {
    part.decision = judge_tensors(inputs, bytes, part.deadline);
    if (!part.decision.offload) run_model(started);
  }
  part.result.is_hard = part.decision.is_hard;
  part.result.reason = part.decision.reason;
  part.result.score = part.decision.score;
  return part;
}

void JointInference::Impl::count_edge(algo::Reason reason) {
  stayed[static_cast<std::size_t>(reason)]->add();
}

void JointInference::Impl::count_cloud() {
  went->add();
}

void JointInference::Impl::note_upload(const CloudAnswer& answer) {
  if (answer.uploaded) uploaded->add();
  upload_bytes->add(answer.bytes_up);
  set_gauges();
}

void JointInference::Impl::observe_agreement(bool same) {
  const auto total = compared.fetch_add(1, std::memory_order_relaxed) + 1;
  const auto equal = agreed.fetch_add(same ? 1 : 0, std::memory_order_relaxed) + (same ? 1 : 0);
  agreement_ratio->set(static_cast<double>(equal) / static_cast<double>(total));
}

void JointInference::Impl::compare_labels(std::span<const Tensor> edge_outputs, std::span<const Tensor> cloud_outputs) {
  const auto here = label_of(edge_outputs);
  const auto there = label_of(cloud_outputs);
  if (here && there) observe_agreement(*here == *there);
}

void JointInference::Impl::settle(JointResult& result, CloudAnswer answer) {
  answer.ok() ? count_cloud() : count_edge(reason_of(answer.status));
  note_upload(answer);
  result.cloud_latency = answer.latency;
  result.bytes_up = answer.bytes_up;
  result.reason = reason_of(answer.status);
  if (answer.ok()) {
    compare_labels(result.edge, answer.outputs);
    result.source = Source::kCloud;
    result.cloud = std::move(answer.outputs);
    result.cloud_json = std::move(answer.json);
    return;
  }
  result.message = std::move(answer.message);
}

void JointInference::Impl::fall_back(JointResult& result, std::span<const Tensor> inputs) {
  if (result.source == Source::kCloud || options.mode != MiningMode::kMiningThenInference) return;
  const auto started = SteadyClock::now();
  // The sample's own deadline is gone, and the edge answer is all there is: it gets a whole one.
  result.edge = edge->infer(inputs, Deadline(started + options.deadline));
  result.edge_latency = SteadyClock::now() - started;
  edge_seconds->observe(std::chrono::duration<double>(result.edge_latency).count());
}

std::uint64_t JointInference::Impl::inferences() const {
  std::uint64_t sum = went->value();
  for (const auto* counter : stayed) sum += counter->value();
  return sum;
}

JointCounts JointInference::Impl::counts() const {
  JointCounts counts;
  counts.cloud = went->value();
  counts.inferences = inferences();
  counts.edge = counts.inferences - counts.cloud;
  counts.hard = hard->value();
  counts.uploaded = uploaded->value();
  counts.late = late->value();
  return counts;
}

void JointInference::Impl::set_gauges() const {
  const std::uint64_t total = inferences();
  if (total > 0) offload_ratio->set(static_cast<double>(uploaded->value()) / static_cast<double>(total));
  wanted_ratio->set(policy.wanted_ratio());
  held_back->set(policy.holds_back() ? 1 : 0);
}

/// What the service's status shows beside upstream's three figures.
std::string JointInference::Impl::statistics() const {
  json::object errors;
  std::uint64_t fallbacks = 0;
  for (const algo::Reason reason : {algo::Reason::kDeadline, algo::Reason::kBreaker, algo::Reason::kQueue,
                                    algo::Reason::kTransport, algo::Reason::kRefused}) {
    const std::uint64_t n = stayed[static_cast<std::size_t>(reason)]->value();
    fallbacks += n;
    if (n > 0) errors[algo::reason_name(reason)] = n;
  }
  if (const auto n = stayed[static_cast<std::size_t>(algo::Reason::kInvalid)]->value(); n > 0) {
    errors[algo::reason_name(algo::Reason::kInvalid)] = n;
  }
  json::object out{{"uploads", uploaded->value()}, {"uploadBytes", upload_bytes->value()}, {"fallbacks", fallbacks}};
  if (edge_seconds->count() > 0) {
    json::object latency;
    for (const auto& [name, q] : {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}}) {
      constexpr double kMicro = 1e6, kPerMilli = 1e3;
      latency[name] = std::round(edge_seconds->quantile(q) * kMicro) / kPerMilli;  // whole microseconds
    }
    out["latencyMilliseconds"] = std::move(latency);
  }
  out["errors"] = std::move(errors);
  return json::write(out);
}

JointInference::JointInference(JointOptions options, EstimatorPtr edge,
                               std::shared_ptr<const algo::HardExampleFilter> filter,
                               std::shared_ptr<CloudClient> cloud, metrics::Registry& registry,
                               std::shared_ptr<LcReporter> reporter)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(edge), std::move(filter), std::move(cloud), registry,
                                   std::move(reporter))) {
  if (impl_->reporter) {
    impl_->reporter->set_source([impl = impl_.get()] {
      const JointCounts counts = impl->counts();
      return LcCounts{counts.inferences, counts.hard, counts.uploaded, impl->statistics()};
    });
  }
}

JointInference::~JointInference() {
  if (impl_->reporter) impl_->reporter->set_source(nullptr);
  impl_->under_way.wait();
}

JointResult JointInference::infer(std::span<const Tensor> inputs, Deadline deadline) {
  Impl::EdgePart part = impl_->run_edge(inputs, deadline);
  if (part.decision.offload) {
    CloudCall call;
    call.inputs.assign(inputs.begin(), inputs.end());
    impl_->settle(part.result, impl_->cloud->ask(call, part.deadline));
    impl_->fall_back(part.result, inputs);
  }
  return std::move(part.result);
}

void JointInference::infer_async(std::span<const Tensor> inputs, Deadline deadline, Callback done) {
  Impl::EdgePart part = impl_->run_edge(inputs, deadline);
  if (!part.decision.offload) {
    done(std::move(part.result));
    return;
  }
  CloudCall call;
  call.inputs.assign(inputs.begin(), inputs.end());
  auto kept = std::make_shared<std::pair<JointResult, std::vector<Tensor>>>(std::move(part.result), call.inputs);
  impl_->cloud->ask_async(
      std::move(call), part.deadline,
      [token = impl_->under_way.begin(), impl = impl_.get(), kept, done = std::move(done)](CloudAnswer answer) {
        const CallsUnderWay::Ending ending(impl->under_way);
        impl->settle(kept->first, std::move(answer));
        try {
          impl->fall_back(kept->first, kept->second);
        } catch (const Error& failure) {  // there is no caller to throw to
          kept->first.message += std::string("; edge model: ") + failure.what();
        }
        done(std::move(kept->first));
      });
}

Decision JointInference::judge(const algo::EdgeResult& result, std::uint64_t upload_bytes, Deadline deadline) {
  return impl_->judge(result, upload_bytes, impl_->deadline_or_default(deadline));
}

Decision JointInference::decide(const algo::Verdict& verdict, std::uint64_t upload_bytes, Deadline deadline) {
  return impl_->decide(verdict, upload_bytes, impl_->deadline_or_default(deadline));
}

CloudAnswer JointInference::offload(const CloudCall& call, Deadline deadline) {
  CloudAnswer answer = impl_->cloud->ask(call, impl_->deadline_or_default(deadline));
  answer.ok() ? impl_->count_cloud() : impl_->count_edge(reason_of(answer.status));
  impl_->note_upload(answer);
  return answer;
}

void JointInference::offload_async(CloudCall call, Deadline deadline, CloudClient::Callback done) {
  impl_->cloud->ask_async(
      std::move(call), impl_->deadline_or_default(deadline),
      [token = impl_->under_way.begin(), impl = impl_.get(), done = std::move(done)](CloudAnswer answer) {
        const CallsUnderWay::Ending ending(impl->under_way);
        answer.ok() ? impl->count_cloud() : impl->count_edge(reason_of(answer.status));
        impl->note_upload(answer);
        done(std::move(answer));
      });
}

void JointInference::observe_edge(SteadyClock::duration latency) {
  impl_->edge_seconds->observe(std::chrono::duration<double>(latency).count());
}

void JointInference::observe_agreement(bool agreed) {
  impl_->observe_agreement(agreed);
}
void JointInference::count_late() {
  impl_->late->add();
}
JointCounts JointInference::counts() const {
  return impl_->counts();
}
double JointInference::wanted_ratio() const {
  return impl_->policy.wanted_ratio();
}
bool JointInference::budget_holds_back() const {
  return impl_->policy.holds_back();
}
const JointOptions& JointInference::options() const {
  return impl_->options;
}
const std::shared_ptr<CloudClient>& JointInference::cloud() const {
  return impl_->cloud;
}
const EstimatorPtr& JointInference::edge() const {
  return impl_->edge;
}

}  // namespace sedna::inference
