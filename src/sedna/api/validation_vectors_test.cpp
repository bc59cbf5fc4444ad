// What we say of faulty objects, compared with what a real kube-apiserver was recorded to say
// (tools/record_validation.py): the same causes and the same message.
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/api/admission.hpp"

namespace sedna::api {
namespace {

/// The message of our answer and its causes; "" when the object is accepted.
std::string answer(Object object, json::array& causes) {
  const Kind* kind = find_kind(object);
  if (auto fault = decode_fault(*kind, object)) return *fault;
  if (kind->namespaced) make_object(object, {"metadata"}).emplace("namespace", "default");
  std::vector<std::string> unknown;
  prune_and_default(*kind, object, unknown);
  if (!unknown.empty()) return strict_message(*kind, unknown);
  const auto errors = validate(*kind, object);
  for (const auto& e : errors) {
    causes.push_back(json::object{{"reason", e.reason}, {"message", e.message}, {"field", e.field}});
  }
  return errors.empty() ? std::string() : invalid_message(*kind, name_of(object), errors);
}

// RES-2.2, RES-2.3
TEST(Validation, AsRecorded) {
  std::ifstream in(SEDNA_SOURCE_DIR "/tests/compat/vectors/validation.jsonl");
  ASSERT_TRUE(in) << "tests/compat/vectors/validation.jsonl is missing";
  std::size_t seen = 0;
  for (std::string line; std::getline(in, line); ++seen) {
    const auto record = json::parse(line).value().get_object();
    json::array causes;
    const std::string message = answer(record.at("sent").get_object(), causes);
    EXPECT_EQ(message, string_at(record, {"message"})) << line;
    const json::array* wanted = array_at(record, {"causes"});
    EXPECT_EQ(json::write(causes), wanted == nullptr ? "[]" : json::write(*wanted)) << line;
  }
  EXPECT_GT(seen, 150U);
}

}  // namespace
}  // namespace sedna::api
