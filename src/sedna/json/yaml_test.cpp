#include "sedna/json/yaml.hpp"

#include <gtest/gtest.h>

namespace sedna::json {
namespace {

std::string as_json(std::string_view yaml) {
  auto v = parse_yaml_one(yaml);
  return v ? write(*v) : "error: " + v.error().message();
}

// RES-4.1
TEST(Yaml, ScalarsAsKubectl) {
  const std::pair<const char*, const char*> cases[] = {{"24:00", R"("24:00")"},
                                                       {"on", "true"},
                                                       {"y", "true"},
                                                       {"Off", "false"},
                                                       {"0o17", "15"},
                                                       {"017", "15"},
                                                       {"08", "8"},
                                                       {"1_000", "1000"},
                                                       {"0x1F", "31"},
                                                       {"0b101", "5"},
                                                       {"-0b101", "-5"},
                                                       {"1e3", "1000"},
                                                       {"1.0", "1"},
                                                       {".5", "0.5"},
                                                       {"1e999", R"("1e999")"},
                                                       {"2026-01-31", R"("2026-01-31")"},
                                                       {"~", "null"},
                                                       {"Null", "null"},
                                                       {"nULL", R"("nULL")"},
                                                       {"'on'", R"("on")"},
                                                       {"\"1\"", R"("1")"},
                                                       {"!!str 5", R"("5")"},
                                                       {"!!int \"5\"", "5"},
                                                       {"!!binary aGk=", R"("hi")"},
                                                       {"18446744073709551615", "18446744073709551615"},
                                                       {"-9223372036854775808", "-9223372036854775808"},
                                                       {"+12", "12"},
                                                       {"0.1", "0.1"},
                                                       {"1.2.3", R"("1.2.3")"},
                                                       {"-", "[null]"},
                                                       {"100m", R"("100m")"},
                                                       {"- a\n- [b, {c: d}]", R"(["a",["b",{"c":"d"}]])"},
                                                       {"|\n a\n  b\n", R"("a\n b\n")"},
                                                       {">-\n a\n b\n", R"("a b")"}};
  for (const auto& [yaml, json] : cases) EXPECT_EQ(as_json(yaml), json) << yaml;
}

// RES-4.1
TEST(Yaml, KeysBecomeText) {
  EXPECT_EQ(as_json("on: 1\n2: 3\n1.5: 4\n1e6: 5\nx: 6"), R"({"true":1,"2":3,"1.5":4,"1e+06":5,"x":6})");
  EXPECT_TRUE(as_json("~: 1").starts_with("error: line 1, column 1: a key must be text"));
  EXPECT_TRUE(as_json("[a]: 1").starts_with("error:"));
}

// RES-4.1
TEST(Yaml, AnchorsAndMerges) {
  EXPECT_EQ(as_json("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\nc: *x"),
            R"({"a":{"p":1,"q":2},"b":{"p":1,"q":3},"c":{"p":1,"q":2}})");
  EXPECT_EQ(as_json("a: &x {p: 1}\nb: &y {p: 2, r: 1}\nc: {<<: [*x, *y]}"),
            R"({"a":{"p":1},"b":{"p":2,"r":1},"c":{"p":1,"r":1}})");
  EXPECT_TRUE(as_json("a: &x [*x]").starts_with("error: line 1, column 8: an anchor's value contains itself"));
  EXPECT_TRUE(as_json("a: {<<: 5}").starts_with("error:"));
}

// RES-4.1
TEST(Yaml, Documents) {
  const auto docs = parse_yaml_documents("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n");
  ASSERT_TRUE(docs);
  ASSERT_EQ(docs->size(), 2U);
  EXPECT_EQ(write((*docs)[1].content), R"({"b":2})");
  EXPECT_TRUE(parse_yaml("").value().empty());
  EXPECT_TRUE(parse_yaml("# only a comment\n").value().empty());
  EXPECT_EQ(parse_yaml("{\"a\": 1}\n{\"a\": \"\\ud83d\\ude00\"}").value().size(), 2U) << "JSON after JSON";
  EXPECT_EQ(as_json("{a: 1, b: [c]}"), R"({"a":1,"b":["c"]})") << "not JSON after all";
  EXPECT_FALSE(parse_yaml_one("a: 1\n---\nb: 2"));
  EXPECT_EQ(parse_yaml("a: 1\n...\n# c\nb: 2\n--- x\n---\n%YAML 1.1\n").value().size(), 3U);
  EXPECT_EQ(as_json("    apiVersion: v1\nkind: ReidJob\n"),
            "error: line 2, column 1: did not find expected <document start>");
}

// RES-4.2
TEST(Yaml, DuplicateKeys) {
  EXPECT_EQ(as_json("a: 1\na: 2"), R"({"a":2})");
  YamlOptions strict;
  strict.refuse_duplicates = true;
  const auto r = parse_yaml("a: 1\nb: 3\na: 2", strict);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message(), "line 3, column 4: key \"a\" already set in map");
}

// RES-4.2
TEST(Yaml, Bounds) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const std::string p(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [*" + p;
    for (int i = 0; i < 9; ++i) bomb += ",*" + p;
    bomb += "]\n";
  }
  auto r = parse_yaml(bomb);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code(), ErrorCode::kResourceExhausted);
  std::string nested = "x: ";
  for (int i = 0; i < 60; ++i) nested += "&a" + std::to_string(i) + " [";
  for (int i = 0; i < 20'000; ++i) nested += "x,";
  r = parse_yaml(nested + std::string(60, ']'));
  ASSERT_FALSE(r) << "each anchor keeps a copy";
  EXPECT_EQ(r.error().code(), ErrorCode::kResourceExhausted);
  std::string aliases = "a: &a " + std::string(1 << 20, 'x') + "\nb: [";
  for (int i = 0; i < 50; ++i) aliases += "*a,";
  r = parse_yaml(aliases + "]");
  ASSERT_FALSE(r) << "aliases of a long text";
  EXPECT_EQ(r.error().code(), ErrorCode::kResourceExhausted);
  r = parse_yaml(std::string(2000, '['));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code(), ErrorCode::kResourceExhausted);
  r = parse_yaml("a: \xff");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message(), "line 1, byte 4: the text is not valid UTF-8");
  EXPECT_FALSE(parse_yaml(std::string_view("a: \0", 4)));
  YamlOptions small;
  small.max_bytes = 3;
  EXPECT_FALSE(parse_yaml("a: bc", small));
  EXPECT_TRUE(as_json("a: .inf").starts_with("error: line 1"));
}

