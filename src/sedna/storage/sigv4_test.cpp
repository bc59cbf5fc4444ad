// The signer against the values AWS publishes: the Signature Version 4 test suite and the examples of the S3 API
// reference.
#include "sedna/storage/sigv4.hpp"

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/base/sha256.hpp"

namespace sedna::storage {
namespace {

SystemClock::time_point utc(int year, int month, int day, int hour, int minute) {
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  return SystemClock::from_time_t(timegm(&parts));
}

struct SuiteCase {
  const char* name;
  const char* method;
  const char* path;
  Query query;
  net::Headers headers;
  const char* body;
  const char* signature;
};

// JI-6.5
TEST(SigV4, AwsTestSuite) {
  const SigningKey key{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", "us-east-1", "service"};
  const std::string all = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const std::vector<SuiteCase> cases = {
      {"get-vanilla", "GET", "/", {}, {}, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"post-vanilla", "POST", "/", {}, {}, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       {{"Param2", "value2"}, {"Param1", "value1"}},
       {},
       "",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       {{all, all}},
       {},
       "",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/",
       {{"\xe1\x88\xb4", "bar"}},
       {},
       "",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-utf8", "GET", "/%E1%88%B4", {}, {}, "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-header-value-trim",
       "GET",
       "/",
       {},
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       "",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       {},
       {{"Content-Type", "application/x-www-form-urlencoded"}},
       "Param1=value1",
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
  };
  for (const auto& c : cases) {
    net::Headers headers = c.headers;
    headers.set("Host", "example.amazonaws.com");
    sign_headers(key, c.method, c.path, c.query, sha256_hex(c.body), utc(2015, 8, 30, 12, 36), headers);
    const std::string authorization(headers.get("Authorization"));
    EXPECT_NE(authorization.find(std::string("Signature=") + c.signature), std::string::npos)
        << c.name << authorization;
    EXPECT_TRUE(authorization.starts_with(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="));
  }
}

class S3Examples : public ::testing::Test {
 protected:
  const SigningKey key_{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "us-east-1", "s3"};
  const SystemClock::time_point now_ = utc(2013, 5, 24, 0, 0);

  std::string sign(const char* method, const char* path, const Query& query, std::string_view hash,
                   net::Headers headers) {
    headers.set("Host", "examplebucket.s3.amazonaws.com");
    sign_headers(key_, method, path, query, hash, now_, headers);
    const std::string authorization(headers.get("Authorization"));
    EXPECT_EQ(headers.get("X-Amz-Content-Sha256"), hash);
    return authorization.substr(authorization.find("Signature=") + 10);
  }
};

TEST_F(S3Examples, GetObject) {
  EXPECT_EQ(sign("GET", "/test.txt", {}, kEmptyPayloadHash, {{"Range", "bytes=0-9"}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(S3Examples, PutObject) {
  EXPECT_EQ(sign("PUT", "/test%24file.text", {}, sha256_hex("Welcome to Amazon S3."),
                 {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_F(S3Examples, GetBucketLifecycle) {
  EXPECT_EQ(sign("GET", "/", {{"lifecycle", ""}}, kEmptyPayloadHash, {}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_F(S3Examples, ListObjects) {
  EXPECT_EQ(sign("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, kEmptyPayloadHash, {}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_F(S3Examples, PresignedUrl) {
  const std::string url =
      presign_url(key_, "GET", "https://examplebucket.s3.amazonaws.com", "/test.txt", {}, std::chrono::hours(24), now_);
  EXPECT_NE(url.find("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            std::string::npos)
      << url;
  EXPECT_THROW(presign_url(key_, "GET", "https://b", "/", {}, std::chrono::hours(24 * 8), now_), Error);
}

TEST_F(S3Examples, ASessionTokenIsSigned) {
  SigningKey key = key_;
  key.session_token = "token";
  net::Headers headers{{"Host", "h"}};
  sign_headers(key, "GET", "/", {}, kUnsignedPayload, now_, headers);
  EXPECT_EQ(headers.get("X-Amz-Security-Token"), "token");
  EXPECT_NE(headers.get("Authorization").find("x-amz-security-token"), std::string_view::npos);
}

}  // namespace
}  // namespace sedna::storage
