#include "sedna/lc/worker_reports.hpp"

#include <gtest/gtest.h>

#include "sedna/journal/crash_file_system.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::lc {
namespace {

class Reports : public ::testing::Test {
 protected:
  Reports() { know("default/digits"); }
  static journal::JournalOptions options(journal::CrashFileSystem& fs) {
    journal::JournalOptions o;
    o.path = "/state";
    o.files = &fs;
    return o;
  }
  void know(const std::string& key) {
    json::object object;
    object["kind"] = "JointInferenceService";
    state_.object({"JointInferenceService", key}, "1", object);
  }
  std::string take(const std::string& body) {
    auto report = parse_worker_report(body);
    EXPECT_TRUE(report) << report.error().what();
    return make().take(*report);
  }
  /// As after a restart of the local controller: what counts lies in the store.
  WorkerReports make() {
    return WorkerReports(
        state_, store_,
        [this](const link::StateKey& subject, std::string_view worker, const json::object& fact) {
          subject_ = subject;
          worker_ = worker;
          fact_ = fact;
          ++facts_;
        },
        registry_, clock_);
  }
  static std::string body(const std::string& owner, int inferences, int hard, double ratio,
                          const std::string& more = {}) {
    return R"({"name":"edgeworker-x","namespace":"default","ownerName":")" + owner +
           R"(","ownerKind":"jointinferenceservice","kind":"inference","results":[],"ownerInfo":{"startTime":"a",)"
           R"("updateTime":"b","inferenceNumber":)" +
           std::to_string(inferences) + R"(,"hardExampleNumber":)" + std::to_string(hard) + R"(,"uploadCloudRatio":)" +
           std::to_string(ratio) + "}" + more + "}";
  }
  std::int64_t info(std::string_view name) { return fact_.at("ownerInfo").at(name).as_int64(); }

  journal::CrashFileSystem fs_;
  journal::Journal store_{options(fs_)};
  NodeState state_{store_};
  metrics::Registry registry_;
  testing::FakeClock clock_;
  link::StateKey subject_;
  std::string worker_;
  json::object fact_;
  int facts_ = 0;
};

TEST_F(Reports, AnUpstreamWorkersReportBecomesAFact) {
  EXPECT_EQ(take(body("digits", 100, 7, 0.07)), "");
  EXPECT_EQ(subject_, (link::StateKey{"JointInferenceService", "default/digits"}));
  EXPECT_EQ(worker_, "edgeworker-x");
  EXPECT_EQ(info("inferenceNumber"), 100);
  EXPECT_EQ(fact_.at("statistics").at("uploads"), 7);
  EXPECT_EQ(fact_.at("time"), "2026-01-31T13:05:59Z");
}

TEST_F(Reports, FiguresAddUpWhenTheWorkerStartsAnew) {
  take(body("digits", 100, 10, 0.1));
  take(body("digits", 150, 20, 0.1));
  take(body("digits", 10, 5, 0.5));  // fewer than before: another process
  EXPECT_EQ(info("inferenceNumber"), 160);
  EXPECT_EQ(info("hardExampleNumber"), 25);
  EXPECT_EQ(fact_.at("statistics").at("uploads"), 15 + 5);
  take(body("digits", 20, 5, 0.5));
  EXPECT_EQ(info("inferenceNumber"), 170);
}

TEST_F(Reports, OurWorkersSayWhichRunItIsAndWhichPod) {
  const auto ours = [](const char* run, int uploads) {
    return std::string(R"(,"podUid":"uid-1","run":")") + run + R"(","statistics":{"uploads":)" +
           std::to_string(uploads) +
           R"(,"uploadBytes":1000,"fallbacks":2,"errors":{"timeout":1},"latencyMilliseconds":{"p50":1.5}})";
  };
  take(body("digits", 10, 4, 0.4, ours("a", 4)));
  take(body("digits", 30, 4, 0.4, ours("b", 6)));  // more than before, and yet another process
  EXPECT_EQ(worker_, "uid-1");
  EXPECT_EQ(info("inferenceNumber"), 40);
  const auto& statistics = fact_.at("statistics");
  EXPECT_EQ(statistics.at("uploads"), 10);
  EXPECT_EQ(statistics.at("uploadBytes"), 2000);
  EXPECT_EQ(statistics.at("errors").at("timeout"), 2);
  EXPECT_EQ(statistics.at("latencyMilliseconds").at("p50"), 1.5);
}

// HOME-1.9
TEST_F(Reports, TheLatestFiguresAreThereToBeAskedFor) {
  WorkerReports reports = make();
  const auto report = [&](const char* uid, int inferences) {
    const std::string more =
        std::string(R"(,"podUid":")") + uid + R"(","run":"a","statistics":{"uploads":4,"fallbacks":1})";
    EXPECT_EQ(reports.take(parse_worker_report(body("digits", inferences, 5, 0.4, more)).value()), "");
  };
  EXPECT_TRUE(reports.latest().empty());
  report("uid-1", 10);
  report("uid-2", 20);
  report("uid-1", 30);
  const json::array latest = reports.latest();
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0].at("service"), "default/digits");
  EXPECT_EQ(latest[0].at("worker"), "uid-1");
  EXPECT_EQ(latest[0].at("time"), "2026-01-31T13:05:59Z");
  EXPECT_EQ(latest[0].at("figures").at("inferences"), 30);
  EXPECT_EQ(latest[0].at("figures").at("uploads"), 4);
  const metrics::Labels labels{{"namespace", "default"}, {"service", "digits"}};
  EXPECT_EQ(registry_.gauge("sedna_lc_service_inferences", "", labels).value(), 50);
  state_.gone({"JointInferenceService", "default/digits"});
  EXPECT_TRUE(reports.latest().empty());
}

