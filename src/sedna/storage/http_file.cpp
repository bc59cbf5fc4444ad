#include "sedna/storage/http_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <charconv>

#include "sedna/storage/file_io.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

constexpr int kMaxRedirects = 5;

std::string origin_of(const net::Url& url) {
  return url.scheme + "://" + url.authority();
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Where a redirect points, as an absolute URL.
net::Url redirect_target(const net::Url& from, std::string_view location, const std::string& subject) {
  auto to = net::resolve_reference(from, location);
  if (!to) throw Error(ErrorCode::kDataLoss, "redirected to something that is no URL", subject);
  if (from.scheme == "https" && to->scheme != "https")
    throw Error(ErrorCode::kPermissionDenied, "redirected from https to " + to->scheme + "; not followed", subject);
  return std::move(*to);
}

/// Sends `request` to the URL and on along redirects. `send` does one exchange with the client it is given.
template <class Send>
net::HttpOutcome follow(HttpPool& pool, const StorageUrl& url, net::HttpRequest request, Send send) {
  net::Url at = net::parse_url(url.http).value();
  const std::string first = origin_of(at);
  for (int hop = 0;; ++hop) {
    request.target = at.target;
    net::HttpOutcome outcome = send(pool.client(origin_of(at), origin_of(at) == first), request);
    if (!outcome.response || !is_redirect(outcome.response->status)) return outcome;
    const auto location = outcome.response->headers.find("Location");
    if (!location) return outcome;
    if (hop == kMaxRedirects)
      throw Error(ErrorCode::kDataLoss, "more than " + std::to_string(kMaxRedirects) + " redirects", url.shown);
    at = redirect_target(at, *location, url.shown);
  }
}

/// A whole file as bytes: mapped, so that a large model does not have to fit into memory twice.
Bytes map_file(const Descriptor& file, std::size_t size, const fs::path& path) {
  if (size == 0) return Bytes();
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) throw system_error(errno, "cannot map", path);
  ::madvise(memory, size, MADV_SEQUENTIAL);
  const std::shared_ptr<const void> owner(memory, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return Bytes(owner, {static_cast<const std::byte*>(memory), size});
}

}  // namespace

RangedGet http_ranged_get(HttpPool& pool, const StorageUrl& url) {
  return
      [&pool, url](const net::Headers& extra, Deadline deadline, const net::BodySink& sink, const net::HeadSink& head) {
        net::HttpRequest request;
        request.headers = extra;
        return follow(pool, url, std::move(request), [&](net::HttpClient& client, const net::HttpRequest& r) {
          return client.exchange_to(r, deadline, sink, head);
        });
      };
}

std::optional<FileInfo> http_stat(HttpPool& pool, const StorageUrl& url, const TransferOptions& options) {
  const auto ask = [&](const char* method, const net::Headers& headers) {
    net::HttpRequest request;
    request.method = method;
    request.headers = headers;
    return exchange_with_retries(
        [&] {
          return follow(pool, url, request, [&](net::HttpClient& client, const net::HttpRequest& r) {
            return client.exchange(r, options.deadline);
          });
        },
        method, url.shown, options);
  };
  net::HttpResponse response = ask("HEAD", {{"Accept-Encoding", "identity"}});
  if (response.status == 405 || response.status == 501) response = ask("GET", {{"Range", "bytes=0-0"}});
  if (response.status == 404 || response.status == 410) return std::nullopt;
  if (response.status / 100 != 2) throw status_error("HEAD", response, url.shown);
  FileInfo info;
  info.name = url.http;
  info.etag = std::string(response.headers.get("ETag"));
  info.last_modified = std::string(response.headers.get("Last-Modified"));
  if (response.status == 206) {
    info.size = parse_content_range(response.headers.get("Content-Range")).value().total.value_or(0);
  } else if (const auto text = response.headers.get("Content-Length"); !text.empty()) {
    if (std::from_chars(text.data(), text.data() + text.size(), info.size).ec != std::errc())
      throw Error(ErrorCode::kDataLoss, "the server sent a Content-Length that is no number", url.shown);
  } else {
    info.size = response.body.size();
  }
  return info;
}

std::uint64_t http_put(HttpPool& pool, const StorageUrl& url, const fs::path& source, const TransferOptions& options) {
  const Descriptor file = open_file(source, O_RDONLY);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw system_error(errno, "cannot read", source);
  const net::Url at = net::parse_url(url.http).value();
  net::HttpRequest request;
  request.method = "PUT";
  request.target = at.target;
  request.headers.add("Content-Type", "application/octet-stream");
  request.body.push_back(map_file(file, static_cast<std::size_t>(info.st_size), source));
  auto& client = pool.client(origin_of(at), true);
  const net::HttpResponse response =
      exchange_with_retries([&] { return client.exchange(request, options.deadline); }, "PUT", url.shown, options);
  if (response.status / 100 != 2) throw status_error("PUT", response, url.shown);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (options.progress) options.progress(size, size);
  return size;
}

}  // namespace sedna::storage
