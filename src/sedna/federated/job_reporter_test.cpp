#include "sedna/federated/job_reporter.hpp"

#include <gtest/gtest.h>

#include "sedna/json/json.hpp"
#include "sedna/testing/imposter_server.hpp"

namespace sedna::federated {
namespace {

using sedna::testing::http_answer;
using sedna::testing::ImposterRequest;
using sedna::testing::ImposterServer;
using sedna::testing::Script;

JobReporterOptions options_for(const ImposterServer& lc) {
  std::map<std::string, std::string, std::less<>> pod{{"LC_SERVER", lc.origin()},
                                                      {"POD_UID", "uid-1"},
                                                      {"WORKER_NAME", "aggworker-x"},
                                                      {"NAMESPACE", "default"},
                                                      {"JOB_NAME", "digits"}};
  auto options = JobReporterOptions::from_context(worker::Context(std::move(pod)));
  options.period = std::chrono::milliseconds(10);
  return options;
}

AggregationServerOptions job() {
  AggregationServerOptions options;
  options.server.port = 0;
  options.server.access_log = false;
  options.rounds.participants = 3;
  options.rounds.exit_round = 10;
  return options;
}

json::object body_of(const ImposterRequest& request) {
  return json::parse(request.body).value().get_object();
}

// FJ-1.13
TEST(JobReporter, TellsWhatChangedAndTheEnd) {
  ImposterServer lc;
  JobReporter reporter(options_for(lc));
  AggregationServerOptions options = job();
  int rounds_seen = 0;
  options.on_round = [&](const RoundReport&) { ++rounds_seen; };
  reporter.watch(options);
  const auto on_round = options.on_round;
  metrics::Registry registry;
  AggregationServer server(std::move(options), registry);
  server.start();
  reporter.follow(server);
  ASSERT_TRUE(lc.wait_for_requests(1));
  const auto first = lc.requests().front();
  EXPECT_EQ(first.target, "/sedna/workers/aggworker-x/info");
  const json::object told = body_of(first);
  EXPECT_EQ(told.at("ownerKind"), "federatedlearningjob");
  EXPECT_EQ(told.at("ownerName"), "digits");
  EXPECT_EQ(told.at("podUid"), "uid-1");
  EXPECT_EQ(told.at("status"), "running");
  const auto& progress = told.at("statistics").at("federated");
  EXPECT_EQ(progress.at("round"), 0);
  EXPECT_EQ(progress.at("rounds"), 10);
  EXPECT_EQ(progress.at("selected"), 3);

  RoundReport round;
  round.round = 1;
  round.bytes_received = 300;
  round.bytes_sent = 200;
  round.metrics = {{"accuracy", 0.5}};
  on_round(round);
  EXPECT_EQ(rounds_seen, 1) << "who was told before still is";
  ASSERT_TRUE(lc.wait_for_requests(2));
  const json::value second = body_of(lc.requests()[1]).at("statistics").at("federated");
  EXPECT_EQ(second.at("bytesReceived"), 300);
  EXPECT_EQ(second.at("metrics").at("accuracy"), 0.5);

  reporter.finish();
  const auto all = lc.requests();
  EXPECT_EQ(all.size(), 3U) << "what has not changed is not told again";
  EXPECT_EQ(body_of(all.back()).at("status"), "completed");
  server.stop();
}

// FJ-1.13
TEST(JobReporter, SendsAgainWhatTheLocalControllerDidNotTake) {
  ImposterServer lc(Script::serve([](const ImposterRequest&) { return http_answer(503, "later"); }));
  JobReporter reporter(options_for(lc));
  AggregationServerOptions options = job();
  reporter.watch(options);
  metrics::Registry registry;
  AggregationServer server(std::move(options), registry);
  server.start();
  reporter.follow(server);
  EXPECT_TRUE(lc.wait_for_requests(2));
  reporter.finish();
  server.stop();
}

// FJ-1.13
TEST(JobReporter, OutsideOfAPodNothingIsSent) {
  ImposterServer lc;
  std::map<std::string, std::string, std::less<>> process{{"LC_SERVER", lc.origin()}};
  JobReporter reporter(JobReporterOptions::from_context(worker::Context(std::move(process))));
  EXPECT_FALSE(reporter.enabled());
  reporter.finish();
  EXPECT_EQ(lc.connections(), 0);
}

}  // namespace
}  // namespace sedna::federated
