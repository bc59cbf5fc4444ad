// YAML in both directions, compared with what kubectl's library (sigs.k8s.io/yaml 1.4.0) made of the same input:
// tests/compat/vectors/yaml.jsonl holds {"yaml", "json"}, {"yaml", "error"} and {"value", "written"}.
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/json/yaml.hpp"

namespace sedna::json {
namespace {

// RES-4.1, RES-4.3
TEST(Yaml, AsRecordedFromKubectlsLibrary) {
  std::ifstream in(SEDNA_SOURCE_DIR "/tests/compat/vectors/yaml.jsonl");
  ASSERT_TRUE(in) << "tests/compat/vectors/yaml.jsonl is missing";
  std::size_t seen = 0;
  for (std::string line; std::getline(in, line); ++seen) {
    const auto record = parse(line).value();
    const object& o = record.get_object();
    if (const auto* text = o.if_contains("yaml")) {
      const auto documents = parse_yaml(text->get_string());
      if (o.contains("error")) {
        EXPECT_FALSE(documents) << line;
        continue;
      }
      ASSERT_TRUE(documents) << line << documents.error().what();
      EXPECT_TRUE((documents->empty() ? value(nullptr) : documents->front()) == o.at("json")) << line;
    } else {
      EXPECT_EQ(write_yaml(o.at("value")), std::string_view(o.at("written").get_string())) << line;
    }
  }
  EXPECT_GT(seen, 300U);
}

}  // namespace
}  // namespace sedna::json
