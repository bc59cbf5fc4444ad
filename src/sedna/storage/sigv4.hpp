// AWS Signature Version 4 for object stores: signs requests as they go out and makes presigned URLs. Called by the S3
// client. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/net/http.hpp"

namespace sedna::storage {

/// Names and values before encoding, in any order.
using Query = std::vector<std::pair<std::string, std::string>>;

struct SigningKey {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< may be empty
  std::string region = "us-east-1";
  std::string service = "s3";
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Sorted by encoded name, then value; "a=1&b=". What is signed is what must be sent.
std::string canonical_query(const Query& query);

/// `path`: percent-encoded as sent. `headers`: those to be signed, with Host. Exposed for tests and the imposter
/// server.
std::string canonical_request(std::string_view method, std::string_view path, const Query& query,
                              const net::Headers& headers, std::string_view payload_hash);
/// "20150830T123600Z"
std::string amz_time(SystemClock::time_point t);
std::string signature(const SigningKey& key, std::string_view amz_date, std::string_view canonical);
/// "host;range;x-amz-date"
std::string signed_header_names(const net::Headers& headers);

/// Adds x-amz-date, x-amz-content-sha256 (service s3), x-amz-security-token and Authorization to `headers`, which must
/// hold Host and every other field to be signed. `payload_hash`: hex SHA-256 of the body, or kUnsignedPayload.
void sign_headers(const SigningKey& key, std::string_view method, std::string_view path, const Query& query,
                  std::string_view payload_hash, SystemClock::time_point now, net::Headers& headers);

/// `origin` + path + query that grants `method` to whoever holds it for `expires` (1 s … 7 days, else Error).
std::string presign_url(const SigningKey& key, std::string_view method, std::string_view origin, std::string_view path,
                        Query query, std::chrono::seconds expires, SystemClock::time_point now);

}  // namespace sedna::storage
