#include "sedna/federated/server_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sedna::federated {
namespace {

std::string reason(const std::map<std::string, std::string>& settings) {
  AggregationServerOptions options;
  try {
    apply_settings(options, settings);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

// FL-4.7
TEST(ServerSettings, AreAppliedByName) {
  AggregationServerOptions o;
  apply_settings(o, {{"algorithm", "FedAdam,tau=0.1"},
                     {"robust", "Median"},
                     {"strict", "false"},
                     {"round-deadline", "1.5"},
                     {"quorum", "3"},
                     {"select", "oort,explore=0.5"},
                     {"over-select", "1.3"},
                     {"select-pool", "20"},
                     {"select-wait", "5"},
                     {"seed", "9"},
                     {"stop-metric", "-loss"},
                     {"stop-target", "0.25"},
                     {"durability", "update"},
                     {"staging-mb", "10"}});
  EXPECT_EQ(o.rules.algorithm, "FedAdam,tau=0.1");
  EXPECT_EQ(o.rules.robust, "Median");
  EXPECT_EQ(o.rounds.round_deadline, std::chrono::milliseconds(1500));
  EXPECT_EQ(o.rounds.quorum, 3u);
  EXPECT_EQ(o.rounds.selection.policy, "oort,explore=0.5");
  EXPECT_EQ(o.rounds.selection.over, 1.3);
  EXPECT_EQ(o.rounds.selection.pool, 20u);
  EXPECT_EQ(o.rounds.selection.wait, std::chrono::seconds(5));
  EXPECT_EQ(o.rounds.selection.seed, 9u);
  EXPECT_THAT(reason({{"select", "fastest"}}), testing::HasSubstr("there are oort, random, weighted"));
  EXPECT_EQ(o.rounds.stop.metric, "loss");
  EXPECT_TRUE(o.rounds.stop.smaller_is_better);
  EXPECT_EQ(o.rounds.stop.target, 0.25);
  EXPECT_EQ(o.durability, Durability::kUpdate);
  EXPECT_EQ(o.staging_bytes, 10U << 20);
  EXPECT_THAT(reason({{"algorythm", "FedAvg"}}), testing::HasSubstr("is no setting; there are algorithm, robust"));
  EXPECT_THAT(reason({{"quorum", "two"}}), testing::HasSubstr("quorum: is 'two'; it must be a number"));
  EXPECT_THAT(reason({{"quorum", "1.5"}}), testing::HasSubstr("whole number"));
  EXPECT_THAT(reason({{"durability", "never"}}), testing::HasSubstr("round or update"));
  EXPECT_THAT(reason({{"strict", "maybe"}}), testing::HasSubstr("true or false"));
  for (const SettingHelp& setting : server_settings()) EXPECT_FALSE(setting.help.empty()) << setting.name;
  o = AggregationServerOptions();
  o.aggregation = "SCAFFOLD";
  apply_settings(o, {});
  EXPECT_EQ(o.rules.algorithm, "SCAFFOLD") << "an aggregation that is called as an algorithm is that one";
  o.aggregation = "mine";
  o.rules = RuleOptions();
  apply_settings(o, {});
  EXPECT_EQ(o.rules.algorithm, "FedAvg");
  const worker::Context context({{"SEDNA_FL_SOFT_DEADLINE", "9"}, {"SEDNA_FL_CLIP", ""}});
  EXPECT_THAT(settings_from_environment(context), testing::ElementsAre(testing::Pair("soft-deadline", "9")));
}

}  // namespace
}  // namespace sedna::federated
