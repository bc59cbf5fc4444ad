// The inside of JointInference, shared with OffloadStream: options, parts and the counting of outcomes. Not installed
// as an interface; JointInference waits for the calls that use it.
#pragma once

#include <array>
#include <atomic>

#include "sedna/inference/calls_under_way.hpp"
#include "sedna/inference/joint_inference.hpp"
#include "sedna/inference/offload_policy.hpp"

namespace sedna::inference {

struct JointInference::Impl {
  Impl(JointOptions joint_options, EstimatorPtr edge_model, std::shared_ptr<const algo::HardExampleFilter> hard_filter,
       std::shared_ptr<CloudClient> cloud_client, metrics::Registry& registry, std::shared_ptr<LcReporter> lc_reporter);

  static constexpr std::size_t kReasons = static_cast<std::size_t>(algo::Reason::kRefused) + 1;

  /// The edge part of one sample: model, reader, filter, policies.
  struct EdgePart {
    JointResult result;
    Decision decision;
    Deadline deadline;
  };
  EdgePart run_edge(std::span<const tensor::Tensor> inputs, Deadline deadline);
  Decision judge(const algo::EdgeResult& edge_result, std::uint64_t upload_bytes, Deadline until);
  Decision decide(const algo::Verdict& verdict, std::uint64_t upload_bytes, Deadline until);
  Decision judge_tensors(std::span<const tensor::Tensor> tensors, std::uint64_t upload_bytes, Deadline until);
  /// `deadline`, or the options' counted from now.
  Deadline deadline_or_default(Deadline deadline) const;

  /// Every sample ends in exactly one of these two.
  void count_edge(algo::Reason reason);
  void count_cloud();
  /// Puts a cloud answer into the result and counts the outcome.
  void settle(JointResult& result, CloudAnswer answer);
  /// Runs the edge model for a sample that was mined first and that the cloud did not answer.
  void fall_back(JointResult& result, std::span<const tensor::Tensor> inputs);
  void set_gauges() const;
  void observe_agreement(bool agreed);
  void compare_labels(std::span<const tensor::Tensor> edge_outputs, std::span<const tensor::Tensor> cloud_outputs);
  void note_upload(const CloudAnswer& answer);
  JointCounts counts() const;
  std::string statistics() const;
  std::uint64_t inferences() const;

  const JointOptions options;
  const EstimatorPtr edge;
  const std::shared_ptr<const algo::HardExampleFilter> filter;
  const std::shared_ptr<CloudClient> cloud;
  const std::shared_ptr<LcReporter> reporter;
  ResultReader reader;
  OffloadPolicy policy;

  std::array<metrics::Counter*, kReasons> stayed{};  ///< sedna_ji_requests_total{decision="edge", reason}
  metrics::Counter* went;                            ///< sedna_ji_requests_total{decision="cloud", reason="hard"}
  metrics::Counter* hard;
  metrics::Counter* uploaded;
  metrics::Counter* upload_bytes;
  metrics::Counter* late;
  metrics::Histogram* edge_seconds;
  metrics::Gauge* offload_ratio;
  metrics::Gauge* wanted_ratio;
  metrics::Gauge* agreement_ratio;
  metrics::Gauge* held_back;
  const CallsUnderWay under_way;
  std::atomic<std::uint32_t> calls{0};
  std::atomic<std::uint64_t> compared{0};
  std::atomic<std::uint64_t> agreed{0};
};

std::uint64_t payload_bytes(std::span<const tensor::Tensor> tensors);

}  // namespace sedna::inference
