#include "sedna/control/events.hpp"

#include <gtest/gtest.h>

#include "sedna/store/embedded/embedded_server.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::control {
namespace {

using namespace std::chrono_literals;
using namespace api::kinds;

class Events : public ::testing::Test {
 protected:
  EventOptions options() {
    EventOptions o;
    o.component = "test";
    o.clock = &clock_;
    o.burst = 3;
    o.refill = 60s;
    return o;
  }
  std::vector<api::Object> all() { return server_.list(kEvent, {}).value().items; }
  static api::Object subject(std::string_view name = "digits") {
    api::Object object = api::new_object(kJointInferenceService, "default", name);
    object["metadata"].get_object()["uid"] = "uid-" + std::string(name);
    return object;
  }
  sedna::testing::FakeClock clock_;
  store::embedded::EmbeddedServer server_;
  EventRecorder recorder_{server_, options()};
};

TEST_F(Events, SayWhatHappenedToWhat) {
  recorder_.warning(subject(), "workerFailed", "it crashed");
  EXPECT_TRUE(all().empty()) << "recording does not wait for the server";
  recorder_.flush();
  const auto events = all();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(api::name_of(events[0]).starts_with("digits."));
  EXPECT_EQ(api::string_at(events[0], {"involvedObject", "uid"}), "uid-digits");
  EXPECT_EQ(api::string_at(events[0], {"type"}), "Warning");
  EXPECT_EQ(api::string_at(events[0], {"source", "component"}), "test");
  EXPECT_EQ(api::int_at(events[0], {"count"}), 1);
}

TEST_F(Events, TheSameAgainIsCounted) {
  recorder_.warning(subject(), "r", "m");
  recorder_.flush();
  clock_.advance(10s);
  recorder_.warning(subject(), "r", "m");
  recorder_.normal(subject(), "r", "m");
  recorder_.flush();
  const auto events = all();
  ASSERT_EQ(events.size(), 2U);
  const auto& repeated = api::string_at(events[0], {"type"}) == "Warning" ? events[0] : events[1];
  EXPECT_EQ(api::int_at(repeated, {"count"}), 2);
  EXPECT_EQ(api::string_at(repeated, {"firstTimestamp"}), "2026-01-31T13:05:59Z");
  EXPECT_EQ(api::string_at(repeated, {"lastTimestamp"}), "2026-01-31T13:06:09Z");
}

TEST_F(Events, AnEventThatExpiredIsMadeAnew) {
  recorder_.warning(subject(), "r", "m");
  recorder_.flush();
  server_.remove(kEvent, "default", api::name_of(all()[0]), {}).value();
  recorder_.warning(subject(), "r", "m");
  recorder_.flush();
  EXPECT_EQ(all().size(), 1U);
}

TEST_F(Events, OneObjectCannotFloodTheServer) {
  for (int i = 0; i < 100; ++i) recorder_.warning(subject(), "r", "message " + std::to_string(i));
  recorder_.warning(subject("other"), "r", "m");
  recorder_.flush();
  EXPECT_EQ(all().size(), 4U);
  EXPECT_EQ(recorder_.dropped(), 97U);
  clock_.advance(61s);
  recorder_.warning(subject(), "r", "later");
  recorder_.flush();
  EXPECT_EQ(all().size(), 5U);
}

TEST_F(Events, LongMessagesAreCutBetweenCharacters) {
  std::string message;
  while (message.size() < 2000) message += "ü";
  recorder_.warning(subject(), "r", message);
  recorder_.flush();
  ASSERT_EQ(all().size(), 1U);
  const auto events = all();
  const auto written = api::string_at(events[0], {"message"});
  EXPECT_EQ(written.size(), 1024U);
}

}  // namespace
}  // namespace sedna::control
