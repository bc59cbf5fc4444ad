#include "sedna/federated/exchange.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::federated {

namespace {

constexpr std::string_view kUpdates = "updates/";
constexpr std::size_t kRandomBytes = 16;

storage::StorageUrl parsed(const std::string& text) {
  const auto url = storage::parse_storage_url(text);
  if (!url) throw Error(url.error());
  if (url->kind != storage::UrlKind::kS3 || url->bucket.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "must be s3://bucket/prefix", url->shown);
  }
  return *url;
}

std::uint64_t size_of(const std::vector<Bytes>& parts) {
  std::uint64_t size = 0;
  for (const Bytes& part : parts) size += part.size();
  return size;
}

/// The bytes from `offset` on, of parts that follow each other.
Bytes piece_of(const std::vector<Bytes>& parts, std::uint64_t offset, std::size_t size) {
  AlignedBuffer out(size);
  std::size_t have = 0;
  std::uint64_t at = 0;
  for (const Bytes& part : parts) {
    if (at + part.size() > offset && have < size) {
      const auto skip = static_cast<std::size_t>(std::max(offset, at) - at);
      const std::size_t n = std::min(part.size() - skip, size - have);
      std::memcpy(out.data() + have, part.data() + skip, n);
      have += n;
      offset += n;
    }
    at += part.size();
  }
  return std::move(out).freeze(have);
}

}  // namespace

Exchange::Exchange(ExchangeOptions options)
    : options_(std::move(options)),
      bucket_(parsed(options_.url).bucket),
      prefix_(parsed(options_.url).key),
      pool_(net::HttpClientOptions()),
      client_(options_.s3, pool_) {
  if (!prefix_.empty() && !prefix_.ends_with('/')) prefix_ += '/';
}

std::string Exchange::update_name() {
  return std::string(kUpdates) + random_hex(kRandomBytes);
}

std::string Exchange::model_name(std::string_view digest) {
  return "models/" + std::string(digest);
}

bool Exchange::is_update_name(std::string_view name) {
  if (!name.starts_with(kUpdates) || name.size() != kUpdates.size() + 2 * kRandomBytes) return false;
  name.remove_prefix(kUpdates.size());
  return std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

storage::TransferOptions Exchange::transfer() const {
  storage::TransferOptions out;
  out.deadline = Deadline::after(options_.patience);
  return out;
}

void Exchange::put(const std::string& name, const std::vector<Bytes>& parts) {
  const std::uint64_t size = size_of(parts);
  if (size <= options_.multipart_from) {
    client_.put(bucket_, key(name), piece_of(parts, 0, static_cast<std::size_t>(size)), transfer());
    return;
  }
  client_.put_parts(
      bucket_, key(name), size, options_.part_size,
      [&](std::uint64_t offset, std::size_t n) { return piece_of(parts, offset, n); }, transfer());
}

std::filesystem::path Exchange::get(const std::string& name, std::uint64_t max_size, const std::string& sha256,
                                    const std::filesystem::path& folder) {
  storage::TransferOptions options = transfer();
  options.max_size = max_size;
  options.sha256 = sha256;
  options.resume = false;  // across calls; within one it goes on where it was cut
  const auto file = folder / (".exchange-" + random_hex(kRandomBytes));
  storage::fetch_to_file(client_.ranged_get(bucket_, key(name)), "s3://" + bucket_ + "/" + key(name), file, options);
  return file;
}

void Exchange::remove(const std::string& name) {
  try {
    storage::TransferOptions options = transfer();
    options.attempts = 2;
    client_.remove(bucket_, key(name), options);
  } catch (const Error& error) {
    log::info("an object stays in the store",
              {{"object", "s3://" + bucket_ + "/" + key(name)}, {"error", error.what()}});
  }
}

}  // namespace sedna::federated
