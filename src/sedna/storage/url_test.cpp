#include "sedna/storage/url.hpp"

#include <gtest/gtest.h>

namespace sedna::storage {
namespace {

TEST(StorageUrl, Paths) {
  EXPECT_EQ(parse_storage_url("models/a b.onnx")->path, "models/a b.onnx");
  EXPECT_EQ(parse_storage_url("file:///data/a%20b.onnx")->path, "/data/a b.onnx");
  EXPECT_EQ(parse_storage_url("FILE://localhost/x")->path, "/x");
  EXPECT_EQ(parse_storage_url("C:\\x")->kind, UrlKind::kFile);
  EXPECT_FALSE(parse_storage_url("file://server/share"));
  EXPECT_FALSE(parse_storage_url("file:///a%00b"));
  EXPECT_FALSE(parse_storage_url(""));
  EXPECT_FALSE(parse_storage_url(std::string_view("a\0b", 3)));
}

TEST(StorageUrl, Objects) {
  const auto url = parse_storage_url("s3://bucket/models//a b.onnx");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->bucket, "bucket");
  EXPECT_EQ(url->key, "models//a b.onnx");
  EXPECT_EQ(parse_storage_url("s3://bucket")->key, "");
  EXPECT_EQ(parse_storage_url("S3://bucket/p/")->key, "p/");
  EXPECT_EQ(parse_storage_url("obs://bucket/k")->kind, UrlKind::kS3);
  for (const char* bad : {"s3://", "s3:///key", "s3://a/b/../c", "s3://a/./b", "s3://bad bucket/x", "s3://../x"})
    EXPECT_FALSE(parse_storage_url(bad)) << bad;
}

TEST(StorageUrl, Http) {
  const auto url = parse_storage_url("HTTPS://host:8443/a/model.onnx?token=secret#frag");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->http, "https://host:8443/a/model.onnx?token=secret");
  EXPECT_EQ(url->shown, "https://host:8443/a/model.onnx");
  EXPECT_FALSE(parse_storage_url("http://user:password@host/x"));
  EXPECT_EQ(parse_storage_url("http://user:password@host/x").error().subject().find("password"), std::string::npos);
}

TEST(StorageUrl, RefusesWithHelp) {
  const auto gs = parse_storage_url("gs://bucket/x");
  ASSERT_FALSE(gs);
  EXPECT_EQ(gs.error().code(), ErrorCode::kUnimplemented);
  EXPECT_NE(gs.error().message().find("S3_ENDPOINT_URL"), std::string::npos);
  EXPECT_NE(parse_storage_url("ftp://h/p").error().message().find("s3://"), std::string::npos);
}

TEST(S3Endpoint, Normalised) {
  EXPECT_EQ(*normalize_endpoint("minio:9000"), "https://minio:9000");
  EXPECT_EQ(*normalize_endpoint("http://minio:9000///"), "http://minio:9000");
  EXPECT_FALSE(normalize_endpoint("https://minio/path"));
  EXPECT_FALSE(normalize_endpoint("ftp://minio"));
  EXPECT_FALSE(normalize_endpoint(""));
}

}  // namespace
}  // namespace sedna::storage
