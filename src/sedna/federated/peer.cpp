#include "sedna/federated/peer.hpp"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/log.hpp"

namespace sedna::federated {

namespace asio = net::asio;

bool Peer::send(Bytes text) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
    if (queue_.size() >= kMaxQueue) {
      queue_.clear();
      queue_.push_back({{}, 1008, "reads too slowly"});
      closing_ = true;
    } else {
      queue_.push_back({std::move(text), 0, {}});
    }
  }
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
  return true;
}

void Peer::close(std::uint16_t code, std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
    queue_.push_back({{}, code, std::move(reason)});
  }
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
}

bool Peer::closing() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

std::optional<Peer::Item> Peer::pop() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  std::optional<Item> item(std::move(queue_.front()));
  queue_.pop_front();
  return item;
}

net::Task<void> Peer::write_all(std::shared_ptr<Peer> self, serve::WebSocket* socket) {
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
        co_await socket->close(item->close_code, std::move(item->reason));
        break;
      }
      co_await socket->write(true, std::move(item->text));
    }
  } catch (const std::exception& error) {
    failure = error.what();  // the reader sees the end of the same connection and tells the rounds
  }
  if (!failure.empty()) log::debug("a client could not be written to", {{"error", failure}});
  self->writer_done_ = true;
  self->ended_.cancel();
}

net::Task<void> Peer::finish() {
  stop_ = true;
  wake_.cancel();
  while (!writer_done_) {
    ended_.expires_at(SteadyClock::time_point::max());
    boost::system::error_code woken;
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

}  // namespace sedna::federated
