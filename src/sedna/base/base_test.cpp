#include <sched.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/buffer.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/base/cpu.hpp"
#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/base/result.hpp"

namespace sedna {
namespace {

TEST(Error, SaysWhatItConcerns) {
  const Error e(ErrorCode::kInvalidArgument, "must be positive", "shape[0]");
  EXPECT_STREQ(e.what(), "shape[0]: must be positive");
  EXPECT_EQ(e.within("inputs[2]").subject(), "inputs[2].shape[0]");
  EXPECT_EQ(http_status(e.code()), 400);
}

TEST(Result, HoldsAValueOrAnError) {
  Result<int> good(7);
  EXPECT_EQ(*good, 7);
  Result<int> bad(Error(ErrorCode::kNotFound, "no such model", "m"));
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.value_or(3), 3);
  EXPECT_THROW(bad.value(), Error);
}

TEST(Cores, AreThoseOfTheAffinityMask) {
  EXPECT_GE(usable_cores(), 1);
  int bound = 0;
  std::thread([&bound] {  // the mask is the thread's
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
    bound = usable_cores();
  })
      .join();
  EXPECT_EQ(bound, 1);
}

TEST(Buffer, IsAlignedAndSlicesShareIt) {
  AlignedBuffer buffer(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kBufferAlignment, 0u);
  buffer.data()[3] = std::byte{42};
  const Bytes all = std::move(buffer).freeze();
  const Bytes part = all.slice(3, 1);
  EXPECT_EQ(part.data()[0], std::byte{42});
  EXPECT_EQ(part.owner(), all.owner());
}

TEST(Deadline, CountsDown) {
  EXPECT_TRUE(Deadline::never().is_never());
  EXPECT_FALSE(Deadline::never().expired());
  EXPECT_TRUE(Deadline::after(std::chrono::seconds(-1)).expired());
  EXPECT_EQ(Deadline::after(std::chrono::seconds(-1)).remaining().count(), 0);
}

TEST(Ids, AreHexAndDiffer) {
  EXPECT_EQ(random_hex(8).size(), 16u);
  EXPECT_NE(random_hex(8), random_hex(8));
}

// JI-1.13
TEST(Metrics, RenderAsPrometheusText) {
  metrics::Registry registry;
  registry.counter("a_total", "help", {{"k", "v\"w"}}).add(3);
  registry.histogram("h_seconds", "help", {}, {0.1, 1}).observe(0.5);
  EXPECT_EQ(registry.render(),
            "# HELP a_total help\n# TYPE a_total counter\na_total{k=\"v\\\"w\"} 3\n"
            "# HELP h_seconds help\n# TYPE h_seconds histogram\n"
            "h_seconds_bucket{le=\"0.1\"} 0\nh_seconds_bucket{le=\"1\"} 1\nh_seconds_bucket{le=\"+Inf\"} 1\n"
            "h_seconds_sum 0.5\nh_seconds_count 1\n");
}

TEST(Metrics, QuantileInterpolates) {
  metrics::Histogram h({1, 2, 3});
  for (int i = 0; i < 100; ++i) h.observe(1.5);
  EXPECT_NEAR(h.quantile(0.5), 1.5, 0.01);
}

TEST(Clock, FormatsUpstreamsReportTime) {
  EXPECT_EQ(format_utc_time(SystemClock::time_point(std::chrono::milliseconds(1500))), "1970-01-01T00:00:01.500Z");
  EXPECT_EQ(format_local_time(SystemClock::now()).size(), 19u);
}

}  // namespace
}  // namespace sedna
