#include "sedna/lc/data_monitor.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "sedna/api/object.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/dataset/counter.hpp"
#include "sedna/storage/storage.hpp"

namespace sedna::lc {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDataset = "Dataset";
constexpr std::string_view kModel = "Model";
constexpr std::string_view kPrefix = "data/";

std::string_view reason_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "FileNotFound";
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated:
      return "PermissionDenied";
    case ErrorCode::kInvalidArgument:
      return "InvalidDataset";
    default:
      return "NotReadable";
  }
}

json::object failure(const Error& error) {
  return json::object{{"reason", reason_of(error.code())}, {"message", error.what()}};
}

bool is_remote(std::string_view url) {
  return url.find("://") != std::string_view::npos;
}

std::string identity_of(const json::object& object) {
  return std::string(api::uid_of(object)) + " " + std::string(api::string_at(object, {"spec", "url"})) + " " +
         std::string(api::string_at(object, {"spec", "format"}));
}

/// The S3 access that GM passes on in an annotation; the environment's otherwise.
storage::StorageOptions storage_options(const json::object& object) {
  storage::StorageOptions options;
  const auto text = api::annotation(object, "sedna.io/credential");
  if (!text) return options;
  const auto parsed = json::parse(*text);
  if (!parsed || !parsed->is_object()) return options;
  const auto& o = parsed->get_object();
  const std::string endpoint(api::string_at(o, {"s3-endpoint"}));
  if (!endpoint.empty()) {
    options.s3.endpoint = (api::string_at(o, {"s3-usehttps"}) == "0" ? "http://" : "https://") + endpoint;
  }
  options.s3.access_key_id = api::string_at(o, {"ACCESS_KEY_ID"});
  options.s3.secret_access_key = api::string_at(o, {"SECRET_ACCESS_KEY"});
  return options;
}

/// Bytes below a folder, as far as it is reasonable to count.
std::uint64_t folder_bytes(const fs::path& folder) {
  constexpr int kMostFiles = 10'000;
  std::uint64_t bytes = 0;
  int files = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && it != end && files < kMostFiles; it.increment(error), ++files) {
    std::error_code unreadable;
    const auto size = it->is_regular_file(unreadable) ? it->file_size(unreadable) : 0;
    if (!unreadable) bytes += size;
  }
  return bytes;
}

}  // namespace

DataMonitor::DataMonitor(NodeState& state, journal::Journal& store, Paths paths, Reporter report,
                         DataMonitorOptions options)
    : state_(state), store_(store), paths_(std::move(paths)), report_(std::move(report)), options_(options) {}

DataMonitor::~DataMonitor() {
  stop();
}

void DataMonitor::start() {
  thread_ = std::thread([this] {
    for (;;) {
      look();
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return stopping_ || again_ || !woken_.empty(); };
      wake_.wait_for(lock, std::min(options_.local_period, options_.remote_period), ready);
      if (stopping_) return;
    }
  });
}

void DataMonitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void DataMonitor::wake(const link::StateKey& subject) {
  const std::lock_guard lock(mutex_);
  woken_.insert(subject);
  wake_.notify_all();
}

void DataMonitor::report_all() {
  const std::lock_guard lock(mutex_);
  again_ = true;
  wake_.notify_all();
}

void DataMonitor::load(const link::StateKey& subject, const std::string& identity, Watched& watched) {
  watched = Watched();
  watched.identity = identity;
  const auto stored = store_.find(std::string(kPrefix) + subject.kind + "/" + subject.key);
  if (!stored) return;
  const auto parsed = json::parse(stored->data);
  if (!parsed || !parsed->is_object()) return;
  const auto& o = parsed->get_object();
  if (api::string_at(o, {"identity"}) != identity) return;
  watched.fact = api::string_at(o, {"fact"});
  watched.memory = api::string_at(o, {"memory"});
}

void DataMonitor::save(const link::StateKey& subject, const Watched& watched) {
  const json::object o{{"identity", watched.identity}, {"fact", watched.fact}, {"memory", watched.memory}};
  store_.replace(std::string(kPrefix) + subject.kind + "/" + subject.key, json::write(o));
}

json::object DataMonitor::remote_fact(const std::string& url, const json::object& object, Watched& watched) {
  const auto format = dataset::parse_format(api::string_at(object, {"spec", "format"}));
  if (!format) return failure(format.error());
  try {
    storage::Storage storage(storage_options(object));
    const auto info = storage.stat(url);
    if (!info || info->folder) throw Error(ErrorCode::kNotFound, "there is no such object", url);
    const std::string seen = info->etag + " " + std::to_string(info->size) + " " + info->last_modified + "\n";
    if (watched.memory.starts_with(seen)) {
      return json::object{{"numberOfSamples", std::stoll(watched.memory.substr(seen.size()))}};
    }
    fs::create_directories(paths_.scratch());
    const fs::path file = fs::path(paths_.scratch()) / "index";
    storage.download(url, file);
    const auto count = dataset::count_file(file.string(), *format, {});
    fs::remove(file);
    if (!count) throw Error(count.error());
    watched.memory = seen + std::to_string(count->samples);
    return json::object{{"numberOfSamples", static_cast<std::int64_t>(count->samples)}};
  } catch (const Error& e) {
    return failure(e);
  } catch (const fs::filesystem_error& e) {
    return failure(Error(ErrorCode::kUnavailable, e.what()));
  }
}

