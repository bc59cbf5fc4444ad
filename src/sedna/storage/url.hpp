// Where a dataset, a model or a result lies: a local path, http(s) or an object store. Every piece of Sedna that takes
// a URL from a user parses it here, so that they all understand and refuse the same.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"

namespace sedna::storage {

enum class UrlKind { kFile, kHttp, kS3 };

struct StorageUrl {
  UrlKind kind = UrlKind::kFile;
  std::filesystem::path path;  ///< kFile: as given, file:// removed and decoded
  std::string http;            ///< kHttp: the whole URL
  std::string bucket;          ///< kS3
  std::string key;             ///< kS3: without the leading slash; may be empty or end in "/" (a prefix)
  std::string shown;           ///< for messages and logs: no query, no user information (they may carry secrets)
};

/// A path without scheme, file:///path, http(s)://host/path, s3://bucket/key. obs:// is taken as s3:// (upstream's
/// downloader does). gs:// and every other scheme: an Error that says what to use instead. Schemes in any case.
Result<StorageUrl> parse_storage_url(std::string_view text);

/// How to reach an object store. Endpoint without a scheme: https.
struct S3Options {
  std::string endpoint = "https://s3.amazonaws.com";
  std::string region = "us-east-1";
  std::string access_key_id;      ///< empty: unsigned requests (public buckets)
  std::string secret_access_key;  ///< never logged
  std::string session_token;
  /// S3_ENDPOINT_URL, S3_REGION or AWS_REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
  static S3Options from_environment();
};

/// "minio:9000" → "https://minio:9000", trailing slashes removed; an Error for anything that is no http(s) origin.
Result<std::string> normalize_endpoint(std::string_view endpoint);

}  // namespace sedna::storage
