// One way to fetch and store datasets, models and results, wherever they lie: local paths, http(s), S3. Called by the
// Lib (FileOps), the workers and the node programs. Everything that appears locally appears whole or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/net/http_client.hpp"
#include "sedna/storage/s3.hpp"
#include "sedna/storage/transfer.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::storage {

struct StorageOptions {
  S3Options s3 = S3Options::from_environment();
  net::HttpClientOptions
      http;  ///< its bearer token goes to the http(s) URLs given, never to S3 or after a redirect away
  std::uint64_t multipart_from = std::uint64_t{64} << 20;  ///< larger uploads to S3 go in parts
  std::size_t part_size = std::size_t{16} << 20;  ///< S3 wants 5 MiB at least; grown to stay within 10,000 parts
};

/// Thread-safe; keeps connections between calls. Blocking; starts no thread. Every function throws Error with the URL
/// (without its query) as subject.
class Storage {
 public:
  explicit Storage(StorageOptions options = {});
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// Copies what lies at `url` to `destination`: a file, or a folder (local folders; S3 prefixes when there is no
  /// object of exactly that key). A single file goes into `destination` itself when that is a folder. Returns where it
  /// lies now.
  std::filesystem::path download(std::string_view url, const std::filesystem::path& destination,
                                 const TransferOptions& options = {});
  /// Copies a file or folder to `url`; the source stays. A folder keeps its structure below the URL's prefix. http(s):
  /// one PUT, files only. Returns the number of bytes.
  std::uint64_t upload(const std::filesystem::path& source, std::string_view url, const TransferOptions& options = {});
  /// What lies there, or nothing. A prefix with objects below it and a local folder are folders.
  std::optional<FileInfo> stat(std::string_view url, const TransferOptions& options = {});
  bool exists(std::string_view url, const TransferOptions& options = {}) { return stat(url, options).has_value(); }
  /// The files below a local folder (relative paths) or an S3 prefix (whole keys), sorted.
  std::vector<FileInfo> list(std::string_view url, const TransferOptions& options = {});
  /// Deletes one object or one local file or folder; what is not there already is fine.
  void remove(std::string_view url, const TransferOptions& options = {});
  /// A URL by which anyone may GET or PUT this object for a while. S3 only.
  std::string presign(std::string_view method, std::string_view url, std::chrono::seconds expires);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::storage
