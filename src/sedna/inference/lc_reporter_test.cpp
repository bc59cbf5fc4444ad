// Reports to the local controller: the recorded body, byte for byte, and a controller that is absent, angry or slow.
#include "sedna/inference/lc_reporter.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

#include "sedna/inference/cloud_imposter.hpp"
#include "sedna/inference/joint_inference.hpp"

namespace sedna::inference {
namespace {

using namespace std::chrono_literals;
using sedna::testing::http_answer;
using sedna::testing::ImposterRequest;
using sedna::testing::ImposterServer;
using sedna::testing::Script;

LcReporterOptions options_for(const ImposterServer& lc, SteadyClock::duration period = 20ms) {
  LcReporterOptions options;
  options.lc_server = lc.origin();
  options.period = period;
  options.worker_name = "edgeworker-abcde";
  options.namespace_name = "default";
  options.job_name = "sedna";
  return options;
}

std::string with_times_hidden(const std::string& body) {
  constexpr std::string_view form = "dddd-dd-dd dd:dd:dd";
  const auto is_time_at = [&](std::size_t at) {
    return std::equal(form.begin(), form.end(), body.begin() + static_cast<std::ptrdiff_t>(at),
                      [](char f, char c) { return f == 'd' ? c >= '0' && c <= '9' : f == c; });
  };
  std::string hidden;
  for (std::size_t at = 0; at < body.size(); ++at) {
    if (at + form.size() > body.size() || !is_time_at(at)) {
      hidden += body[at];
      continue;
    }
    hidden += "<time>";
    at += form.size() - 1;
  }
  return hidden;
}

TEST(LcReportBody, SaysMoreInAPodThatOurGmMade) {
  ImposterServer lc;
  LcReporterOptions options = options_for(lc);
  options.pod_uid = "u-1";
  LcCounts counts{10, 3, 2};
  counts.statistics = R"({"uploads":2})";
  const std::string body = lc_report_body(options, counts, SystemClock::now(), SystemClock::now(), "run1");
  EXPECT_TRUE(body.ends_with(R"(, "podUid": "u-1", "run": "run1", "statistics": {"uploads":2}})")) << body;
}

// JI-5.13
TEST(LcReportBody, AsRecorded) {
  ImposterServer lc;
  const LcReporterOptions options = options_for(lc);
  const auto body = [&](LcCounts counts) {
    return with_times_hidden(lc_report_body(options, counts, SystemClock::now(), SystemClock::now()));
  };
  const std::string head = R"({"name": "edgeworker-abcde", "namespace": "default", "ownerName": "sedna", )"
                           R"("ownerKind": "jointinferenceservice", "kind": "inference", "results": [], )"
                           R"("ownerInfo": {"startTime": "<time>", "updateTime": "<time>", )";
  EXPECT_EQ(body({5, 2, 2}), head + R"("inferenceNumber": 5, "hardExampleNumber": 2, "uploadCloudRatio": 0.4}})");
  EXPECT_EQ(body({1, 0, 0}), head + R"("inferenceNumber": 1, "hardExampleNumber": 0, "uploadCloudRatio": 0.0}})");
  EXPECT_EQ(body({2, 2, 2}), head + R"("inferenceNumber": 2, "hardExampleNumber": 2, "uploadCloudRatio": 1.0}})");
  EXPECT_EQ(body({3, 1, 1}),
            head + R"("inferenceNumber": 3, "hardExampleNumber": 1, "uploadCloudRatio": 0.3333333333333333}})");
}

// JI-5.13
TEST(LcReporter, ReportsWhatHappenedAndOnlyThen) {
  ImposterServer lc;
  auto reporter = std::make_shared<LcReporter>(options_for(lc));
  metrics::Registry registry;
  JointInference joint({}, std::make_shared<test::FakeEdge>(), nullptr, nullptr, registry, reporter);
  EXPECT_EQ(lc.requests().size(), 0U);
  joint.infer(test::easy());
  joint.infer(test::easy());
  ASSERT_TRUE(lc.wait_for_requests(1));
  EXPECT_TRUE(reporter->flush(Deadline::after(5s)));
  const std::size_t sent = lc.requests().size();
  EXPECT_FALSE(lc.wait_for_requests(sent + 1, Deadline::after(200ms)));  // ten periods in which nothing happened
  const ImposterRequest report = lc.requests().back();
  EXPECT_EQ(report.method, "POST");
  EXPECT_EQ(report.target, "/sedna/workers/edgeworker-abcde/info");
  EXPECT_EQ(report.headers.get("Content-Type"), "application/json");
  EXPECT_NE(report.body.find(R"("inferenceNumber": 2)"), std::string::npos) << report.body;
}

// JI-5.13
TEST(LcReporter, CarriesTheSameTotalsUntilTheyAreTaken) {
  std::atomic<int> reports{0};
  ImposterServer lc(Script::serve([&](const ImposterRequest&) {
    const int n = ++reports;
    return n == 1 ? http_answer(500, "") : n == 2 ? http_answer(400, "") : http_answer(200, "{}");
  }));
  auto reporter = std::make_shared<LcReporter>(options_for(lc));
  metrics::Registry registry;
  JointInference joint({}, std::make_shared<test::FakeEdge>(), nullptr, nullptr, registry, reporter);
  joint.infer(test::easy());
  ASSERT_TRUE(lc.wait_for_requests(3));
  EXPECT_FALSE(lc.wait_for_requests(4, Deadline::after(150ms)));
  for (const auto& report : lc.requests()) {
    EXPECT_NE(report.body.find(R"("inferenceNumber": 1, "hardExampleNumber": 0)"), std::string::npos) << report.body;
  }
  EXPECT_EQ(reporter->failed(), 2U);
}

// JI-5.13
TEST(LcReporter, SurvivesAControllerThatComesLate) {
  ImposterServer lc;
  lc.refuse();
  auto reporter = std::make_shared<LcReporter>(options_for(lc));
  metrics::Registry registry;
  JointInference joint({}, std::make_shared<test::FakeEdge>(), nullptr, nullptr, registry, reporter);
  for (int i = 0; i < 7; ++i) joint.infer(test::easy());
  EXPECT_FALSE(reporter->flush(Deadline::after(2s)));
  lc.listen();
  ASSERT_TRUE(lc.wait_for_requests(1));
  EXPECT_NE(lc.requests()[0].body.find(R"("inferenceNumber": 7)"), std::string::npos);
}

// JI-5.13
TEST(LcReporter, AHungControllerDoesNotHoldUpInference) {
  ImposterServer lc(Script::hang());
  auto options = options_for(lc, 1ms);
  options.timeout = 60s;
  auto reporter = std::make_shared<LcReporter>(options);
  metrics::Registry registry;
  JointInference joint({}, std::make_shared<test::FakeEdge>(), nullptr, nullptr, registry, reporter);
  joint.infer(test::easy());
  ASSERT_TRUE(lc.wait_for_requests(1));
  const auto start = SteadyClock::now();
  for (int i = 0; i < 100; ++i) joint.infer(test::easy());
  EXPECT_LT(SteadyClock::now() - start, 20s);
  lc.refuse();  // ends the report that is under way
}

// JI-5.13
TEST(LcReporter, NoServerNoThread) {
  LcReporter reporter{LcReporterOptions()};
  reporter.touch();
  EXPECT_TRUE(reporter.flush(Deadline::after(1s)));
  EXPECT_EQ(reporter.sent(), 0U);
}

// JI-6.6
TEST(LcReporter, AForkedChildReportsOnItsOwn) {
  if (test::kNoFork != nullptr) GTEST_SKIP() << test::kNoFork;
  ImposterServer lc;
  LcReporter reporter(options_for(lc));
  std::atomic<std::uint64_t> count{1};
  reporter.set_source([&] { return LcCounts{count, 0, 0}; });
  reporter.touch();
  ASSERT_TRUE(lc.wait_for_requests(1));
  ASSERT_TRUE(reporter.flush(Deadline::after(5s)));  // the first report is over and done with
  const std::uint64_t before = reporter.sent();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    count = 1000;
    reporter.touch();
    // The imposter lives in the parent; the child ends when its own thread's report is out.
    for (int i = 0; i < 2000 && reporter.sent() == before; ++i) usleep(10'000);
    _exit(reporter.sent() == before ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_NE(lc.requests().back().body.find(R"("inferenceNumber": 1000)"), std::string::npos);
}

// JI-6.4
TEST(LcReporterOptions, FromTheEnvironmentOfAPod) {
  const worker::Context pod({{"LC_SERVER", "http://10.0.0.9:9100"},
                             {"LC_PERIOD", "5"},
                             {"WORKER_NAME", "w"},
                             {"NAMESPACE", "n"},
                             {"SERVICE_NAME", "helmet"}});
  const auto options = LcReporterOptions::from_context(pod);
  EXPECT_EQ(options.lc_server, "http://10.0.0.9:9100");
  EXPECT_EQ(options.period, 5s);
  EXPECT_EQ(options.worker_name, "w");
  EXPECT_EQ(options.namespace_name, "n");
  EXPECT_EQ(options.job_name, "sedna");  // upstream's GM gives no JOB_NAME
}

}  // namespace
}  // namespace sedna::inference
