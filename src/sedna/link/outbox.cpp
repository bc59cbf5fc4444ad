#include "sedna/link/outbox.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/clock.hpp"
#include "sedna/base/log.hpp"

namespace sedna::link {

namespace asio = net::asio;

namespace {

constexpr std::uint16_t kPolicyViolation = 1008;

}  // namespace

Outbox::Outbox(asio::any_io_executor executor, Source more, std::size_t max_queue)
    : executor_(executor), more_(std::move(more)), max_queue_(max_queue), wake_(executor), ended_(executor) {}

bool Outbox::send(std::string text) {
  bool fits = true;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
    if (queue_.size() >= max_queue_) {
      queue_.clear();
      queue_.push_back({{}, kPolicyViolation, "reads too slowly"});
      closing_ = true;
      fits = false;
    } else {
      queue_.push_back({std::move(text), 0, {}});
    }
  }
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
  return fits;
}

void Outbox::wake() {
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
  }
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
}

void Outbox::close(std::uint16_t code, std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
    queue_.push_back({{}, code, std::move(reason)});
  }
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
}

std::optional<Outbox::Item> Outbox::pop() {
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) {
      std::optional<Item> item(std::move(queue_.front()));
      queue_.pop_front();
      return item;
    }
    if (!asked_ || closing_) return std::nullopt;
    asked_ = false;
  }
  auto text = more_();
  if (!text) return std::nullopt;
  const std::lock_guard lock(mutex_);
  asked_ = true;  // there may be more behind it
  std::optional<Item> item;
  item.emplace();
  item->text = std::move(*text);
  return item;
}

net::Task<void> Outbox::run(std::shared_ptr<Outbox> self, Writable* to) {
  std::string failure;
  try {
    while (!self->stop_) {
      auto item = self->pop();
      if (!item) {
        // A send() between pop() and here has posted its cancel() behind us on this executor: it cannot be missed.
        self->wake_.expires_at(SteadyClock::time_point::max());
        boost::system::error_code woken;
        co_await self->wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        continue;
      }
      if (item->close_code != 0) {
        co_await to->close(item->close_code, std::move(item->reason));
        break;
      }
      Bytes text = Bytes::from_string(std::move(item->text));
      co_await to->write(std::move(text));
    }
  } catch (const std::exception& error) {
    failure = error.what();  // the reader sees the end of the same connection
  }
  if (!failure.empty()) log::debug("a link could not be written to", {{"error", failure}});
  self->writer_done_ = true;
  self->ended_.cancel();
}

net::Task<void> Outbox::finish() {
  stop_ = true;
  wake_.cancel();
  while (!writer_done_) {
    ended_.expires_at(SteadyClock::time_point::max());
    boost::system::error_code woken;
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

}  // namespace sedna::link
