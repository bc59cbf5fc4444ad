#include "sedna/federated/staging.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>

#include "sedna/base/ids.hpp"

namespace sedna::federated {

namespace {

constexpr std::size_t kPiece = 256 * 1024;

Bytes map_descriptor(const storage::Descriptor& file, std::uint64_t size, const std::filesystem::path& path) {
  if (size == 0) return {};
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (at == MAP_FAILED) throw storage::system_error(errno, "mapping", path);
  const std::shared_ptr<const void> owner(at, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return {owner, {static_cast<const std::byte*>(at), static_cast<std::size_t>(size)}};
}

}  // namespace

bool StagingBudget::take(std::uint64_t bytes) {
  const auto wanted = static_cast<std::int64_t>(bytes);
  std::int64_t left = left_.load();
  while (left >= wanted) {
    if (left_.compare_exchange_weak(left, left - wanted)) return true;
  }
  return false;
}

void StagingBudget::give_back(std::uint64_t bytes) {
  left_ += static_cast<std::int64_t>(bytes);
  std::vector<std::weak_ptr<net::asio::steady_timer>> woken;
  {
    const std::lock_guard lock(mutex_);
    woken.swap(waiting_);
  }
  for (const auto& weak : woken) {
    if (auto timer = weak.lock()) {
      auto executor = timer->get_executor();
      net::asio::post(executor, [timer = std::move(timer)] { timer->cancel(); });
    }
  }
}

AlignedBuffer StagingBudget::buffer(std::size_t size) {
  {
    const std::lock_guard lock(mutex_);
    if (!left_behind_.empty() && left_behind_.back().size() == size) {
      AlignedBuffer again = std::move(left_behind_.back());
      left_behind_.pop_back();
      return again;
    }
    left_behind_.clear();
  }
  return AlignedBuffer(size);
}

void StagingBudget::give_back(AlignedBuffer buffer) {
  const std::uint64_t bytes = buffer.size();
  {
    const std::lock_guard lock(mutex_);
    if (!left_behind_.empty() && left_behind_.back().size() != bytes) left_behind_.clear();
    left_behind_.push_back(std::move(buffer));
  }
  give_back(bytes);
}

void StagingBudget::let_go() {
  const std::lock_guard lock(mutex_);
  left_behind_.clear();
}

void StagingBudget::wake_when_returned(std::weak_ptr<net::asio::steady_timer> timer) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(timer));
}

Staging::Staging(std::shared_ptr<StagingBudget> budget, std::uint64_t size, bool in_memory,
                 const std::filesystem::path& folder)
    : budget_(std::move(budget)), size_(size) {
  if (in_memory) {
    budgeted_ = size;
    try {
      memory_ = budget_->buffer(static_cast<std::size_t>(size));
    } catch (const Error&) {
      budget_->give_back(std::exchange(budgeted_, 0));
      throw;
    }
    return;
  }
  storage::make_folder(folder);
  path_ = folder / (".staging-" + random_hex(16));
  file_ = storage::open_file(path_, O_RDWR | O_CREAT | O_EXCL, 0600);
  piece_.resize(kPiece);
}

Staging::Staging(std::shared_ptr<StagingBudget> budget, const std::filesystem::path& file)
    : budget_(std::move(budget)), size_(0), path_(file), file_(storage::open_file(file, O_RDWR)) {
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0) throw storage::system_error(errno, "reading", file);
  size_ = static_cast<std::uint64_t>(info.st_size);
  received_ = size_;
}

Staging::~Staging() {
  if (budgeted_ > 0) budget_->give_back(budgeted_);
  if (!path_.empty() && !kept_) ::unlink(path_.c_str());
}

std::span<std::byte> Staging::room() {
  const auto left = static_cast<std::size_t>(size_ - received_);
  if (path_.empty()) return memory_.span().subspan(static_cast<std::size_t>(received_));
  return std::span(piece_).first(std::min(left, piece_.size()));
}

void Staging::filled(std::size_t count) {
  if (!path_.empty()) {
    try {
      storage::write_all(file_, std::span(piece_).first(count), path_);
    } catch (const Error&) {
      // A part of the piece may be there (disk full). The upload is resumed from what counts as received.
      ::lseek(file_.get(), static_cast<off_t>(received_.load()), SEEK_SET);
      throw;
    }
  }
  received_ += count;
}

void Staging::keep_as(const std::filesystem::path& destination) {
  if (::fdatasync(file_.get()) != 0) throw storage::system_error(errno, "writing", path_);
  std::error_code failed;
  std::filesystem::rename(path_, destination, failed);
  if (failed) throw storage::system_error(failed.value(), "renaming", path_);
  path_ = destination;
  kept_ = true;
  storage::sync_folder(destination.parent_path());
}

Bytes Staging::take() {
  if (!path_.empty()) {
    piece_ = {};
    return map_descriptor(file_, size_, path_);
  }
  // Given back when the last slice of these bytes is gone.
  struct Held {
    Held(std::shared_ptr<StagingBudget> b, AlignedBuffer m) : budget(std::move(b)), memory(std::move(m)) {}
    ~Held() { budget->give_back(std::move(memory)); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    std::shared_ptr<StagingBudget> budget;
    AlignedBuffer memory;
  };
  budgeted_ = 0;
  auto held = std::make_shared<Held>(budget_, std::move(memory_));
  const std::span<const std::byte> view(held->memory.data(), held->memory.size());
  return {std::move(held), view};
}

Bytes map_file(const std::filesystem::path& file) {
  const auto descriptor = storage::open_file(file, O_RDONLY);
  struct stat info{};
  if (::fstat(descriptor.get(), &info) != 0) throw storage::system_error(errno, "reading", file);
  return map_descriptor(descriptor, static_cast<std::uint64_t>(info.st_size), file);
}

}  // namespace sedna::federated