json::object DataMonitor::dataset_fact(const json::object& object, Watched& watched) {
  const std::string url(api::string_at(object, {"spec", "url"}));
  if (is_remote(url)) {
    const bool known = url.starts_with("s3://") || url.starts_with("http://") || url.starts_with("https://");
    if (known) return remote_fact(url, object, watched);
    return failure(Error(ErrorCode::kInvalidArgument, "use a path on the node, s3://, http:// or https://", url));
  }
  const auto format = dataset::parse_format(api::string_at(object, {"spec", "format"}));
  if (!format) return failure(format.error());
  const auto count = dataset::count_file(paths_.host(url), *format, dataset::CountState::from_text(watched.memory));
  if (!count) {
    watched.memory.clear();
    // What the user knows is the path on the node.
    return failure(Error(count.error().code(), count.error().message(), url));
  }
  watched.memory = count->state.to_text();
  return json::object{{"numberOfSamples", static_cast<std::int64_t>(count->samples)}};
}

json::object DataMonitor::model_fact(const json::object& object, Watched& watched) const {
  const std::string url(api::string_at(object, {"spec", "url"}));
  const std::string path = paths_.host(url);
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) {
    const int number = errno;
    const bool absent = number == ENOENT || number == ENOTDIR;
    watched.memory.clear();
    return json::object{{"exists", false},
                        {"message", url + (absent ? " is not there" : ": " + std::generic_category().message(number))}};
  }
  json::object fact{{"exists", true}};
  if (S_ISDIR(st.st_mode)) {
    fact["bytes"] = static_cast<std::int64_t>(folder_bytes(path));
    return fact;
  }
  fact["bytes"] = static_cast<std::int64_t>(st.st_size);
  // "inode size time digest": the digest is made anew when one of the first three has changed.
  const std::string seen = std::to_string(st.st_ino) + " " + std::to_string(st.st_size) + " " +
                           std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec) + " ";
  if (!watched.memory.starts_with(seen)) {
    if (static_cast<std::uint64_t>(st.st_size) > options_.max_digest) return fact;
    try {
      watched.memory = seen + sha256_file(path);
    } catch (const Error& e) {
      fact["message"] = e.what();
      return fact;
    }
  }
  fact["digest"] = "sha256:" + watched.memory.substr(seen.size());
  return fact;
}

void DataMonitor::look_at(const link::StateKey& subject, const json::object& object) {
  const std::string url(api::string_at(object, {"spec", "url"}));
  const bool remote = is_remote(url);
  if (subject.kind == kModel && remote) return;  // the worker's init container fetches it, and says so
  const std::string identity = identity_of(object);
  Watched& watched = watched_[subject];
  if (watched.identity != identity) load(subject, identity, watched);
  watched.due = options_.clock->now() + (remote ? options_.remote_period : options_.local_period);
  const std::string memory_before = watched.memory;
  const json::object fact = subject.kind == kDataset ? dataset_fact(object, watched) : model_fact(object, watched);
  const std::string text = json::write(fact);
  if (text == watched.fact) {
    if (watched.memory != memory_before) save(subject, watched);
    return;
  }
  report_(subject, {}, fact);  // durable before it counts as reported
  watched.fact = text;
  save(subject, watched);
}

void DataMonitor::look() {
  std::set<link::StateKey> woken;
  bool again = false;
  {
    const std::lock_guard lock(mutex_);
    woken.swap(woken_);
    again = std::exchange(again_, false);
  }
  const auto now = options_.clock->now();
  std::set<link::StateKey> present;
  for (const std::string_view kind : {kDataset, kModel}) {
    for (const auto& [key, object] : state_.list(std::string(kind))) {
      const link::StateKey subject{std::string(kind), key};
      present.insert(subject);
      const auto known = watched_.find(subject);
      if (again && known != watched_.end()) known->second.fact.clear();
      const bool due = known == watched_.end() || known->second.due <= now || again || woken.contains(subject);
      if (!due) continue;
      try {
        look_at(subject, *object);
      } catch (const std::exception& e) {
        log::warning("a dataset or model could not be looked at; will try again",
                     {{"kind", kind}, {"key", key}, {"reason", e.what()}});
      }
    }
  }
  for (auto it = watched_.begin(); it != watched_.end();) {
    if (present.contains(it->first)) {
      ++it;
      continue;
    }
    store_.remove(std::string(kPrefix) + it->first.kind + "/" + it->first.key);
    it = watched_.erase(it);
  }
}

}  // namespace sedna::lc
