#include "sedna/api/patch.hpp"

#include <gtest/gtest.h>

#include "sedna/api/admission.hpp"
#include "sedna/api/schema.hpp"

namespace sedna::api {
namespace {

json::value parse(std::string_view text) {
  return json::parse(text).value();
}

// RES-3.2
TEST(MergePatch, VectorsOfRfc7386AppendixA) {
  const char* cases[][3] = {{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
                            {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
                            {R"({"a":"b"})", R"({"a":null})", R"({})"},
                            {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
                            {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
                            {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
                            {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
                            {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
                            {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
                            {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
                            {R"({"a":"foo"})", R"(null)", R"(null)"},
                            {R"({"a":"foo"})", R"("bar")", R"("bar")"},
                            {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
                            {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
                            {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto& c : cases) {
    json::value v = parse(c[0]);
    apply_merge_patch(v, parse(c[1]));
    EXPECT_EQ(v, parse(c[2])) << c[0] << " + " << c[1];
  }
}

// RES-3.2
TEST(MergePatch, MadeAndApplied) {
  const auto from = parse(R"({"a":1,"b":{"c":[1],"d":2},"e":{"f":1}})");
  const auto to = parse(R"({"a":2,"b":{"c":[1,2]},"g":{}})");
  json::value v = from;
  apply_merge_patch(v, make_merge_patch(from, to));
  EXPECT_EQ(v, to);
  EXPECT_EQ(make_merge_patch(to, to), parse("{}"));
}

// RES-3.3
TEST(MergePatch, ThreeWayKeepsWhatOthersSet) {
  const auto last = parse(R"({"spec":{"a":1,"gone":1},"metadata":{"labels":{"x":"1","y":"2"}}})");
  const auto wanted = parse(R"({"spec":{"a":2},"metadata":{"labels":{"x":"1"}}})");
  const auto current = parse(R"({"spec":{"a":1,"gone":1,"defaulted":5},"metadata":{"labels":{"x":"1","y":"2","z":"3"}},
      "status":{"ok":true}})");
  EXPECT_EQ(three_way_merge_patch(last, wanted, current),
            parse(R"({"spec":{"a":2,"gone":null},"metadata":{"labels":{"y":null}}})"));
  EXPECT_EQ(three_way_merge_patch(last, wanted, parse(R"({"spec":{"a":2},"metadata":{"labels":{"x":"1"}}})")),
            parse("{}"));
}

std::string json_patch(std::string_view doc, std::string_view patch) {
  auto r = apply_json_patch(parse(doc), parse(patch));
  return r ? json::write(*r) : "error";
}

// RES-3.2
TEST(JsonPatch, VectorsOfRfc6902AppendixA) {
  const char* cases[][3] = {
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"foo":"bar","baz":"qux"})"},
      {R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])", R"({"foo":["bar","qux","baz"]})"},
      {R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
      {R"({"foo":["bar","qux","baz"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},
      {R"({"baz":"qux","foo":"bar"})", R"([{"op":"replace","path":"/baz","value":"boo"}])",
       R"({"baz":"boo","foo":"bar"})"},
      {R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
       R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
       R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},
      {R"({"foo":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
       R"({"foo":["all","cows","eat","grass"]})"},
      {R"({"baz":"qux","foo":["a",2,"c"]})",
       R"([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}])",
       R"({"baz":"qux","foo":["a",2,"c"]})"},
      {R"({"baz":"qux"})", R"([{"op":"test","path":"/baz","value":"bar"}])", "error"},
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
       R"({"foo":"bar","child":{"grandchild":{}}})"},
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux","xyz":123}])", R"({"foo":"bar","baz":"qux"})"},
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz/bat","value":"qux"}])", "error"},
      {R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10}])", R"({"/":9,"~1":10})"},
      {R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":"10"}])", "error"},
      {R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])",
       R"({"foo":["bar",["abc","def"]]})"},
  };
  for (const auto& c : cases) EXPECT_EQ(json_patch(c[0], c[1]), c[2]) << c[1];
}

// RES-3.2
TEST(JsonPatch, Faults) {
  for (const char* bad : {R"({"op":"add"})", R"([{"op":"add","path":"/a"}])", R"([{"op":"jump","path":"/a"}])",
                          R"([{"op":"remove","path":"/x"}])", R"([{"op":"remove","path":""}])",
                          R"([{"op":"add","path":"a","value":1}])", R"([{"op":"add","path":"/l/01","value":1}])",
                          R"([{"op":"add","path":"/l/5","value":1}])", R"([{"op":"move","from":"/o","path":"/o/x"}])",
                          R"([{"op":"test","path":"/~2","value":1}])", R"([{"op":"copy","path":"/l"}])", "[5]"}) {
    EXPECT_EQ(json_patch(R"({"l":[1],"o":{}})", bad), "error") << bad;
  }
  const auto r =
      apply_json_patch(parse("{}"), parse(R"([{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b"}])"));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().subject(), "[1]");
}

// RES-3.2
TEST(JsonPatch, CopiesOfCopiesAreBounded) {
  std::string patch = "[";
  for (int i = 0; i < 60; ++i) patch += R"({"op":"copy","from":"","path":"/)" + std::to_string(i) + R"("},)";
  patch.back() = ']';
  const auto r = apply_json_patch(parse(R"({"a":"text"})"), parse(patch));
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message().find("exceeding the limit 3145728"), std::string::npos) << r.error().message();
}

json::value strategic(std::string_view target, std::string_view patch, const Kind& kind = kinds::kDeployment) {
  return apply_strategic_merge_patch(parse(target), parse(patch), schema_of(kind)).value();
}

constexpr std::string_view kDeployment = R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}},
  "template":{"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"}],"args":["p","q"]},
  {"name":"b","image":"2"}]}}}})";

