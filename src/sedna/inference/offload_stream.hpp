// Joint inference at the edge's own pace: samples go in, results come out in the same order, and the edge model goes on
// while offloaded samples are in flight. A slow or dead cloud costs at most the deadline, never the frame rate.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sedna/inference/joint_inference.hpp"

namespace sedna::inference {

struct OffloadStreamOptions {
  OffloadStreamOptions() {}
  std::size_t window = 256;       ///< samples submitted and not yet taken; submit() waits beyond
  std::size_t max_in_flight = 0;  ///< offloaded and not yet answered; 0: as many as the client has threads
  /// What happens to a hard sample beyond max_in_flight: wait for an answer to come, at most until its deadline (the
  /// default: a recording loses nothing), or keep the edge answer with reason kQueue (a camera keeps its rate).
  bool wait_for_cloud = true;
  SteadyClock::duration deadline{};  ///< of one sample; zero: the JointInference's
};

/// One thread submits, one (the same or another) takes. The stream must not outlive its JointInference.
class OffloadStream {
 public:
  explicit OffloadStream(JointInference& joint, OffloadStreamOptions options = {});
  /// Drops what was not taken. Does not wait for the cloud.
  ~OffloadStream();
  OffloadStream(const OffloadStream&) = delete;
  OffloadStream& operator=(const OffloadStream&) = delete;

  /// Runs the edge model on this thread and queues the outcome; returns the sample's number (0, 1, …). Waits while the
  /// window is full and somebody else takes results (a single thread asks full() first). Throws what the edge model
  /// throws (the stream goes on), or Error(kAborted) after close().
  std::uint64_t submit(std::span<const tensor::Tensor> inputs);
  /// As submit, for callers that ran the edge model and called judge()/decide(): `call` is sent when decision.offload.
  std::uint64_t submit_decided(const Decision& decision, CloudCall call, std::vector<tensor::Tensor> edge = {});
  bool full() const;

  /// The next result in order: waits for the cloud at most until the sample's deadline, then gives the edge answer with
  /// reason kDeadline. Nothing after close() once all are taken. Waits for a submit when there is none.
  std::optional<JointResult> next();
  /// The next result if it is there.
  std::optional<JointResult> try_next();
  /// No more samples. Results can still be taken.
  void close();
  /// Submitted and not yet taken.
  std::size_t pending() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sedna::inference
