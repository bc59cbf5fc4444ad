#include "sedna/serve/timers.hpp"

#include <boost/asio/io_context.hpp>

namespace sedna::serve {

TimerQueue::TimerQueue(boost::asio::io_context& io) : timer_(io) {}

void TimerQueue::set(Entry& entry, SteadyClock::time_point due) {
  entry.due_ = due;
  if (due >= entry.looked_at_) return;  // the queue finds out when it looks
  entry.looked_at_ = due;
  if (entry.index_ == Entry::kNowhere) {
    heap_.push_back(&entry);
    entry.index_ = heap_.size() - 1;
  }
  up(entry.index_);
  arm();
}

void TimerQueue::remove(Entry& entry) {
  if (entry.index_ == Entry::kNowhere) return;
  const std::size_t hole = entry.index_;
  Entry* last = heap_.back();
  heap_.pop_back();
  entry.index_ = Entry::kNowhere;
  entry.looked_at_ = SteadyClock::time_point::max();
  if (last == &entry) return;
  place(hole, last);
  up(hole);
  down(last->index_);
}

void TimerQueue::stop() {
  stopped_ = true;
  timer_.cancel();
}

void TimerQueue::place(std::size_t index, Entry* entry) {
  heap_[index] = entry;
  entry->index_ = index;
}

void TimerQueue::up(std::size_t index) {
  Entry* entry = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->looked_at_ <= entry->looked_at_) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerQueue::down(std::size_t index) {
  Entry* entry = heap_[index];
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->looked_at_ < heap_[child]->looked_at_) ++child;
    if (entry->looked_at_ <= heap_[child]->looked_at_) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

void TimerQueue::arm() {
  if (stopped_ || heap_.empty() || heap_.front()->looked_at_ >= armed_) return;
  armed_ = heap_.front()->looked_at_;
  timer_.expires_at(armed_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) fire();  // otherwise it was armed anew or stopped
  });
}

void TimerQueue::fire() {
  armed_ = SteadyClock::time_point::max();
  const auto now = SteadyClock::now();
  while (!heap_.empty() && heap_.front()->looked_at_ <= now) {
    Entry& entry = *heap_.front();
    if (entry.due_ > entry.looked_at_) {  // it was moved later: take its turn then, even when that is past by now
      if (entry.due_ == SteadyClock::time_point::max()) {
        remove(entry);
      } else {
        entry.looked_at_ = entry.due_;
        down(0);
      }
      continue;
    }
    remove(entry);
    entry.due_ = SteadyClock::time_point::max();
    entry.on_due();  // may set or remove entries, or end the entry's life
  }
  arm();
}

}  // namespace sedna::serve
