#include "sedna/apiserver/request_info.hpp"

#include <gtest/gtest.h>

namespace sedna::apiserver {
namespace {

std::optional<RequestInfo> info(std::string_view method, std::string_view path, std::string_view query = {}) {
  return parse_request(method, path, Query::parse(query).value());
}

TEST(RequestInfo, ReadsWhatAPathMeans) {
  const auto pod = info("GET", "/api/v1/namespaces/default/pods/p");
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->kind, &api::kinds::kPod);
  EXPECT_EQ(pod->verb, Verb::kGet);
  EXPECT_EQ(pod->ns, "default");
  EXPECT_EQ(pod->name, "p");

  const auto all = info("GET", "/apis/sedna.io/v1alpha1/datasets");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->verb, Verb::kList);
  EXPECT_EQ(all->ns, "");

  const auto watch = info("GET", "/apis/apps/v1/deployments", "watch=true&resourceVersion=7");
  ASSERT_TRUE(watch);
  EXPECT_EQ(watch->verb, Verb::kWatch);
  EXPECT_EQ(watch->query.get("resourceVersion"), "7");

  const auto status = info("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/status");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->subresource, "status");
  EXPECT_EQ(status->verb, Verb::kPatch);
}

TEST(RequestInfo, NamespacesAreObjectsAndPlaces) {
  const auto one = info("DELETE", "/api/v1/namespaces/team");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->kind, &api::kinds::kNamespace);
  EXPECT_EQ(one->name, "team");
  EXPECT_EQ(one->ns, "");
  const auto status = info("PUT", "/api/v1/namespaces/team/status");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->kind, &api::kinds::kNamespace);
  EXPECT_EQ(status->subresource, "status");
  const auto pods = info("DELETE", "/api/v1/namespaces/team/pods");
  ASSERT_TRUE(pods);
  EXPECT_EQ(pods->verb, Verb::kDeleteCollection);
}

TEST(RequestInfo, RefusesWhatIsNotServed) {
  for (const char* path :
       {"", "/", "/api", "/api/v1", "/api/v2/pods", "/apis/apps/v1", "/apis/apps/v1beta1/deployments", "/api/v1/pods/p",
        "/api/v1/namespaces/a/nodes", "/api/v1//pods", "/api/v1/namespaces/a/pods/p/log/x",
        "/api/v1/namespaces/%2e%2e/pods", "/api/v1/namespaces/a%2fb/pods", "/api/v1/namespaces/%zz/pods"}) {
    EXPECT_FALSE(info("GET", path)) << path;
  }
  EXPECT_FALSE(info("TRACE", "/api/v1/pods"));
}

TEST(Query, DecodesAndBounds) {
  const Query query = Query::parse("labelSelector=a%3Db%2Cc&x=&y&n=12&bad=-1&plus=a+b").value();
  EXPECT_EQ(query.get("labelSelector"), "a=b,c");
  EXPECT_TRUE(query.flag("y"));
  EXPECT_FALSE(query.flag("z"));
  EXPECT_EQ(query.number("n").value(), 12);
  EXPECT_FALSE(query.number("bad"));
  EXPECT_EQ(query.get("plus"), "a b");
  EXPECT_FALSE(Query::parse("a=%z"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "a" + std::to_string(i) + "=1&";
  EXPECT_FALSE(Query::parse(many));
}

}  // namespace
}  // namespace sedna::apiserver
