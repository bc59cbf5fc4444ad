#include "sedna/storage/storage.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <system_error>

#include "sedna/storage/file_io.hpp"
#include "sedna/storage/http_file.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxParts = 10'000;

std::string last_segment(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

bool names_folder(const fs::path& destination) {
  return fs::is_directory(destination) || !destination.has_filename();
}

/// A single file lands inside a destination that is a folder.
fs::path file_destination(const fs::path& destination, const std::string& name, const std::string& shown) {
  if (!names_folder(destination)) return destination;
  auto inside = join_inside(destination, name);
  if (!inside) throw Error(ErrorCode::kInvalidArgument, "gives no file name; name the file, not the folder", shown);
  return std::move(*inside);
}

std::string as_prefix(const std::string& key) {
  return key.empty() || key.ends_with('/') ? key : key + "/";
}

std::uint64_t size_of(const Descriptor& file, const fs::path& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw system_error(errno, "cannot read", path);
  return static_cast<std::uint64_t>(info.st_size);
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->is_symlink())
      throw Error(ErrorCode::kPermissionDenied, "is a symbolic link, which an object store cannot hold",
                  it->path().string());
    if (it->is_regular_file()) files.push_back(it->path().lexically_relative(folder));
  }
  if (error) throw system_error(error.value(), "cannot read the folder", folder);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct Storage::Impl {
  explicit Impl(StorageOptions o) : options(std::move(o)), pool(options.http) {}

  /// Made when first needed: wrong S3 settings must not keep anybody from reading a local file.
  S3Client& s3() {
    const std::lock_guard lock(mutex);
    if (!s3_client) s3_client = std::make_unique<S3Client>(options.s3, pool);
    return *s3_client;
  }

  fs::path download_s3(const StorageUrl& url, const fs::path& destination, const TransferOptions& transfer) {
    if (!url.key.empty() && !url.key.ends_with('/') && s3().head(url.bucket, url.key, transfer)) {
      const fs::path to = file_destination(destination, last_segment(url.key), url.shown);
      fetch_to_file(s3().ranged_get(url.bucket, url.key), url.shown, to, transfer);
      return to;
    }
    const std::string prefix = as_prefix(url.key);
    const auto objects = s3().list(url.bucket, prefix, transfer);
    if (objects.empty())
      throw Error(ErrorCode::kNotFound, "there is no such object, nor any below this prefix", url.shown);
    if (!transfer.sha256.empty())
      throw Error(ErrorCode::kInvalidArgument, "a folder has no SHA-256 to check", url.shown);
    download_objects(url, prefix, objects, destination, transfer);
    return destination;
  }

  void download_objects(const StorageUrl& url, const std::string& prefix, const std::vector<FileInfo>& objects,
                        const fs::path& destination, const TransferOptions& transfer) {
    // Every name is checked, and the sum of the sizes, before the first byte moves.
    std::vector<std::pair<const FileInfo*, fs::path>> plan;
    std::uint64_t total = 0;
    for (const auto& object : objects) {
      if (!object.name.starts_with(prefix))
        throw Error(ErrorCode::kDataLoss, "the object store listed '" + object.name + "', which was not asked for",
                    url.shown);
      if (object.name.ends_with('/')) continue;  // the empty objects by which consoles mark folders
      auto to = join_inside(destination, std::string_view(object.name).substr(prefix.size()));
      if (!to) throw Error(to.error().code(), "object '" + object.name + "' " + to.error().message(), url.shown);
      total += object.size;
      plan.emplace_back(&object, std::move(*to));
    }
    if (transfer.max_size && total > transfer.max_size)
      throw Error(ErrorCode::kResourceExhausted,
                  "larger than the limit of " + std::to_string(transfer.max_size) + " bytes in all", url.shown);
    make_folder(destination);
    std::uint64_t done = 0;
    TransferOptions each = transfer;
    if (transfer.progress)
      each.progress = [&](std::uint64_t n, std::optional<std::uint64_t>) { transfer.progress(done + n, total); };
    for (const auto& [object, to] : plan)
      done +=
          fetch_to_file(s3().ranged_get(url.bucket, object->name), "s3://" + url.bucket + "/" + object->name, to, each);
  }

  std::uint64_t upload_object(const fs::path& source, const std::string& bucket, const std::string& key,
                              const TransferOptions& transfer) {
    const Descriptor file = open_file(source, O_RDONLY);
    const std::uint64_t size = size_of(file, source);
    const PartSource part = [&](std::uint64_t offset, std::size_t n) {
      AlignedBuffer buffer(n);
      read_at(file, offset, buffer.span(), source);
      return std::move(buffer).freeze();
    };
    if (size < options.multipart_from) {
      s3().put(bucket, key, part(0, static_cast<std::size_t>(size)), transfer);
      if (transfer.progress) transfer.progress(size, size);
    } else {
      const std::size_t fitting = static_cast<std::size_t>((size + kMaxParts - 1) / kMaxParts);
      s3().put_parts(bucket, key, size, std::max(options.part_size, fitting), part, transfer);
    }
    return size;
  }

  std::uint64_t upload_s3(const fs::path& source, const StorageUrl& url, const TransferOptions& transfer) {
    if (!fs::is_directory(source)) {
      std::string key = url.key;
      if (key.empty() || key.ends_with('/')) key += source.filename().string();
      return upload_object(source, url.bucket, key, transfer);
    }
    std::uint64_t total = 0;
    const std::string prefix = as_prefix(url.key);
    for (const auto& file : files_below(source))
      total += upload_object(source / file, url.bucket, prefix + file.generic_string(), transfer);
    return total;
  }

  StorageOptions options;
  HttpPool pool;
  std::mutex mutex;
  std::unique_ptr<S3Client> s3_client;
};