// RES-3.4
TEST(StrategicMergePatch, ListsMergeByKey) {
  const auto out = strategic(kDeployment, R"({"spec":{"template":{"spec":{"containers":[
      {"name":"b","image":"3"},{"name":"c","image":"4"},{"name":"a","env":[{"name":"Y","value":"2"}],"args":["r"]}]}}}})");
  EXPECT_EQ(out.at("spec").at("template").at("spec").at("containers"),
            parse(R"([{"name":"b","image":"3"},{"name":"c","image":"4"},{"name":"a","image":"1",
                "env":[{"name":"Y","value":"2"},{"name":"X","value":"1"}],"args":["r"]}])"));
}

// RES-3.4
TEST(StrategicMergePatch, Directives) {
  auto out = strategic(kDeployment, R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"},
      "template":{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],
      "containers":[{"name":"a","$patch":"delete"}]}}}})");
  EXPECT_EQ(out, parse(R"({"spec":{"strategy":{"type":"Recreate"},"template":{"spec":{"containers":[
      {"name":"b","image":"2"}]}}}})"));
  out = strategic(kDeployment,
                  R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}}}})");
  EXPECT_EQ(out.at("spec").at("template").at("spec").at("containers").at(0).at("name"), json::value("b"));
  out = strategic(kDeployment, R"({"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"z"}]}}}})");
  EXPECT_EQ(out.at("spec").at("template").at("spec").at("containers"), parse(R"([{"name":"z"}])"));
  out = strategic(kDeployment, R"({"spec":{"$patch":"replace","replicas":2}})");
  EXPECT_EQ(out, parse(R"({"spec":{"replicas":2}})"));
  out =
      strategic(R"({"metadata":{"finalizers":["a","b"],"labels":{"x":"1","y":"2"}}})",
                R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"],"labels":{"x":null}}})");
  EXPECT_EQ(out, parse(R"({"metadata":{"finalizers":["c","b"],"labels":{"y":"2"}}})"));
}

// RES-3.4
TEST(StrategicMergePatch, Faults) {
  const auto& schema = schema_of(kinds::kDeployment);
  for (
      const char* bad :
      {"[]", R"({"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}})", R"({"spec":{"$patch":"explode"}})",
       R"({"spec":{"$nonsense":1}})", R"({"spec":{"strategy":{"$retainKeys":["a"],"type":"x"}}})",
       R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}}})"}) {
    EXPECT_FALSE(apply_strategic_merge_patch(parse(kDeployment), parse(bad), schema)) << bad;
  }
}

}  // namespace
}  // namespace sedna::api
