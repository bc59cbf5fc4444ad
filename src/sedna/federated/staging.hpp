// Where an upload lies until it is whole and valid: in memory while the budget allows it, else in a file. Nothing of it
// touches a sum before. Called by the routes that receive updates.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "sedna/base/buffer.hpp"
#include "sedna/net/stream.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::federated {

/// Memory that all stagings of a server share. Thread-safe.
class StagingBudget {
 public:
  explicit StagingBudget(std::uint64_t bytes) : size_(bytes), left_(static_cast<std::int64_t>(bytes)) {}
  std::uint64_t size() const { return size_; }
  bool take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes);
  /// Room of that size, which was taken: one that another upload has left, where there is one. A model's updates are
  /// all of one size, and fresh memory costs more than what is done with it. Throws Error(kResourceExhausted).
  AlignedBuffer buffer(std::size_t size);
  /// Lets go of what uploads have left: between rounds, when the next model needs the memory.
  void let_go();
  /// Given back together with its bytes.
  void give_back(AlignedBuffer buffer);
  /// Cancels the timer, from its executor, when something is given back. Once.
  void wake_when_returned(std::weak_ptr<net::asio::steady_timer> timer);

 private:
  const std::uint64_t size_;
  std::atomic<std::int64_t> left_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<net::asio::steady_timer>> waiting_;
  std::vector<AlignedBuffer> left_behind_;  ///< all of one size
};

/// One upload's bytes, filled from the front. One user at a time.
class Staging {
 public:
  /// `size`: of the whole. In memory, when the budget was taken for it; else a file in `folder`, which is removed with
  /// this object unless keep_as() was called. Throws Error (no memory, disk full).
  Staging(std::shared_ptr<StagingBudget> budget, std::uint64_t size, bool in_memory,
          const std::filesystem::path& folder);
  /// A whole file that is already here; it is this object's from now on. Throws Error.
  Staging(std::shared_ptr<StagingBudget> budget, const std::filesystem::path& file);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  std::uint64_t size() const { return size_; }
  std::uint64_t received() const { return received_; }  ///< from any thread
  bool in_file() const { return !path_.empty(); }
  /// Where the next bytes go, at most so many at once; not empty until everything is here.
  std::span<std::byte> room();
  /// The first `count` bytes of room() are filled. Throws Error when they cannot be written: then none of them is here.
  void filled(std::size_t count);
  /// Everything: memory, or the mapped file. The bytes keep what holds them alive; this object is empty afterwards,
  /// and a file's name is gone unless it was kept.
  Bytes take();
  /// Before take(), for files: fsync, then renamed to `destination` (in the same file system); it stays there.
  void keep_as(const std::filesystem::path& destination);

 private:
  std::shared_ptr<StagingBudget> budget_;
  std::uint64_t size_;
  std::atomic<std::uint64_t> received_ = 0;
  std::uint64_t budgeted_ = 0;
  AlignedBuffer memory_;
  std::vector<std::byte> piece_;
  std::filesystem::path path_;
  bool kept_ = false;
  storage::Descriptor file_;
};

/// A file's bytes, mapped read-only. Throws Error.
Bytes map_file(const std::filesystem::path& file);

}  // namespace sedna::federated
