// What our server makes of sparse objects, compared with what a real kube-apiserver was recorded to make of them.
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/api/admission.hpp"

namespace sedna::api {
namespace {

/// Members that the store sets and not the defaults: name, generation, status, and what is allocated.
void drop_server_parts(Object& o) {
  o.erase("metadata");
  o.erase("status");
  if (auto* spec = o.if_contains("spec"); spec != nullptr && spec->is_object()) {
    auto& s = spec->get_object();
    if (const auto* ip = s.if_contains("clusterIP"); ip != nullptr && *ip != json::value("None")) {
      s.erase("clusterIP");
      s.erase("clusterIPs");
    }
    if (kind_of(o) == "Namespace" || kind_of(o) == "Node") o.erase("spec");
  }
}

// RES-2.4
TEST(CoreDefaults, AsRecorded) {
  std::ifstream in(SEDNA_SOURCE_DIR "/tests/compat/vectors/core_defaults.jsonl");
  ASSERT_TRUE(in) << "tests/compat/vectors/core_defaults.jsonl is missing";
  std::size_t seen = 0;
  for (std::string line; std::getline(in, line);) {
    auto record = json::parse(line).value().get_object();
    Object object = record["sent"].get_object();
    Object stored = record["stored"].get_object();
    const Kind* kind = find_kind(object);
    ASSERT_NE(kind, nullptr);
    EXPECT_EQ(decode_fault(*kind, object), std::nullopt) << line;
    make_object(object, {"metadata"})["namespace"] = "default";
    std::vector<std::string> unknown;
    prune_and_default(*kind, object, unknown);
    EXPECT_TRUE(unknown.empty()) << line;
    if (!kind->namespaced) make_object(object, {"metadata"}).erase("namespace");
    for (const auto& e : validate(*kind, object)) ADD_FAILURE() << e.text() << "\n" << line;
    // What was stored comes back and stays as it is.
    Object again = object;
    prune_and_default(*kind, again, unknown);
    EXPECT_TRUE(again == object) << json::write(again);
    drop_server_parts(object);
    drop_server_parts(stored);
    EXPECT_EQ(object, stored) << json::write(object) << "\n" << json::write(stored);
    ++seen;
  }
  EXPECT_GE(seen, 15U);
}

}  // namespace
}  // namespace sedna::api
