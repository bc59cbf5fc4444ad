#include "sedna/json/json.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "sedna/json/duplicates.hpp"

namespace sedna::json {
namespace {

std::string error_of(std::string_view text, const ParseOptions& options = {}) {
  const auto result = parse(text, options);
  return result ? std::string("accepted") : std::string(result.error().what());
}

std::string round_trip(std::string_view text, const WriteOptions& options = {}) {
  return write(parse(text, python_options()).value(), options);
}

// JI-2.5
TEST(Json, NumbersPrintAsPythonPrintsThem) {
  const std::pair<double, const char*> cases[] = {{0.20000000000000004, "0.20000000000000004"},
                                                  {10.0, "10.0"},
                                                  {1e16, "1e+16"},
                                                  {1e15, "1000000000000000.0"},
                                                  {123456789012345680.0, "1.2345678901234568e+17"},
                                                  {1e-4, "0.0001"},
                                                  {1e-5, "1e-05"},
                                                  {-0.0, "-0.0"},
                                                  {1e300, "1e+300"},
                                                  {5e-324, "5e-324"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {0.1, "0.1"},
                                                  {static_cast<double>(0.2F), "0.20000000298023224"},
                                                  {-1234.5, "-1234.5"},
                                                  {0.00012345, "0.00012345"},
                                                  {9007199254740993.0, "9007199254740992.0"},
                                                  {std::nan(""), "NaN"},
                                                  {-HUGE_VAL, "-Infinity"}};
  for (const auto& [number, expected] : cases) {
    std::string text;
    append_number(text, number);
    EXPECT_EQ(text, expected);
  }
}

// JI-2.5
TEST(Json, NumbersReadExactly) {
  EXPECT_EQ(parse("0.20000000000000004").value().as_double(), 0.20000000000000004);
  EXPECT_EQ(parse("9007199254740993").value().as_int64(), 9007199254740993);
  EXPECT_EQ(parse("-9223372036854775808").value().as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("18446744073709551615").value().as_uint64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse("18446744073709551616").value().as_double(), 18446744073709551616.0);
  EXPECT_EQ(parse("-9223372036854775809").value().as_double(), -9223372036854775809.0);
  EXPECT_EQ(parse("1e400").value().as_double(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse("-1e400").value().as_double(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse("1e-400").value().as_double(), 0.0);
  EXPECT_EQ(parse("0.000001e-400").value().as_double(), 0.0);
  EXPECT_EQ(parse("1e99999999999999999999").value().as_double(), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::signbit(parse("-0.0").value().as_double()));
}

TEST(Json, WritesWhatUpstreamsPeersWrite) {
  EXPECT_EQ(round_trip("{\"result\": [[0.0, 0.0, 10.0, 10.0, 0.99, 1], [1.0, 0.9, 2.5]]}"),
            "{\"result\":[[0.0,0.0,10.0,10.0,0.99,1],[1.0,0.9,2.5]]}");
  EXPECT_EQ(round_trip("{\"post_process\":null,\"data\":[1,true,\"é中\"]}", WriteOptions::python()),
            "{\"post_process\": null, \"data\": [1, true, \"\\u00e9\\u4e2d\"]}");
  EXPECT_EQ(round_trip("[{\"a\":[1,null]},\"é中\\n\\u0001\\u007f\\ud83d\\ude00\"]"),
            "[{\"a\":[1,null]},\"é中\\n\\u0001\x7f😀\"]");
  EXPECT_EQ(round_trip("[\"\\u007f\\ud83d\\ude00\\\"\\\\/\"]", WriteOptions::python()),
            "[\"\\u007f\\ud83d\\ude00\\\"\\\\/\"]");
  EXPECT_EQ(round_trip("[NaN, -Infinity]", WriteOptions::python()), "[NaN, -Infinity]");
  EXPECT_THROW(round_trip("[NaN]"), Error);
}

// JI-7.8
TEST(Json, ErrorsSayWhatAndWhereInPythonsWords) {
  EXPECT_EQ(error_of("{not json"), "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)");
  EXPECT_EQ(error_of(""), "Expecting value: line 1 column 1 (char 0)");
  EXPECT_EQ(error_of("[1,\n 2,]"), "Expecting value: line 2 column 4 (char 7)");
  EXPECT_EQ(error_of("[1 2]"), "Expecting ',' delimiter: line 1 column 4 (char 3)");
  EXPECT_EQ(error_of("{\"a\" 1}"), "Expecting ':' delimiter: line 1 column 6 (char 5)");
  EXPECT_EQ(error_of("[01]"), "Expecting ',' delimiter: line 1 column 3 (char 2)");
  EXPECT_EQ(error_of("1 1"), "Extra data: line 1 column 3 (char 2)");
  EXPECT_EQ(error_of("[\"é\", x]"), "Expecting value: line 1 column 7 (char 6)");
  EXPECT_EQ(error_of("[\"abc"), "Unterminated string starting at: line 1 column 2 (char 1)");
  EXPECT_EQ(error_of("[\"x\\u00e9"), "Invalid \\uXXXX escape: line 1 column 5 (char 4)");
  EXPECT_EQ(error_of("[NaN]"), "Expecting value: line 1 column 2 (char 1)");
  EXPECT_EQ(error_of("{\"a\":1,\"a\":2}"), "duplicate key \"a\": line 1 column 7 (char 6)");
  EXPECT_EQ(error_of("[\"\xff\"]"), "invalid UTF-8 in a string: line 1 column 3 (char 2)");
  EXPECT_EQ(error_of("[\"\\ud800\"]"), "lone surrogate in a string: line 1 column 3 (char 2)");
}

// JI-7.8
TEST(Json, LimitsHold) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  const auto deep = parse(std::string(100000, '['));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(deep.error().message(), "nested deeper than 64 levels: line 1 column 65 (char 64)");
  ParseOptions small;
  small.limits.max_bytes = 4;
  EXPECT_EQ(parse("[1,2]", small).error().code(), ErrorCode::kResourceExhausted);
  Scanner scanner("[[[1]]]", Limits{2, 100, false});
  EXPECT_FALSE(scanner.skip_value());
  EXPECT_TRUE(scanner.failure().limit);
}

TEST(Json, SkippingChecksAsReadingDoes) {
  for (const std::string_view text : {"{\"a\":[1,{\"b\":[]}],\"c\":\"x\"}", "[]", "{}", "[[],[{}]]", "[1,]", "{\"a\":}",
                                      "[1", "{\"a\":1]", "[1}", "[\"\\x\"]", "tru", "[truex]"}) {
    Scanner scanner(text);
    const bool skipped = scanner.skip_value() && scanner.finish();
    const auto parsed = parse(text);
    EXPECT_EQ(skipped, parsed.has_value()) << text;
    if (!skipped && !parsed) {
      EXPECT_STREQ(scanner.error().what(), parsed.error().what()) << text;
    }
  }
}

TEST(Json, WhatNeedsCareIsFoundWhereverItStands) {
  // Every byte at every place around the eight that are looked at together, with another such byte behind it or none.
  for (int byte = 1; byte < 256; ++byte) {
    const bool plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
    for (std::size_t at = 0; at < 18; ++at) {
      for (const char behind : {'x', '"', '\x01', '\x80'}) {
        std::string text(at, 'a');
        text += static_cast<char>(byte);
        text += behind;
        text += "bcdefghij";
        const std::size_t first = plain ? (behind == 'x' ? text.size() : at + 1) : at;
        ASSERT_EQ(skip_plain(text.data(), text.data() + text.size()) - text.data(), static_cast<std::ptrdiff_t>(first))
            << "byte " << byte << " at " << at;
      }
    }
  }
}

TEST(Json, TextsComeBackAsTheyWere) {
  for (std::size_t size = 0; size < 40; ++size) {
    for (const std::string_view piece : {"\"", "\\", "\n", "\x7f", "\xC3\xA9", "\xF0\x9F\x98\x80"}) {
      const std::string text = std::string(size, 'a') + std::string(piece) + std::string(9, 'b');
      const std::string written = write(value(text));
      EXPECT_EQ(parse(written).value().as_string(), text) << written;
    }
  }
}

TEST(Json, FieldsNameTheirPath) {
  const value v = parse(R"({"name":"x","n":3,"r":1.5,"flag":true,"none":null,"list":[]})").value();
  const object& o = v.as_object();
  EXPECT_EQ(require_string(o, "name").value(), "x");
  EXPECT_EQ(require_number(o, "n").value(), 3.0);
  EXPECT_STREQ(require_string(o, "n", "inputs[0]").error().what(), "inputs[0].n: must be a string, not an integer");
  EXPECT_STREQ(require_int(o, "size", "inputs[0]").error().what(), "inputs[0].size: is missing; it must be an integer");
  EXPECT_EQ(optional_bool(o, "none").value(), std::nullopt);
  EXPECT_EQ(optional_bool(o, "flag").value(), true);
  EXPECT_FALSE(optional_int(o, "r").has_value());
  EXPECT_TRUE(require_array(o, "list").value()->empty());
  EXPECT_STREQ(as_object(parse("[1]").value(), "body").error().what(), "body: must be an object, not an array");
}

// RES-4.4
TEST(Json, TellsMembersThatStandTwice) {
  EXPECT_EQ(duplicate_members(R"({"a":1,"b":{"c":[{"d":1,"d":2,"d":3}],"c":1},"a":{}})"),
            (std::vector<std::string>{"b.c[0].d", "b.c", "a"}));
  EXPECT_TRUE(duplicate_members(R"({"a":{"x":1},"b":{"x":1}})").empty());
  EXPECT_TRUE(duplicate_members("{").empty());
}

}  // namespace
}  // namespace sedna::json
