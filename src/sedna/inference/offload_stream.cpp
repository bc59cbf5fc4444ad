#include "sedna/inference/offload_stream.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "sedna/base/error.hpp"
#include "sedna/inference/joint_core.hpp"

namespace sedna::inference {

using tensor::Tensor;

namespace {

/// The client itself gives up at the deadline and says why; its word is waited for this long.
constexpr auto kGrace = std::chrono::milliseconds(1);

struct Slot {
  JointResult result;
  Deadline deadline;
  bool ready = false;
  std::vector<Tensor> inputs;  ///< kept for the edge model when it has not run yet
};

}  // namespace

struct OffloadStream::State {
  JointInference::Impl* joint = nullptr;  ///< waits for our calls before it goes
  OffloadStreamOptions options;
  std::mutex mutex;
  std::condition_variable changed;  ///< a slot is ready, space is free, or the stream is closed
  std::deque<Slot> slots;
  std::uint64_t first = 0;  ///< number of slots.front()
  std::size_t in_flight = 0;
  bool closed = false;

  bool full() const { return slots.size() >= options.window; }

  /// Queues a slot whose answer is there. The lock is held.
  std::uint64_t push(Slot slot) {
    slots.push_back(std::move(slot));
    changed.notify_all();
    return first + slots.size() - 1;
  }

  void wait_for_space(std::unique_lock<std::mutex>& lock) {
    changed.wait(lock, [this] { return closed || !full(); });
    if (closed) throw Error(ErrorCode::kAborted, "the stream is closed", "OffloadStream");
  }

  /// Waits for one of the calls in flight to end. False: this sample stays at the edge.
  bool wait_for_call(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    const auto free = [this] { return closed || in_flight < options.max_in_flight; };
    if (!options.wait_for_cloud) return free() && !closed;
    return changed.wait_until(lock, deadline.at(), free) && !closed;
  }

  void answer(std::uint64_t number, std::optional<std::int64_t> edge_label, CloudAnswer cloud_answer) {
    const std::lock_guard lock(mutex);
    --in_flight;
    changed.notify_all();
    const bool open = number >= first && number - first < slots.size() && !slots[number - first].ready;
    if (open) {
      Slot& slot = slots[number - first];
      joint->settle(slot.result, std::move(cloud_answer));
      slot.ready = true;
      return;
    }
    // Given up already: the answer changes nothing any more, but it still tells whether the two models agree.
    joint->note_upload(cloud_answer);
    if (!cloud_answer.ok()) return;
    joint->late->add();
    if (const auto label = label_of(cloud_answer.outputs); label && edge_label) {
      joint->observe_agreement(*label == *edge_label);
    }
  }

  std::uint64_t offload(const std::shared_ptr<State>& self, Slot slot, CloudCall call) {
    const Deadline until = slot.deadline;
    const auto edge_label = label_of(slot.result.edge);
    std::uint64_t number = 0;
    {
      std::unique_lock lock(mutex);
      if (!wait_for_call(lock, until)) {
        slot.result.reason = algo::Reason::kQueue;
        slot.result.message = "too many samples wait for the cloud";
        joint->count_edge(algo::Reason::kQueue);
        slot.ready = true;
        return push(std::move(slot));
      }
      ++in_flight;
      number = push(std::move(slot));
    }
    joint->cloud->ask_async(std::move(call), until,
                            [token = joint->under_way.begin(), self, number, edge_label](CloudAnswer cloud_answer) {
                              self->answer(number, edge_label, std::move(cloud_answer));
                            });
    return number;
  }

  /// Takes the first slot, ready or given up. The lock is held.
  Slot take() {
    Slot slot = std::move(slots.front());
    slots.pop_front();
    ++first;
    changed.notify_all();
    if (!slot.ready) {
      slot.result.reason = algo::Reason::kDeadline;
      slot.result.message = "no answer from the cloud before the deadline";
      joint->count_edge(algo::Reason::kDeadline);
    }
    return slot;
  }

  JointResult finish(Slot slot) const {
    if (!slot.inputs.empty()) joint->fall_back(slot.result, slot.inputs);
    return std::move(slot.result);
  }
};

OffloadStream::OffloadStream(JointInference& joint, OffloadStreamOptions options) : state_(std::make_shared<State>()) {
  state_->joint = joint.impl_.get();
  state_->options = options;
  if (state_->options.window == 0) throw Error(ErrorCode::kInvalidArgument, "must be at least 1", "window");
  if (state_->options.deadline <= SteadyClock::duration::zero()) state_->options.deadline = joint.options().deadline;
  if (state_->options.max_in_flight == 0) {
    const int threads = joint.cloud() ? joint.cloud()->options().max_in_flight : 1;
    state_->options.max_in_flight = static_cast<std::size_t>(std::max(1, threads));
  }
}

OffloadStream::~OffloadStream() {
  close();
}

std::uint64_t OffloadStream::submit(std::span<const Tensor> inputs) {
  {
    std::unique_lock lock(state_->mutex);
    state_->wait_for_space(lock);
  }
  // Only this thread adds, so the space stays ours while the edge model runs.
  JointInference::Impl::EdgePart part = state_->joint->run_edge(inputs, Deadline::after(state_->options.deadline));
  Slot slot;
  slot.result = std::move(part.result);
  slot.deadline = part.deadline;
  if (!part.decision.offload) {
    slot.ready = true;
    const std::lock_guard lock(state_->mutex);
    return state_->push(std::move(slot));
  }
  CloudCall call;
  call.inputs.assign(inputs.begin(), inputs.end());
  if (slot.result.edge.empty()) slot.inputs = call.inputs;
  return state_->offload(state_, std::move(slot), std::move(call));
}

std::uint64_t OffloadStream::submit_decided(const Decision& decision, CloudCall call, std::vector<Tensor> edge) {
  Slot slot;
  slot.result.is_hard = decision.is_hard;
  slot.result.reason = decision.reason;
  slot.result.score = decision.score;
  slot.result.edge = std::move(edge);
  slot.deadline = Deadline::after(state_->options.deadline);
  slot.ready = !decision.offload;
  {
    std::unique_lock lock(state_->mutex);
    state_->wait_for_space(lock);
    if (slot.ready) return state_->push(std::move(slot));
  }
  return state_->offload(state_, std::move(slot), std::move(call));
}

bool OffloadStream::full() const {
  const std::lock_guard lock(state_->mutex);
  return state_->full();
}

std::optional<JointResult> OffloadStream::next() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->closed || !state_->slots.empty(); });
  if (state_->slots.empty()) return std::nullopt;
  // The first slot stays the first: only this thread takes.
  const auto until = state_->slots.front().deadline.at() + kGrace;
  state_->changed.wait_until(lock, until, [this] { return state_->slots.front().ready; });
  Slot slot = state_->take();
  lock.unlock();
  return state_->finish(std::move(slot));
}

std::optional<JointResult> OffloadStream::try_next() {
  std::unique_lock lock(state_->mutex);
  if (state_->slots.empty()) return std::nullopt;
  const Slot& front = state_->slots.front();
  if (!front.ready && SteadyClock::now() < front.deadline.at() + kGrace) return std::nullopt;
  Slot slot = state_->take();
  lock.unlock();
  return state_->finish(std::move(slot));
}

void OffloadStream::close() {
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
  state_->changed.notify_all();
}

std::size_t OffloadStream::pending() const {
  const std::lock_guard lock(state_->mutex);
  return state_->slots.size();
}

}  // namespace sedna::inference
