#include "sedna/api/quantity.hpp"

#include <gtest/gtest.h>

namespace sedna::api {
namespace {

std::string canonical(std::string_view text) {
  const auto q = Quantity::parse(text);
  return q ? q->canonical() : "none";
}

// RES-2.5
TEST(Quantity, Canonical) {
  const std::pair<const char*, const char*> cases[] = {
      {"1", "1"},         {"1000m", "1"},      {"0.5", "500m"},  {"1500m", "1500m"}, {"64Mi", "64Mi"},
      {"1024Mi", "1Gi"},  {"1.5Gi", "1536Mi"}, {"0.5Ki", "512"}, {"1e3", "1e3"},     {"1000", "1k"},
      {"12345", "12345"}, {"2e6", "2e6"},      {"100n", "100n"}, {"0.1n", "1n"},     {"-1", "-1"},
      {"+5", "5"},        {".5", "500m"},      {"5.", "5"},      {"0", "0"},         {"0Mi", "0"},
      {"1E", "1E"},       {"1Ei", "1Ei"},      {"1e-3", "1e-3"}, {"1.25k", "1250"},  {"00012", "12"},
      {"none", "none"},   {"", "none"},        {"1x", "none"},   {"1.2.3", "none"},  {".", "none"},
      {"1e", "none"},     {"--1", "none"},     {"1 Mi", "none"}, {"1mi", "none"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(canonical(text), wanted) << text;
}

// RES-2.5
TEST(Quantity, Numbers) {
  EXPECT_EQ(Quantity::parse("64Mi")->value(), 64 << 20);
  EXPECT_EQ(Quantity::parse("100m")->milli_value(), 100);
  EXPECT_EQ(Quantity::parse("100m")->value(), 1);
  EXPECT_EQ(Quantity::parse("1.5")->milli_value(), 1500);
  EXPECT_EQ(Quantity::parse("-1500m")->value(), -1);
  EXPECT_EQ(Quantity::parse("99999999999999999999999999999999999E")->value(), std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(*Quantity::parse("1Gi") > *Quantity::parse("1G"));
  EXPECT_EQ(Quantity::from_json(json::value(2))->canonical(), "2");
  EXPECT_EQ(Quantity::from_json(json::value(0.25))->canonical(), "250m");
  EXPECT_EQ(Quantity::from_json(json::value(true)), std::nullopt);
}

}  // namespace
}  // namespace sedna::api
