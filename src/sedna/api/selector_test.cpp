#include "sedna/api/selector.hpp"

#include <gtest/gtest.h>

namespace sedna::api {
namespace {

json::object labels(std::string_view text) {
  return json::parse(text).value().get_object();
}

bool matches(std::string_view selector, std::string_view text) {
  const auto l = labels(text);
  return LabelSelector::parse(selector).value().matches_labels(&l);
}

// RES-3.1
TEST(LabelSelector, Matches) {
  const char* pod = R"({"app":"ji","tier":"edge","n":"7"})";
  for (const char* yes :
       {"", "app=ji", "app==ji", "app!=x", "app in (a,ji)", "tier notin (cloud)", "app", "!gone", "gone!=x",
        "gone notin (x)", "n>6", "n<8", " app = ji , tier in ( edge ) ", "app in (ji),!x"}) {
    EXPECT_TRUE(matches(yes, pod)) << yes;
  }
  for (const char* no : {"app=x", "app!=ji", "app in (a,b)", "tier notin (edge)", "!app", "gone", "n>7", "n<7",
                         "app=", "gone=", "app=ji,tier=cloud"}) {
    EXPECT_FALSE(matches(no, pod)) << no;
  }
  EXPECT_TRUE(matches("e=", R"({"e":""})"));
  EXPECT_TRUE(matches("in in (in,notin)", R"({"in":"notin"})")) << "words are keywords only between key and values";
}

// RES-3.1
TEST(LabelSelector, Faults) {
  for (const char* bad : {"=", "a=b=c", "a in b", "a in (b", "a,", ",a", "a b", "-a=b", "a=-b", "a>x", "a in (b c)",
                          "!", "a=b,,c", "/a=b", "(a)"}) {
    const auto r = LabelSelector::parse(bad);
    ASSERT_FALSE(r) << bad;
    const std::string& message = r.error().message();
    EXPECT_TRUE(message.starts_with("unable to parse requirement: ") || message.starts_with("found '")) << message;
  }
}

// RES-3.1
TEST(LabelSelector, PrintsAndReadsBack) {
  for (const char* text : {"a=b,!c,d in (e,f),g notin (h),i!=j,k", "x.io/y=z", "n>5,m<6"}) {
    EXPECT_EQ(LabelSelector::parse(text).value().to_string(), text);
  }
}

// RES-3.1
TEST(LabelSelector, FromObjects) {
  const auto s = LabelSelector::from_json(labels(R"({"matchLabels":{"a":"b"},"matchExpressions":[
      {"key":"c","operator":"In","values":["d"]},{"key":"e","operator":"DoesNotExist"}]})"));
  ASSERT_TRUE(s);
  auto l = labels(R"({"a":"b","c":"d"})");
  EXPECT_TRUE(s->matches_labels(&l));
  l["e"] = "";
  EXPECT_FALSE(s->matches_labels(&l));
  EXPECT_FALSE(s->matches_labels(nullptr));
  EXPECT_TRUE(LabelSelector::from_json(labels("{}"))->empty());
  const auto bad =
      LabelSelector::from_json(labels(R"({"matchExpressions":[{"key":"c","operator":"Exists","values":["x"]}]})"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().subject(), "matchExpressions[0].values");
}

// RES-3.1
TEST(FieldSelector, Matches) {
  const Object pod = labels(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"nodeName":"edge0"},
      "status":{"phase":"Running"}})");
  const auto check = [&](std::string_view text) { return FieldSelector::parse(text).value().matches(pod); };
  EXPECT_TRUE(check(""));
  EXPECT_TRUE(check("metadata.name=p,spec.nodeName==edge0"));
  EXPECT_TRUE(check("status.phase!=Failed,spec.restartPolicy="));
  EXPECT_FALSE(check("spec.nodeName=edge1"));
  EXPECT_EQ(FieldSelector::parse("metadata.name=p").value().exact_name(), "p");
  EXPECT_EQ(FieldSelector::parse(R"(metadata.name=a\,b\=c)").value().requirements().front().value, "a,b=c");
  EXPECT_FALSE(FieldSelector::parse("metadata.name"));
  EXPECT_FALSE(FieldSelector::parse("metadata.name=a=b"));
  EXPECT_FALSE(FieldSelector::parse(R"(metadata.name=a\)"));
}

TEST(FieldSelector, BooleansAndEvents) {
  const Object node = labels(R"({"spec":{"unschedulable":true}})");
  EXPECT_TRUE(FieldSelector::parse("spec.unschedulable=true").value().matches(node));
  const Object event = labels(R"({"source":{"component":"gm"},"involvedObject":{"name":"x"}})");
  EXPECT_TRUE(FieldSelector::parse("source=gm,involvedObject.name=x").value().matches(event));
}

// RES-3.1
TEST(FieldSelector, SaysWhatIsUnsupported) {
  const auto s = FieldSelector::parse("spec.url=x").value();
  EXPECT_EQ(s.unsupported_for(kinds::kDataset), "field label not supported: spec.url");
  EXPECT_EQ(s.unsupported_for(kinds::kConfigMap),
            R"("spec.url" is not a known field selector: only "metadata.name", "metadata.namespace")");
  EXPECT_EQ(FieldSelector::parse("spec.nodeName=x").value().unsupported_for(kinds::kPod), std::nullopt);
  EXPECT_EQ(FieldSelector::parse("metadata.name=x,metadata.namespace=y").value().unsupported_for(kinds::kModel),
            std::nullopt);
}

}  // namespace
}  // namespace sedna::api