// RES-4.2
TEST(Yaml, ErrorsSayWhere) {
  const auto r = parse_yaml("spec:\n  a: [1, 2\n  b: 3\n");
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().message().starts_with("line 3")) << r.error().message();
  EXPECT_EQ(as_json("spec:\n  a: 1\n  format\n"),
            "error: line 3, column 3: could not find expected ':' after \"format\"");
  EXPECT_EQ(as_json("a:\nb: &x\nc: {d, e: }\n? f\n"), R"({"a":null,"b":null,"c":{"d":null,"e":null},"f":null})");
}

std::string yaml_of(std::string_view json) {
  return write_yaml(parse(json).value());
}

// RES-4.3
TEST(YamlWriter, AsKubectl) {
  EXPECT_EQ(
      yaml_of(R"({"kind":"Pod","apiVersion":"v1","metadata":{"labels":{},"creationTimestamp":"2026-01-31T13:05:59Z"},
    "spec":{"containers":[{"name":"a","args":["-c","echo: x"," lead"],"env":[]},{"name":"b"}],"n":5,"f":0.5,"z":null,
    "yes":"yes","num":"017","t":"24:00","empty":"","multi":"a\nb\n","last":"a\nb"}})"),
      R"(apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: "2026-01-31T13:05:59Z"
  labels: {}
spec:
  containers:
  - args:
    - -c
    - 'echo: x'
    - ' lead'
    env: []
    name: a
  - name: b
  empty: ""
  f: 0.5
  last: |-
    a
    b
  multi: |
    a
    b
  "n": 5
  num: "017"
  t: "24:00"
  "yes": "yes"
  z: null
)");
  EXPECT_EQ(yaml_of("[[1,[2]],{}]"), "- - 1\n  - - 2\n- {}\n");
  EXPECT_EQ(yaml_of(R"({"b10":1,"b9":1,"B":1,"_":1,"a":1,"1":1})"), "_: 1\n\"1\": 1\nB: 1\na: 1\nb9: 1\nb10: 1\n");
  EXPECT_EQ(yaml_of(R"({"1x":1,"1200":1,"500":1})"), yaml_of(R"({"500":1,"1200":1,"1x":1})")) << "go-yaml's circle";
}

// RES-4.3
TEST(YamlWriter, FoldsLongText) {
  EXPECT_EQ(yaml_of(R"({"m":")" + std::string(40, 'a') + " " + std::string(50, 'b') + R"( c"})"),
            "m: " + std::string(40, 'a') + " " + std::string(50, 'b') + "\n  c\n");
}

// RES-4.3
TEST(YamlWriter, ReadsBack) {
  for (const char* text : {"",
                           "a",
                           "'",
                           "\"",
                           "a'b",
                           "# x",
                           "a #b",
                           "a: b",
                           "- a",
                           "-",
                           "?",
                           "? a",
                           "true",
                           "1e3",
                           ".inf",
                           "2026-1-2",
                           "line\n",
                           "\nline",
                           " lead\nmore",
                           "tab\tx",
                           "\x01",
                           "\xc3\xa4",
                           "\xf0\x9f\x98\x80",
                           "a\n\n",
                           "trail \nx",
                           "<<",
                           "1:30",
                           "{",
                           "}",
                           "%a",
                           "@",
                           "`",
                           "---",
                           "...",
                           "\xc2\x85"}) {
    const value v = object{{"k", text}, {text, 1}};
    const auto back = parse_yaml_one(write_yaml(v));
    ASSERT_TRUE(back) << text << "\n" << write_yaml(v) << back.error().message();
    EXPECT_EQ(*back, v) << write_yaml(v);
  }
}

}  // namespace
}  // namespace sedna::json