TEST_F(Reports, UpstreamsDefaultOwnerIsTheOnlyServiceOfTheNamespace) {
  EXPECT_EQ(take(body("sedna", 1, 0, 0)), "");
  EXPECT_EQ(subject_.key, "default/digits");
  know("default/second");
  EXPECT_NE(take(body("sedna", 2, 0, 0)), "") << "two services: whose would it be?";
  EXPECT_EQ(take(body("other", 2, 0, 0)), "") << "GM has not said everything yet";
  state_.synced();
  EXPECT_NE(take(body("third", 2, 0, 0)), "");
  EXPECT_EQ(facts_, 2);
}

// FJ-1.3
TEST_F(Reports, AFederatedWorkersReportIsPassedOnAsItIs) {
  json::object job;
  job["kind"] = "FederatedLearningJob";
  state_.object({"FederatedLearningJob", "default/defects"}, "1", job);
  const auto train = [this](const char* kind) {
    return take(std::string(R"({"name":"trainworker-x","namespace":"default","ownerName":"defects","ownerKind":")") +
                kind +
                R"(","kind":"train","status":"running","ownerInfo":{"currentRound":3,"updateTime":"t"},)"
                R"("results":[{"format":"npz","url":"/models/m.npz","metrics":{"loss":[0.5]}}]})");
  };
  EXPECT_EQ(train("federatedlearningjob"), "");
  EXPECT_EQ(subject_, (link::StateKey{"FederatedLearningJob", "default/defects"}));
  EXPECT_EQ(worker_, "trainworker-x");
  EXPECT_EQ(info("currentRound"), 3);
  EXPECT_EQ(fact_.at("results").at(0).at("url"), "/models/m.npz");
  EXPECT_EQ(train("default"), "") << "as upstream's workers call themselves";
  EXPECT_EQ(facts_, 2);
  state_.synced();
  EXPECT_NE(take(R"({"name":"w","namespace":"default","ownerName":"other","ownerKind":"federatedlearningjob"})"), "")
      << "nothing is guessed";
  EXPECT_EQ(parse_worker_report(R"({"results":{}})").error().subject(), "results");
}

// FJ-1.3
TEST_F(Reports, TheAggregatorsProgressIsPassedOn) {
  json::object job;
  job["kind"] = "FederatedLearningJob";
  state_.object({"FederatedLearningJob", "default/defects"}, "1", job);
  EXPECT_EQ(take(R"({"name":"aggworker-x","namespace":"default","ownerName":"defects","ownerKind":)"
                 R"("federatedlearningjob","kind":"aggregation","status":"running","podUid":"uid-9","run":"r",)"
                 R"("statistics":{"federated":{"round":2,"arrived":1,"selected":3}}})"),
            "");
  EXPECT_EQ(worker_, "uid-9");
  EXPECT_EQ(fact_.at("statistics").at("federated").at("selected"), 3);
}

TEST(WorkerReport, ReadsAsGoDoesAndSaysWhatIsWrong) {
  const auto report = parse_worker_report(R"({"Name":"w","OWNERKIND":"JointInferenceService","ownerInfo":null,"x":1})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->name, "w");
  EXPECT_EQ(report->owner_kind, "jointinferenceservice");
  EXPECT_EQ(parse_worker_report(R"({"ownerInfo":[]})").error().subject(), "ownerInfo");
  EXPECT_EQ(parse_worker_report(R"({"name":1})").error().subject(), "name");
  EXPECT_FALSE(parse_worker_report("<xml/>"));
}

}  // namespace
}  // namespace sedna::lc
