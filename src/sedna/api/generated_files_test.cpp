// The committed CRD files, reference pages and samples against the kinds' descriptions.
#include "sedna/api/generated_files.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "sedna/api/admission.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::api {
namespace {

const std::string kRoot = SEDNA_SOURCE_DIR;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

void check(const std::string& path, const std::string& wanted) {
  if (std::getenv("SEDNA_UPDATE_FILES") != nullptr) {
    std::ofstream(kRoot + path, std::ios::binary) << wanted;
    return;
  }
  EXPECT_EQ(read_file(kRoot + path).value_or("missing"), wanted)
      << path << " is stale: run SEDNA_UPDATE_FILES=1 api_test --gtest_filter='GeneratedFiles.*'";
}

std::vector<const Kind*> sedna_kinds() {
  std::vector<const Kind*> out;
  for (const Kind* kind : all_kinds()) {
    if (kind->category == "sedna") out.push_back(kind);
  }
  return out;
}

std::string sample_of(const Kind& kind) {
  return read_file(kRoot + "/docs/reference/samples/" + std::string(kind.singular) + ".yaml").value_or("");
}

// RES-1.4
TEST(GeneratedFiles, CrdsAreCurrent) {
  for (const Kind* kind : sedna_kinds()) {
    check("/deploy/crds/sedna.io_" + std::string(kind->plural) + ".yaml", crd_file(*kind));
  }
}

// RES-1.4
TEST(GeneratedFiles, ReferenceIsCurrent) {
  for (const Kind* kind : sedna_kinds()) {
    check("/docs/reference/" + std::string(kind->singular) + ".md", reference_page(*kind, sample_of(*kind)));
  }
  check("/docs/reference/README.md", reference_index());
}

// RES-1.4
TEST(GeneratedFiles, CrdsFitClientSideApply) {
  // kubectl keeps the whole file in an annotation; all annotations together may be 256 KiB.
  for (const Kind* kind : sedna_kinds()) {
    EXPECT_LT(json::write(custom_resource_definition(*kind)).size(), 200U << 10) << kind->kind;
  }
}

// RES-1.4
TEST(GeneratedFiles, SamplesAreValid) {
  for (const Kind* kind : sedna_kinds()) {
    const auto documents = json::parse_yaml(sample_of(*kind));
    ASSERT_TRUE(documents) << documents.error().what();
    ASSERT_EQ(documents->size(), 1U) << "no sample of " << kind->kind;
    Object object = documents->front().get_object();
    EXPECT_EQ(find_kind(object), kind);
    std::vector<std::string> unknown, hints;
    make_object(object, {"metadata"})["namespace"] = "default";
    prune_and_default(*kind, object, unknown, &hints);
    for (const auto& e : validate(*kind, object)) ADD_FAILURE() << kind->kind << ": " << e.text();
    EXPECT_TRUE(unknown.empty()) << unknown.front();
    EXPECT_TRUE(hints.empty()) << hints.front();
  }
}

}  // namespace
}  // namespace sedna::api
