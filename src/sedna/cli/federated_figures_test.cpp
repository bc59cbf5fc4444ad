#include "sedna/cli/federated_figures.hpp"

#include <gmock/gmock.h>

#include "sedna/cli/overview.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::cli {
namespace {

using ::testing::HasSubstr;

api::Object job(std::string_view status) {
  return json::parse_yaml("metadata: {name: digits, namespace: default}\nstatus: " + std::string(status))
      .value()
      .front()
      .get_object();
}

// FJ-1.11
TEST(FederatedFigures, AreReadFromTheStatus) {
  const auto object = job(R"({phase: Running,
    progress: {round: 3, rounds: 10, arrived: 1, selected: 2, stragglers: [trainworker-b], bytesReceived: 1000,
               bytesSent: 2000000, metrics: {accuracy: 0.91}, epsilon: 1.5},
    workers: [{worker: aggworker-a, role: aggregation, node: cloud0, state: Running, restarts: 1, rebuilt: 0, round: 3},
              {worker: trainworker-b, role: train, dataset: one, node: edge0, state: Failing, restarts: 0, rebuilt: 2}]})");
  EXPECT_EQ(federated_progress_line(object),
            "round 3 of 10, 1 of 2 updates in, waiting for trainworker-b, accuracy 0.91");
  std::string out, err;
  const std::string text = render_federated_figures(Console::capture(out, err), object);
  for (const char* part : {"received", "2.0 MB", "epsilon 1.5", "aggworker-a", "trainworker-b", "one", "Failing"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_EQ(federated_figures_json(object).at("progress").at("round"), 3);
  EXPECT_EQ(federated_progress_line(job("{}")), "");
}

// FJ-1.11
TEST(FederatedFigures, TheStateOfAJobIsItsOwn) {
  const auto state = [](std::string_view conditions) {
    return summarise_service(api::kinds::kFederatedLearningJob, job("{conditions: " + std::string(conditions) + "}"));
  };
  const auto pending = state(R"([{type: InsecureTransport, status: "True"},
                                 {type: Training, status: "False", reason: ModelNotFound, message: none}])");
  EXPECT_EQ(pending.state, "Pending");
  EXPECT_FALSE(pending.healthy);
  EXPECT_TRUE(pending.waiting);
  EXPECT_TRUE(state(R"([{type: InsecureTransport, status: "True"}, {type: Training, status: "True"}])").healthy);
  EXPECT_TRUE(state(R"([{type: Training, status: "False"}, {type: Complete, status: "True"}])").healthy);
  EXPECT_FALSE(state(R"([{type: Failed, status: "True"}])").healthy);
}

}  // namespace
}  // namespace sedna::cli
