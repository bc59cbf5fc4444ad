#include "sedna/apiserver/write_call.hpp"

#include <boost/asio/post.hpp>

namespace sedna::apiserver {

/// Runs one of the desk's functions; a loop that ends without running it leaves the desk as if it had never been asked.
class WriteDesk::Task {
 public:
  Task(std::shared_ptr<WriteDesk> desk, bool WriteDesk::* mark, void (WriteDesk::*run)())
      : desk_(std::move(desk)), mark_(mark), run_(run) {}
  Task(Task&&) noexcept = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (!desk_) return;
    take_back(*desk_);
    if (run_ == &WriteDesk::deliver) static_cast<void>(desk_->take());  // the coroutines end with their loop
  }
  void operator()() {
    const auto desk = std::move(desk_);
    take_back(*desk);
    (desk.get()->*run_)();
  }

 private:
  void take_back(WriteDesk& desk) const {
    const std::lock_guard lock(desk.mutex_);
    desk.*mark_ = false;
  }

  std::shared_ptr<WriteDesk> desk_;
  bool WriteDesk::* mark_;
  void (WriteDesk::*run_)();
};

std::shared_ptr<WriteDesk> WriteDesk::of(const net::asio::any_io_executor& executor, store::embedded::Core& core) {
  thread_local std::shared_ptr<WriteDesk> desk;
  if (!desk || desk->executor_ != executor || &desk->core_ != &core) desk = std::make_shared<WriteDesk>(executor, core);
  return desk;
}

void WriteDesk::wake_writer_soon() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(will_wake_, true)) return;
  }
  // To the end of the loop's queue: behind what is ready, and behind another look at the sockets.
  net::asio::post(executor_, Task(shared_from_this(), &WriteDesk::will_wake_, &WriteDesk::wake_writer));
}

void WriteDesk::arrived(std::shared_ptr<WriteCall> call) {
  {
    const std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(call));
    if (std::exchange(will_deliver_, true)) return;
  }
  net::asio::post(executor_, Task(shared_from_this(), &WriteDesk::will_deliver_, &WriteDesk::deliver));
}

void WriteDesk::wake_writer() {
  core_.wake_writer();
}

std::vector<std::shared_ptr<WriteCall>> WriteDesk::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(arrived_, {});
}

void WriteDesk::deliver() {
  for (const auto& call : take()) {
    const auto resume = std::move(call->resume);
    std::move (*resume)(*std::move(call->outcome));
  }
}

}  // namespace sedna::apiserver
