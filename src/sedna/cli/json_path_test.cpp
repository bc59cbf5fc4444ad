#include "sedna/cli/json_path.hpp"

#include <gtest/gtest.h>

namespace sedna::cli {
namespace {

json::value sample() {
  return json::parse(R"({
    "kind": "List",
    "items": [
      {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1,
       "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Failed", "status": "False"}]}},
      {"metadata": {"name": "b"}, "n": 12, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    ]})")
      .value();
}

std::string render(std::string_view text) {
  return render_json_path(text, sample()).value();
}

// HOME-1.4
TEST(JsonPath, PathsAsKubectlReadsThem) {
  EXPECT_EQ(render("{.kind}"), "List");
  EXPECT_EQ(render(".kind"), "List");
  EXPECT_EQ(render("{.items[*].metadata.name}"), "a b");
  EXPECT_EQ(render("{.items[0].metadata.name}"), "a");
  EXPECT_EQ(render("{.items[-1:].metadata.name}"), "b");
  EXPECT_EQ(render("{.items[-1].metadata.name}"), "b");
  EXPECT_EQ(render("{.items[0:2].n}"), "1 12");
  EXPECT_EQ(render("{.items[0,1].n}"), "1 12");
  EXPECT_EQ(render("{.items[0]['metadata']['name']}"), "a");
  EXPECT_EQ(render("{..name}"), "a b");
  EXPECT_EQ(render(R"({.items[0].metadata.labels.app\.kubernetes\.io/name})"), "x");
  EXPECT_EQ(render(R"({.items[0].metadata.labels['app.kubernetes.io/name']})"), "x");
  EXPECT_EQ(render("{.items[1].metadata}"), R"({"name":"b"})");
  EXPECT_EQ(render("{.missing.field}"), "");
}

// HOME-1.4
TEST(JsonPath, Filters) {
  EXPECT_EQ(render(R"({.items[*].status.conditions[?(@.type=="Ready")].status})"), "True False");
  EXPECT_EQ(render("{.items[?(@.n>2)].metadata.name}"), "b");
  EXPECT_EQ(render("{.items[?(@.n<=1)].metadata.name}"), "a");
  EXPECT_EQ(render("{.items[?(@.metadata.labels)].metadata.name}"), "a");
  EXPECT_EQ(render("{.items[?(@.metadata.name!='a')].n}"), "12");
}

// HOME-1.4
TEST(JsonPath, RangesAndText) {
  EXPECT_EQ(render(R"({range .items[*]}{.metadata.name}{"\t"}{.n}{"\n"}{end})"), "a\t1\nb\t12\n");
  EXPECT_EQ(render("name={.items[0].metadata.name}, n={.items[0].n}"), "name=a, n=1");
  EXPECT_EQ(render("{range .none[*]}x{end}done"), "done");
}

// HOME-1.4
TEST(JsonPath, ErrorsSayWhatIsWrong) {
  EXPECT_FALSE(render_json_path("{.items[", sample()));
  EXPECT_FALSE(render_json_path("{.items[0]", sample()));
  EXPECT_FALSE(render_json_path("{range .items[*]}x", sample()));
  EXPECT_FALSE(render_json_path("{end}", sample()));
  EXPECT_FALSE(render_json_path("{.items[x]}", sample()));
  const auto missing = render_json_path("{.nope}", sample(), false);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("'nope'"), std::string::npos);
}

}  // namespace
}  // namespace sedna::cli
