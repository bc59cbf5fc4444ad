#include "sedna/apiserver/write_call.hpp"

#include <future>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sedna::apiserver {
namespace {

using api::kinds::kConfigMap;
using store::embedded::Engine;

/// What became of the coroutines that wrote; one that is thrown away before its end counts as gone.
struct Counts {
  int created = 0, refused = 0, gone = 0;
};

struct Gone {
  explicit Gone(Counts& c) : counts(c) {}
  ~Gone() { ++counts.gone; }
  Gone(const Gone&) = delete;
  Gone& operator=(const Gone&) = delete;
  Counts& counts;
};

net::Task<void> make(Engine& engine, std::string name, Counts& counts) {
  const Gone gone(counts);
  const auto start = [&engine, &name](Engine::Done done) {
    engine.create(kConfigMap, "default", api::new_object(kConfigMap, "default", name), {}, std::move(done));
  };
  const WriteOutcome outcome = co_await await_write(engine.core(), start);
  ++(outcome ? counts.created : counts.refused);
}

class WriteCalls : public ::testing::Test {
 protected:
  void spawn(net::asio::io_context& io, const std::string& name) {
    net::asio::co_spawn(io, make(engine, name, counts), net::asio::detached);
  }

  Engine engine{store::embedded::EngineOptions()};
  Counts counts;
};

TEST_F(WriteCalls, AllThatWriteAtOnceGoOnOnTheirLoop) {
  net::asio::io_context io;
  // As a server's loop: it does not end while its writes are with the store.
  const auto work = net::asio::make_work_guard(io);
  for (int i = 0; i < 200; ++i) spawn(io, "m" + std::to_string(i % 150));
  while (counts.created + counts.refused < 200) io.run_one();
  EXPECT_EQ(counts.created, 150);
  EXPECT_EQ(counts.refused, 50);  // their names were taken
  EXPECT_EQ(engine.core().size(kConfigMap), 150U);
}

TEST_F(WriteCalls, ALoopThatEndsEarlyTakesNothingWithIt) {
  {
    net::asio::io_context io;
    const auto work = net::asio::make_work_guard(io);
    spawn(io, "early");
    io.run_one();           // begins the write, and asks for the writer to be woken
    engine.core().close();  // writes it
    EXPECT_EQ(engine.core().size(kConfigMap), 1U);
    EXPECT_EQ(counts.gone, 0);
  }
  EXPECT_EQ(counts.created, 0);
  EXPECT_EQ(counts.gone, 1);
}

TEST_F(WriteCalls, TheNextLoopOfAThreadIsNotHeldUpByOneThatEndedEarly) {
  for (int round = 0; round < 3; ++round) {
    {
      net::asio::io_context io;
      const auto work = net::asio::make_work_guard(io);
      const std::string name = std::to_string(round);
      spawn(io, "lost" + name);
      io.run_one();
      std::promise<void> written;  // what comes later is written later
      engine.create(kConfigMap, "default", api::new_object(kConfigMap, "default", "after" + name), {},
                    [&written](const WriteOutcome&) { written.set_value(); });
      written.get_future().wait();
    }
    net::asio::io_context io;
    const auto work = net::asio::make_work_guard(io);
    spawn(io, "kept" + std::to_string(round));
    while (counts.created <= round) io.run_one();
  }
  EXPECT_EQ(counts.gone, 6);
}

}  // namespace
}  // namespace sedna::apiserver
