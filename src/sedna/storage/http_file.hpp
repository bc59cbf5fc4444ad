// Files behind plain http(s) URLs: GET with redirects and ranges, HEAD, PUT. Called by Storage.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "sedna/storage/s3.hpp"
#include "sedna/storage/transfer.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::storage {

/// Follows up to 5 redirects, never from https to http; the token goes to the first origin only.
RangedGet http_ranged_get(HttpPool& pool, const StorageUrl& url);
/// Size and ETag from HEAD (or from a GET of no bytes where the server does not know HEAD); nothing for 404 and 410.
std::optional<FileInfo> http_stat(HttpPool& pool, const StorageUrl& url, const TransferOptions& options);
std::uint64_t http_put(HttpPool& pool, const StorageUrl& url, const std::filesystem::path& source,
                       const TransferOptions& options);

}  // namespace sedna::storage
