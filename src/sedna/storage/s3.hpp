// The S3 operations that Sedna needs, against any compatible object store (path-style addresses), signed with SigV4.
// Called by Storage. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/storage/sigv4.hpp"
#include "sedna/storage/transfer.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::storage {

/// One object, or one local or remote file.
struct FileInfo {
  std::string name;  ///< s3: the whole key; otherwise the path or URL as given
  std::uint64_t size = 0;
  std::string etag;           ///< with its quotes; "" where there is none
  std::string last_modified;  ///< as the store writes it
  bool folder = false;
};

/// Gives the part of an upload that begins at `offset`.
using PartSource = std::function<Bytes(std::uint64_t offset, std::size_t size)>;

class S3Client {
 public:
  /// Throws Error for an endpoint that is no origin, or a key without a secret. `clock` stamps the signatures.
  S3Client(S3Options options, HttpPool& pool, const Clock& clock = Clock::real());

  /// Nothing when there is no such object (or bucket).
  std::optional<FileInfo> head(const std::string& bucket, const std::string& key, const TransferOptions& options);
  /// The objects under a prefix, over all pages, by key; at most `max` (more is an Error).
  std::vector<FileInfo> list(const std::string& bucket, const std::string& prefix, const TransferOptions& options,
                             std::size_t max = 1'000'000);
  /// Whether the prefix has any object: one page of one entry.
  bool any_below(const std::string& bucket, const std::string& prefix, const TransferOptions& options);
  RangedGet ranged_get(const std::string& bucket, const std::string& key);
  void put(const std::string& bucket, const std::string& key, Bytes body, const TransferOptions& options);
  /// Multipart upload; nothing stays in the store when it fails.
  void put_parts(const std::string& bucket, const std::string& key, std::uint64_t size, std::size_t part_size,
                 const PartSource& source, const TransferOptions& options);
  void remove(const std::string& bucket, const std::string& key, const TransferOptions& options);
  std::string presign(std::string_view method, const std::string& bucket, const std::string& key,
                      std::chrono::seconds expires) const;
  const std::string& endpoint() const { return endpoint_; }

 private:
  struct Call;
  net::HttpRequest signed_request(const Call& call) const;
  net::HttpOutcome exchange(const Call& call, Deadline deadline);
  net::HttpOutcome send(const Call& call, Deadline deadline, const net::BodySink* sink, const net::HeadSink* head);
  bool learn_from(const net::HttpResponse& response);
  net::HttpResponse must(const Call& call, const TransferOptions& options);

  std::string endpoint_;
  std::string host_;
  SigningKey key_;
  HttpPool& pool_;
  const Clock& clock_;
  mutable std::mutex mutex_;      ///< guards what answers taught: key_.region and skew_
  std::chrono::seconds skew_{0};  ///< store's clock minus ours
};

/// The Error for an object store's answer, its <Code> and <Message> included.
Error s3_error(std::string_view method, const net::HttpResponse& response, const std::string& subject);

/// One page of ListObjectsV2. An Error when it is not one.
struct ListPage {
  std::vector<FileInfo> objects;
  std::string next_token;  ///< "" on the last page
};
Result<ListPage> parse_list_page(std::string_view xml);

}  // namespace sedna::storage
