// What downloads and uploads over HTTP have in common, whatever the store: kept connections, retries with back-off
// inside one deadline, and a download that resumes where it was cut off. Used by the S3 client and by Storage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/clock.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::storage {

/// Bytes so far and, when known, in all. Throw from it to stop the transfer.
using Progress = std::function<void(std::uint64_t done, std::optional<std::uint64_t> total)>;

struct TransferOptions {
  Deadline deadline;           ///< for the whole transfer with all its retries
  std::string sha256;          ///< expected digest in hex; "" checks nothing
  std::uint64_t max_size = 0;  ///< in bytes; 0: no limit
  bool resume = true;          ///< continue what an earlier, failed download of the same version left
  /// Tries in a row that bring nothing new before the transfer fails.
  int attempts = 4;
  Progress progress;
};

/// Keep-alive clients, one an origin. Thread-safe.
class HttpPool {
 public:
  explicit HttpPool(net::HttpClientOptions options);
  /// `with_token`: with the bearer token and client certificate of the options. Never for an origin that only a
  /// redirect named, nor for an object store.
  net::HttpClient& client(const std::string& origin, bool with_token);

 private:
  net::HttpClientOptions options_;
  std::mutex mutex_;
  std::map<std::pair<std::string, bool>, std::unique_ptr<net::HttpClient>> clients_;
};

/// The Error that an answer stands for: "GET: 404 Not Found" and, as far as it is text, what the server said.
Error status_error(std::string_view method, const net::HttpResponse& response, const std::string& subject);
/// Whether the same request may succeed a little later (429, 500, 502, 503, 504).
bool is_transient(int status);
/// `value` is a strong validator that a Range request can be tied to.
bool is_strong_etag(std::string_view value);

/// "bytes 100-199/1234" → 100, 1234 (nothing for "*"). Error for anything else.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};
Result<ContentRange> parse_content_range(std::string_view value);

/// Waits before try number `tries` + 1: exponential with jitter, at least what Retry-After asks, never past the
/// deadline. False when the deadline does not leave the time.
bool back_off(int tries, std::string_view retry_after, Deadline deadline);

/// One request, sent again after transport failures and transient answers. Only for requests that may be repeated.
net::HttpResponse exchange_with_retries(const std::function<net::HttpOutcome()>& once, std::string_view method,
                                        const std::string& subject, const TransferOptions& options);

/// One GET with these extra header fields (Range, If-Range), the body going to `sink` after `head`.
using RangedGet = std::function<net::HttpOutcome(const net::Headers& extra, Deadline deadline,
                                                 const net::BodySink& sink, const net::HeadSink& head)>;

/// Downloads to `destination`, which appears whole or not at all. `shown` names the source in errors. When it fails for
/// want of a connection, what has arrived stays beside the destination (.NAME.part) for the next call, provided that
/// the server gave a strong ETag; otherwise nothing stays. Returns the size.
std::uint64_t fetch_to_file(const RangedGet& get, const std::string& shown, const std::filesystem::path& destination,
                            const TransferOptions& options);

}  // namespace sedna::storage