Storage::Storage(StorageOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Storage::~Storage() = default;

fs::path Storage::download(std::string_view text, const fs::path& destination, const TransferOptions& options) {
  const StorageUrl url = parse_storage_url(text).value();
  if (destination.empty()) throw Error(ErrorCode::kInvalidArgument, "the destination is empty", url.shown);
  switch (url.kind) {
    case UrlKind::kFile: {
      if (fs::is_directory(url.path)) {
        copy_local_folder(url.path, destination, options);
        return destination;
      }
      const fs::path to = file_destination(destination, url.path.filename().string(), url.shown);
      copy_local_file(url.path, to, options);
      return to;
    }
    case UrlKind::kHttp: {
      const auto path = net::percent_decode(last_segment(url.shown.substr(url.shown.find("://") + 3)));
      const fs::path to = file_destination(destination, path.value_or(std::string()), url.shown);
      fetch_to_file(http_ranged_get(impl_->pool, url), url.shown, to, options);
      return to;
    }
    case UrlKind::kS3:
      return impl_->download_s3(url, destination, options);
  }
  throw Error(ErrorCode::kInternal, "unknown kind of URL", url.shown);
}

std::uint64_t Storage::upload(const fs::path& source, std::string_view text, const TransferOptions& options) {
  const StorageUrl url = parse_storage_url(text).value();
  if (!fs::exists(source)) throw Error(ErrorCode::kNotFound, "there is no such file or folder", source.string());
  const bool folder = fs::is_directory(source);
  switch (url.kind) {
    case UrlKind::kFile:
      if (folder) return copy_local_folder(source, url.path, options);
      return copy_local_file(source, file_destination(url.path, source.filename().string(), url.shown), options);
    case UrlKind::kHttp:
      if (folder)
        throw Error(ErrorCode::kInvalidArgument, "a folder cannot be uploaded over http; pack it as .tar.gz first",
                    url.shown);
      return http_put(impl_->pool, url, source, options);
    case UrlKind::kS3:
      return impl_->upload_s3(source, url, options);
  }
  throw Error(ErrorCode::kInternal, "unknown kind of URL", url.shown);
}

std::optional<FileInfo> Storage::stat(std::string_view text, const TransferOptions& options) {
  const StorageUrl url = parse_storage_url(text).value();
  FileInfo info;
  switch (url.kind) {
    case UrlKind::kFile: {
      std::error_code error;
      const auto status = fs::status(url.path, error);
      if (status.type() == fs::file_type::not_found) return std::nullopt;
      if (error) throw system_error(error.value(), "cannot look at", url.path);
      info.name = url.path.string();
      info.folder = fs::is_directory(status);
      if (fs::is_regular_file(status)) info.size = fs::file_size(url.path);
      return info;
    }
    case UrlKind::kHttp:
      return http_stat(impl_->pool, url, options);
    case UrlKind::kS3: {
      if (!url.key.empty() && !url.key.ends_with('/'))
        if (auto object = impl_->s3().head(url.bucket, url.key, options)) return object;
      if (!impl_->s3().any_below(url.bucket, as_prefix(url.key), options)) return std::nullopt;
      info.name = as_prefix(url.key);
      info.folder = true;
      return info;
    }
  }
  throw Error(ErrorCode::kInternal, "unknown kind of URL", url.shown);
}

std::vector<FileInfo> Storage::list(std::string_view text, const TransferOptions& options) {
  const StorageUrl url = parse_storage_url(text).value();
  if (url.kind == UrlKind::kS3) return impl_->s3().list(url.bucket, url.key, options);
  if (url.kind == UrlKind::kHttp)
    throw Error(ErrorCode::kUnimplemented, "a plain http server has no listing; use s3:// or a local folder",
                url.shown);
  std::vector<FileInfo> files;
  for (const auto& name : files_below(url.path)) {
    FileInfo info;
    info.name = name.generic_string();
    info.size = fs::file_size(url.path / name);
    files.push_back(std::move(info));
  }
  return files;
}

void Storage::remove(std::string_view text, const TransferOptions& options) {
  const StorageUrl url = parse_storage_url(text).value();
  switch (url.kind) {
    case UrlKind::kFile: {
      std::error_code error;
      fs::remove_all(url.path, error);
      if (error) throw system_error(error.value(), "cannot delete", url.path);
      return;
    }
    case UrlKind::kHttp:
      throw Error(ErrorCode::kUnimplemented, "deleting over plain http is not supported", url.shown);
    case UrlKind::kS3:
      if (url.key.empty()) throw Error(ErrorCode::kInvalidArgument, "names no object", url.shown);
      impl_->s3().remove(url.bucket, url.key, options);
  }
}

std::string Storage::presign(std::string_view method, std::string_view text, std::chrono::seconds expires) {
  const StorageUrl url = parse_storage_url(text).value();
  if (url.kind != UrlKind::kS3 || url.key.empty())
    throw Error(ErrorCode::kInvalidArgument, "only an object (s3://bucket/key) can have a presigned URL", url.shown);
  return impl_->s3().presign(method, url.bucket, url.key, expires);
}

}  // namespace sedna::storage
