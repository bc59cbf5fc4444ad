#include "sedna/store/kube/kube_watch.hpp"

#include "sedna/base/log.hpp"

namespace sedna::store {

using Piece = net::HttpStream::Piece;

KubeWatch::KubeWatch(std::shared_ptr<KubeConnection> connection, std::unique_ptr<net::HttpStream> stream,
                     std::string what, std::deque<WatchEvent> initial)
    : connection_(std::move(connection)),
      stream_(std::move(stream)),
      what_(std::move(what)),
      waiting_(std::move(initial)),
      lines_(connection_->options().max_event),
      last_byte_(SteadyClock::now()) {
  if (!connection_->add(stream_.get())) stop();
}

KubeWatch::~KubeWatch() {
  connection_->remove(stream_.get());
}

void KubeWatch::stop() {
  stopped_.store(true, std::memory_order_release);
  stream_->interrupt();
}

std::optional<WatchEvent> KubeWatch::end() {
  waiting_.clear();
  ended_.store(true, std::memory_order_release);
  return std::nullopt;
}

std::optional<WatchEvent> KubeWatch::next(Deadline deadline) {
  const auto stall = connection_->options().watch_stall;
  while (true) {
    if (ended() || stopped_.load(std::memory_order_acquire)) return end();
    if (!waiting_.empty()) {
      WatchEvent event = std::move(waiting_.front());
      waiting_.pop_front();
      return event;
    }
    if (const auto line = lines_.next()) {
      auto event = parse_watch_event(*line);
      if (!event) {
        log::warning("watch broken off: what came is no event", {{"watch", what_}, {"error", event.error().what()}});
        return end();
      }
      // Nothing follows an error.
      if (event->type == WatchEvent::Type::kError) ended_.store(true, std::memory_order_release);
      return std::move(*event);
    }
    if (drained_) return end();
    const Deadline silent(last_byte_ + stall);
    const Piece piece = stream_->next(deadline.earlier(silent));
    if (piece.state == Piece::State::kData) {
      last_byte_ = SteadyClock::now();
      if (!lines_.feed(piece.data)) {
        log::warning("watch broken off: an event larger than the limit", {{"watch", what_}});
        return end();
      }
    } else if (piece.state == Piece::State::kDeadline) {
      if (!silent.expired()) return std::nullopt;
      log::info("watch given up: nothing came, not even a bookmark", {{"watch", what_}});
      return end();
    } else {
      if (piece.error) log::debug("watch lost", {{"watch", what_}, {"error", piece.error->what()}});
      drained_ = true;
    }
  }
}

}  // namespace sedna::store
