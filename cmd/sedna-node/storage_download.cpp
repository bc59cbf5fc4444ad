#include "storage_download.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sedna/base/ids.hpp"
#include "sedna/base/text.hpp"
#include "sedna/storage/archive.hpp"
#include "sedna/storage/local.hpp"
#include "sedna/storage/storage.hpp"
#include "sedna/storage/url.hpp"

namespace sedna::initializer {

namespace {

namespace fs = std::filesystem;

std::string variable(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

/// As upstream: what unpacks by its name.
bool is_archive(const fs::path& file) {
  const auto name = to_lower(file.filename().string());
  return name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz") || name.ends_with(".zip");
}

/// Moves what lies in `from` into `to`, file by file where folders are there already.
void merge_into(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const auto target = to / entry.path().filename();
    if (entry.is_directory() && !entry.is_symlink() && fs::is_directory(target)) {
      merge_into(entry.path(), target);
    } else {
      fs::remove_all(target);
      fs::rename(entry.path(), target);
    }
  }
}

/// Unpacks beside and moves in: the members are checked before one of them lies where workers look.
void unpack(const fs::path& archive, const fs::path& folder) {
  const fs::path temporary = folder / (".unpack-" + random_hex(6));
  try {
    const auto summary = storage::extract_archive(archive, temporary);
    merge_into(temporary, folder);
    std::printf("unpacked %s: %zu members\n", archive.filename().c_str(), summary.members);
  } catch (...) {
    std::error_code ignored;  // the first failure is what counts
    fs::remove_all(temporary, ignored);
    throw;
  }
  fs::remove_all(temporary);
  fs::remove(archive);
}

struct IndexList {
  std::string base;
  std::vector<std::string> keys;
};

/// Lines that begin with # are left out; the first line is the base, the others are below it.
IndexList read_index(const fs::path& file, const std::string& source) {
  std::ifstream in(file);
  if (!in) throw Error(ErrorCode::kNotFound, "the index file cannot be read", source);
  IndexList out;
  constexpr std::size_t kMost = 1'000'000;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty() || line.front() == '#') continue;
    if (out.base.empty()) {
      out.base = line;
      continue;
    }
    out.keys.push_back(line);
    if (out.keys.size() > kMost)
      throw Error(ErrorCode::kResourceExhausted, "the index names over a million files", source);
  }
  if (out.base.empty())
    throw Error(ErrorCode::kInvalidArgument, "the index file names no base URL in its first line", source);
  return out;
}

}  // namespace

Settings Settings::from_environment() {
  Settings out;
  out.indirect_mark = variable("INDIRECT_URL_MARK", "@");
  out.threads = std::clamp(std::atoi(variable("SEDNA_DOWNLOAD_THREADS", "4").c_str()), 1, 32);
  out.limit = std::max(1.0, std::atof(variable("SEDNA_DOWNLOAD_SECONDS", "3600").c_str()));
  return out;
}

struct Downloader::Impl {
  explicit Impl(Settings s) : settings(std::move(s)) {}

  storage::TransferOptions transfer() const {
    storage::TransferOptions out;
    out.deadline = Deadline::after(
        std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(settings.limit)));
    out.attempts = settings.attempts;
    return out;
  }

  void link_local(const storage::StorageUrl& url, const fs::path& folder) const {
    if (!fs::exists(url.path))
      throw Error(ErrorCode::kNotFound, "there is no such file or folder in the container", url.shown);
    fs::create_directories(folder);
    const fs::path link = folder / fs::absolute(url.path).lexically_normal().filename();
    std::error_code ignored;  // a link from a former attempt
    fs::remove(link, ignored);
    fs::create_symlink(fs::absolute(url.path), link);
  }

  void direct(const std::string& source, const fs::path& folder) {
    auto url = storage::parse_storage_url(source);
    if (!url) throw Error(url.error());
    if (url->kind == storage::UrlKind::kFile) return link_local(*url, folder);
    fs::create_directories(folder);
    fs::path target = folder;
    if (url->kind == storage::UrlKind::kHttp) {
      // The name without what follows a question mark; a URL that ends in "/" has none.
      auto name = url->http.substr(0, url->http.find_first_of("?#"));
      name = name.substr(name.rfind('/') + 1);
      target = folder / (name.empty() ? "index" : name);
    }
    const auto arrived = store.download(source, target, transfer());
    std::printf("fetched %s\n", url->shown.c_str());
    if (fs::is_regular_file(arrived)) {
      if (is_archive(arrived)) unpack(arrived, folder);
      return;
    }
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_regular_file() && is_archive(entry.path())) unpack(entry.path(), folder);
    }
  }

  void indirect(const std::string& source, const fs::path& folder) {
    fs::create_directories(folder);
    fs::path index = source;
    auto url = storage::parse_storage_url(source);
    if (!url) throw Error(url.error());
    if (url->kind == storage::UrlKind::kFile) {
      index = url->path;
    } else {
      index = folder / (".index-" + random_hex(6));
      store.download(source, index, transfer());
    }
    const auto list = read_index(index, source);
    if (url->kind != storage::UrlKind::kFile) fs::remove(index);
    std::string base = list.base;
    if (!base.ends_with('/')) base += '/';
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::optional<Error> failure;
    const auto work = [&] {
      for (std::size_t i = 0; (i = next.fetch_add(1)) < list.keys.size();) {
        try {
          {
            const std::lock_guard lock(mutex);
            if (failure) return;
          }
          const auto target = storage::join_inside(folder, list.keys[i]).value();
          fs::create_directories(target.parent_path());
          store.download(base + list.keys[i], target, transfer());
        } catch (const Error& error) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = error.within(source);
          return;
        } catch (const std::exception& error) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = Error(ErrorCode::kUnavailable, error.what(), list.keys[i]);
          return;
        }
      }
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < settings.threads; ++i) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
    if (failure) throw Error(*failure);
    std::printf("fetched %zu files of the list\n", list.keys.size());
  }

  const Settings settings;
  storage::Storage store;
};

Downloader::Downloader(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}

Downloader::~Downloader() = default;

void Downloader::fetch(const std::string& source, const std::string& destination) {
  const auto& mark = impl_->settings.indirect_mark;
  if (!mark.empty() && destination.starts_with(mark)) {
    impl_->indirect(source, destination.substr(mark.size()));
  } else {
    impl_->direct(source, destination);
  }
}

std::string explain(const Error& error) {
  std::string hint;
  switch (error.code()) {
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated:
      hint = " (check the secret that credentialName names: ACCESS_KEY_ID, SECRET_ACCESS_KEY)";
      break;
    case ErrorCode::kNotFound:
      hint = " (check the URL in the Model or Dataset)";
      break;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      hint = " (check that the server is reachable from this machine; it is tried again)";
      break;
    case ErrorCode::kResourceExhausted:
      hint = " (check the space left on this machine)";
      break;
    default:
      break;
  }
  return std::string(error.what()) + hint;
}

}  // namespace sedna::initializer
