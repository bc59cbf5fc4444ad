#include "sedna/algo/hard_example.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/algo/parameters.hpp"
#include "sedna/algo/python_random.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// JI-7.11
TEST(Registry, KnowsThePresetsAndSaysSo) {
  for (const char* name : {"Threshold", "CrossEntropy", "IBT", "Random", "CloudOnly", "EdgeOnly", "BertRouter", "MSP",
                           "Entropy", "TemperatureMSP"}) {
    EXPECT_THAT(filter_names(), Contains(name));
    EXPECT_EQ(make_filter(name, {})->name(), name);
  }
  try {
    make_filter("Treshold", {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNotFound);
    EXPECT_THAT(e.what(), HasSubstr("Treshold"));
    EXPECT_THAT(e.what(), HasSubstr("TemperatureMSP, Threshold"));
  }
}

class OddCount : public HardExampleFilter {
 public:
  std::string_view name() const override { return "OddCount"; }
  EdgeResult::Form form() const override { return EdgeResult::Form::kProbabilities; }
  Verdict judge(const EdgeResult& result) const override {
    const bool odd = result.values.size() % 2 == 1;
    return {odd, odd ? Reason::kHard : Reason::kEasy, odd ? 1.0 : 0.0};
  }
};

// JI-4.4
TEST(Registry, TakesFiltersOfUsersAndTheLastOneWins) {
  register_filter("Mine", [](const Parameters&) { return make_filter("CloudOnly", {}); });
  register_filter("Mine", [](const Parameters&) { return std::make_unique<OddCount>(); });
  const std::vector<double> three{1, 2, 3};
  const auto mine = make_filter("Mine", {});
  EXPECT_TRUE(mine->judge({EdgeResult::Form::kProbabilities, three, true}).hard);
  EXPECT_FALSE(mine->threshold_as_parameter(0.5).has_value());
}

// JI-4.5, JI-7.11
TEST(Parameters, NameTheKeyTheValueAndWhatWouldBeRight) {
  try {
    make_filter("IBT", {{"threshold_img", "high"}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(e.subject(), "threshold_img");
    EXPECT_STREQ(e.what(), "threshold_img: is \"high\", but the filter IBT needs a number, for example 0.5");
  }
  EXPECT_THROW(make_filter("TemperatureMSP", {{"temperature", "0"}}), Error);
  EXPECT_THROW(make_filter("TemperatureMSP", {{"temperature", "inf"}}), Error);
  EXPECT_THROW(make_filter("MSP", {{"input", "scores"}}), Error);
  EXPECT_THROW(make_filter("Energy", {{"input", "probabilities"}}), Error);
  EXPECT_THROW(make_filter("BoxCount", {{"empty_is_hard", "perhaps"}}), Error);
  EXPECT_EQ(make_filter("MSP", {{"input", "logits"}})->form(), EdgeResult::Form::kLogits);
}

// JI-4.5
TEST(Parameters, UnknownOnesAreIgnoredButTold) {
  const auto filter = make_filter("Threshold", {{"treshold", "0.9"}, {"threshold", "0.4"}});
  EXPECT_THAT(filter->ignored_parameters(), ElementsAre("treshold"));
  EXPECT_THAT(make_filter("CloudOnly", {{"threshold", "x"}})->ignored_parameters(), ElementsAre("threshold"));
}

// JI-4.5
TEST(Numbers, ReadAsPythonReadsThem) {
  EXPECT_EQ(parse_number(" +0.5\n"), 0.5);
  EXPECT_EQ(parse_number("1_000"), 1000);
  EXPECT_EQ(parse_number("-Infinity"), -HUGE_VAL);
  EXPECT_EQ(parse_number("1e999"), HUGE_VAL);
  EXPECT_EQ(parse_number("1e-999"), 0);
  EXPECT_TRUE(parse_number("NaN").has_value());
  for (const char* bad : {"", " ", "abc", "0.5x", "_1", "1_", "1__0", "0x10", "+-1", "nan(1)", "1,5"}) {
    EXPECT_FALSE(parse_number(bad).has_value()) << bad;
  }
  EXPECT_EQ(number_text(0.1), "0.1");
}

TEST(PythonRandom, DrawsWhatPythonDraws) {
  PythonRandom zero(0);
  EXPECT_DOUBLE_EQ(zero.uniform(), 0.8444218515250481);
  EXPECT_DOUBLE_EQ(zero.uniform(), 0.7579544029403025);
  PythonRandom large(std::uint64_t{1} << 40);
  EXPECT_DOUBLE_EQ(large.uniform(), 0.1036394562812375);
}

}  // namespace
}  // namespace sedna::algo
