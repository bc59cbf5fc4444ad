// Joint inference at the edge: the small model answers, a hard-example filter judges, a policy decides whether the
// cloud is asked, and the edge answer is what remains when it is not or cannot. Called by sedna-worker edge, the Python
// package (which brings the edge answer itself) and the benchmarks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sedna/algo/hard_example.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/inference/cloud_client.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/inference/lc_reporter.hpp"
#include "sedna/inference/result_reader.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

enum class MiningMode : std::uint8_t {
  kInferenceThenMining,  ///< the edge answers first, its answer is judged
  kMiningThenInference,  ///< the input is judged, then one of the two answers
};
/// "inference-then-mining", "mining-then-inference"; throws Error(kInvalidArgument) with subject MINING_MODE.
MiningMode parse_mining_mode(std::string_view text);

struct JointOptions {
  JointOptions() {}
  MiningMode mode = MiningMode::kInferenceThenMining;
  SteadyClock::duration deadline = std::chrono::seconds(1);  ///< of one sample, edge and cloud together
  double requests_per_second = 0;                            ///< budget of offloads; 0: none
  double requests_burst = 20;
  double bytes_per_second = 0;  ///< budget of uploaded bytes; 0: none
  double bytes_burst = 0;       ///< 0: one second's worth
  double target_ratio = 0;      ///< > 0: the threshold follows this share (Robbins–Monro on the filter's score)
  double target_step = 0.01;
  std::optional<double> target_start;   ///< threshold before the first sample; absent: the filter's own, else 0.5
  bool respect_estimate = true;         ///< do not ask a cloud that cannot answer before the deadline, as measured
  std::string score_output;             ///< which edge output the filter reads; empty: see default_reader
  ResultReader reader;                  ///< instead of default_reader
  const Clock* clock = &Clock::real();  ///< for budgets
};

enum class Source : std::uint8_t { kEdge, kCloud };

/// What a policy said about one sample. `offload` must be followed by exactly one offload()/offload_async().
struct Decision {
  bool offload = false;
  bool is_hard = false;  ///< the filter's verdict, whatever the policies made of it
  algo::Reason reason = algo::Reason::kEasy;
  double score = 0;
};

struct JointResult {
  bool is_hard = false;
  Source source = Source::kEdge;
  algo::Reason reason = algo::Reason::kEasy;  ///< why this source: kHard when the cloud answered
  double score = 0;
  std::vector<tensor::Tensor> edge;   ///< empty when the sample was mined first and answered by the cloud
  std::vector<tensor::Tensor> cloud;  ///< empty unless source is kCloud
  Bytes cloud_json;                   ///< the JSON wire's answer as received
  std::string message;                ///< why the cloud did not answer, for a person
  SteadyClock::duration edge_latency{};
  SteadyClock::duration cloud_latency{};
  std::uint64_t bytes_up = 0;
  std::span<const tensor::Tensor> final() const { return source == Source::kCloud ? cloud : edge; }
};

/// Totals since the start. Every sample is counted once: edge + cloud == inferences.
struct JointCounts {
  std::uint64_t inferences = 0;
  std::uint64_t hard = 0;
  std::uint64_t uploaded = 0;  ///< samples the cloud has received
  std::uint64_t edge = 0;      ///< answered by the edge
  std::uint64_t cloud = 0;     ///< answered by the cloud
  std::uint64_t late = 0;      ///< cloud answers that came after the edge's was returned
};

/// Thread-safe. Starts no thread before the first sample (the reporter's) and the first asynchronous offload.
class JointInference {
 public:
  /// `edge` may be null (the caller brings edge answers), `cloud` may be null (every sample stays), `reporter` may be
  /// null.
  JointInference(JointOptions options, EstimatorPtr edge, std::shared_ptr<const algo::HardExampleFilter> filter,
                 std::shared_ptr<CloudClient> cloud, metrics::Registry& registry,
                 std::shared_ptr<LcReporter> reporter = nullptr);
  /// Waits for the asynchronous calls and for those of streams, whose deadlines bound that. A callback may destroy it.
  ~JointInference();
  JointInference(const JointInference&) = delete;
  JointInference& operator=(const JointInference&) = delete;

  /// One sample through edge, filter, policy and, perhaps, cloud. Throws what the edge model throws; the cloud's
  /// failures are in the result.
  JointResult infer(std::span<const tensor::Tensor> inputs, Deadline deadline = {});
  using Callback = std::function<void(JointResult)>;
  /// The edge part here and now; `done` is called here for samples that stay, on a client thread for those that go.
  void infer_async(std::span<const tensor::Tensor> inputs, Deadline deadline, Callback done);

  // The parts, for callers that run the edge model themselves (Python).
  /// Judges an edge result and applies the policies. `upload_bytes` is what an offload would send.
  Decision judge(const algo::EdgeResult& result, std::uint64_t upload_bytes, Deadline deadline = {});
  /// Applies the policies to a verdict that was reached elsewhere (a filter written in Python).
  Decision decide(const algo::Verdict& verdict, std::uint64_t upload_bytes, Deadline deadline = {});
  /// Asks the cloud for a sample that judge() or decide() sent, and counts the outcome.
  CloudAnswer offload(const CloudCall& call, Deadline deadline = {});
  void offload_async(CloudCall call, Deadline deadline, CloudClient::Callback done);
  /// Notes how long the edge model took (infer() does it by itself).
  void observe_edge(SteadyClock::duration latency);
  /// Notes whether edge and cloud agreed on an offloaded sample (infer() compares the labels by itself).
  void observe_agreement(bool agreed);
  void count_late();

  JointCounts counts() const;
  /// Share the filter wanted to send of the last 200 samples, and whether a budget has held it back beyond 1.5 × since.
  double wanted_ratio() const;
  bool budget_holds_back() const;
  const JointOptions& options() const;
  const std::shared_ptr<CloudClient>& cloud() const;
  const EstimatorPtr& edge() const;

 private:
  friend class OffloadStream;
  struct Impl;
  std::unique_ptr<Impl> impl_;  ///< used by calls under way, for which the destructor waits
};

}  // namespace sedna::inference
