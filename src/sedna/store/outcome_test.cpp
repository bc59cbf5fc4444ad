#include "sedna/store/outcome.hpp"

#include <gtest/gtest.h>

#include "sedna/store/api_server.hpp"

namespace sedna::store {
namespace {

TEST(Status, WritesWhatKubernetesWrites) {
  Status status;
  status.code = 422;
  status.reason = "Invalid";
  status.message = "Dataset.sedna.io \"a\" is invalid: spec.url: Required value";
  status.name = "a";
  status.group = "sedna.io";
  status.kind = "datasets";
  status.causes.push_back({"FieldValueRequired", "Required value", "spec.url"});
  EXPECT_EQ(json::write(status.to_json()),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
            R"("message":"Dataset.sedna.io \"a\" is invalid: spec.url: Required value","reason":"Invalid",)"
            R"("details":{"name":"a","group":"sedna.io","kind":"datasets",)"
            R"("causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.url"}]},"code":422})");
  const Status back = Status::from_json(status.to_json(), 200);
  EXPECT_EQ(json::write(back.to_json()), json::write(status.to_json()));
  EXPECT_TRUE(back.is_invalid());
}

TEST(Status, OfABodyThatIsNoneComesFromTheHttpStatus) {
  const Status status = Status::from_json(json::object{{"error", "bad gateway"}}, 502);
  EXPECT_EQ(status.code, 502);
  EXPECT_EQ(status.reason, "InternalError");
  EXPECT_TRUE(status.is_transient());
  EXPECT_EQ(Status::from_json({}, 410).reason, "Expired");
  EXPECT_TRUE(Status::from_json({}, 429).is_transient());
  EXPECT_EQ(Status::from_json(json::object{{"code", 200}}, 0).code, 500);
}

TEST(Status, BecomesAnErrorThatNamesTheObject) {
  Status status;
  status.code = 409;
  status.reason = "AlreadyExists";
  status.message = "datasets.sedna.io \"a\" already exists";
  status.name = "a";
  status.group = "sedna.io";
  status.kind = "datasets";
  EXPECT_EQ(status.to_error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(status.to_error().subject(), "datasets.sedna.io/a");
  status.reason = "Conflict";
  EXPECT_EQ(status.to_error().code(), ErrorCode::kConflict);
}

TEST(MergePatch, AListNeedsAResourceVersion) {
  const json::object with_list{{"status", json::object{{"conditions", json::array()}}}};
  EXPECT_DEATH(MergePatch{with_list}, "resource_version_of");
  const MergePatch patch(with_list, "12");
  EXPECT_EQ(api::resource_version_of(patch.body()), "12");
  EXPECT_EQ(MergePatch(json::object{{"spec", json::object{{"replicas", 2}}}}).body().size(), 1u);
}

}  // namespace
}  // namespace sedna::store
