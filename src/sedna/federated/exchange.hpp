// The bulk of a federated job through an object store: clients put their updates there and tell the server, the server
// puts its models there before it announces them. What to do, and the digests of everything, travel over HTTP as ever:
// who can write to the store can hold a job up, and change nothing of it. Used by AggregationServer and RoundClient.
//
//   <url>/models/<sha-256 of the file>     one or two models at a time
//   <url>/updates/<random>                 until the server has it
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/storage/s3.hpp"

namespace sedna::federated {

struct ExchangeOptions {
  ExchangeOptions() {}
  std::string url;  ///< s3://bucket/prefix; empty: there is none
  storage::S3Options s3 = storage::S3Options::from_environment();
  SteadyClock::duration patience = std::chrono::minutes(10);  ///< for one transfer with all its tries
  std::size_t multipart_from = std::size_t{64} << 20;         ///< what is larger goes in parts, each tried by itself
  std::size_t part_size = std::size_t{16} << 20;
};

/// Thread-safe, blocking. Every function throws Error, without keys in it.
class Exchange {
 public:
  /// Throws Error for a URL that is no s3://bucket/….
  explicit Exchange(ExchangeOptions options);
  /// A fresh name for an update.
  static std::string update_name();
  static std::string model_name(std::string_view digest);
  /// Whether it may be an update's: a client says it, and nothing else may be read for it.
  static bool is_update_name(std::string_view name);

  void put(const std::string& name, const std::vector<Bytes>& parts);
  /// To a new file in `folder`, whole and with that digest or not at all; goes on where the connection was cut.
  std::filesystem::path get(const std::string& name, std::uint64_t max_size, const std::string& sha256,
                            const std::filesystem::path& folder);
  /// Best effort: what cannot be removed is logged.
  void remove(const std::string& name);

 private:
  std::string key(const std::string& name) const { return prefix_ + name; }
  storage::TransferOptions transfer() const;

  ExchangeOptions options_;
  std::string bucket_;
  std::string prefix_;
  storage::HttpPool pool_;
  storage::S3Client client_;
};

}  // namespace sedna::federated
