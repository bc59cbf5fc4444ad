// One steady timer for all deadlines of an io thread. A request moves its connection's deadline several times; moving
// it later costs a store, and the timer itself is armed again only when something becomes due sooner than it will fire.
#pragma once

#include <cstddef>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "sedna/base/clock.hpp"

namespace sedna::serve {

/// Not thread-safe: everything on the io thread.
class TimerQueue {
 public:
  class Entry {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   protected:
    virtual ~Entry() = default;  // virtual only because g++ warns about friends that could delete it

   private:
    friend class TimerQueue;
    virtual void on_due() = 0;
    static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
    SteadyClock::time_point due_ = SteadyClock::time_point::max();
    SteadyClock::time_point looked_at_ = SteadyClock::time_point::max();  ///< when the queue will look at it
    std::size_t index_ = kNowhere;
  };

  explicit TimerQueue(boost::asio::io_context& io);
  /// on_due() is called once at `due` unless that is changed before; time_point::max(): never.
  void set(Entry& entry, SteadyClock::time_point due);
  /// Before the entry dies.
  void remove(Entry& entry);
  void stop();

 private:
  void place(std::size_t index, Entry* entry);
  void up(std::size_t index);
  void down(std::size_t index);
  void arm();
  void fire();

  boost::asio::steady_timer timer_;
  SteadyClock::time_point armed_ = SteadyClock::time_point::max();
  std::vector<Entry*> heap_;  ///< by looked_at_
  bool stopped_ = false;
};

}  // namespace sedna::serve
