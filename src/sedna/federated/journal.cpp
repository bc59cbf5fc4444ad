#include "sedna/federated/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "sedna/base/crc32c.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/staging.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

constexpr std::size_t kFrame = 8;
constexpr std::uint32_t kMaxRecord = 1U << 28;  ///< what is known of a million clients
constexpr std::uint64_t kCompactFrom = 256 * 1024;

std::string numbered(const char* prefix, std::int64_t round) {
  char text[48];
  std::snprintf(text, sizeof text, "%s%06lld", prefix, static_cast<long long>(round));
  return text;
}

std::string_view kind_name(Record::Kind kind) {
  switch (kind) {
    case Record::Kind::kOpened:
      return "opened";
    case Record::Kind::kCommitted:
      return "committed";
    case Record::Kind::kPublished:
      return "published";
    case Record::Kind::kChosen:
      return "chosen";
    case Record::Kind::kRelayed:
      return "relayed";
  }
  return "opened";
}

std::optional<Record::Kind> kind_from(std::string_view name) {
  for (const auto kind : {Record::Kind::kOpened, Record::Kind::kCommitted, Record::Kind::kPublished,
                          Record::Kind::kChosen, Record::Kind::kRelayed}) {
    if (kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

std::string text_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}
double number_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return 0;
  if (v->is_double()) return v->as_double();
  return v->is_int64() ? static_cast<double>(v->as_int64()) : 0;
}

std::optional<Record> decode(std::string_view text) {
  json::ParseOptions options;
  options.limits.max_depth = 4;
  const auto parsed = json::parse(text, options);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& o = parsed->as_object();
  const auto kind = kind_from(text_of(o, "kind"));
  if (!kind) return std::nullopt;
  Record record;
  record.kind = *kind;
  record.round = static_cast<std::int64_t>(number_of(o, "round"));
  record.epoch = static_cast<std::int64_t>(number_of(o, "epoch"));
  record.rules = text_of(o, "rules");
  record.client = text_of(o, "client");
  record.digest = text_of(o, "digest");
  record.samples = number_of(o, "samples");
  record.steps = number_of(o, "steps");
  record.file = text_of(o, "file");
  const auto* last = o.if_contains("last");
  record.last = last != nullptr && last->is_bool() && last->as_bool();
  if (const auto* metrics = o.if_contains("metrics"); metrics != nullptr && metrics->is_object()) {
    for (const auto& [name, value] : metrics->as_object()) {
      record.metrics[std::string(name)] = value.is_double()  ? value.as_double()
                                          : value.is_int64() ? static_cast<double>(value.as_int64())
                                                             : 0;
    }
  }
  record.trained = static_cast<std::int64_t>(number_of(o, "trained"));
  record.attempt = static_cast<std::uint64_t>(number_of(o, "attempt"));
  if (const auto* clients = o.if_contains("clients"); clients != nullptr && clients->is_array()) {
    for (const auto& client : clients->as_array()) {
      if (client.is_string()) record.clients.emplace_back(client.as_string());
    }
  }
  if (const auto* all = o.if_contains("histories"); all != nullptr && all->is_object()) {
    for (const auto& [name, value] : all->as_object()) {
      if (!value.is_object()) return std::nullopt;
      const json::object& h = value.as_object();
      ClientHistory history;
      history.last_round = static_cast<std::int64_t>(number_of(h, "round"));
      history.updates = static_cast<std::int64_t>(number_of(h, "updates"));
      history.samples = number_of(h, "samples");
      if (h.contains("loss")) history.loss = number_of(h, "loss");
      history.seconds = number_of(h, "seconds");
      record.histories[std::string(name)] = history;
    }
  }
  return record;
}

json::object encode_histories(const std::map<std::string, ClientHistory>& histories) {
  json::object all;
  for (const auto& [name, history] : histories) {
    json::object h;
    h["round"] = history.last_round;
    h["updates"] = history.updates;
    h["samples"] = history.samples;
    if (std::isfinite(history.loss)) h["loss"] = history.loss;
    if (history.seconds != 0) h["seconds"] = history.seconds;
    all[name] = std::move(h);
  }
  return all;
}

}  // namespace

std::filesystem::path Layout::model(std::int64_t round) const {
  return models() / (numbered("round-", round) + ".safetensors");
}
std::filesystem::path Layout::state(std::int64_t round) const {
  return models() / (numbered("state-", round) + ".safetensors");
}
std::filesystem::path Layout::update(std::int64_t round, std::size_t number) const {
  return updates() / (numbered("", round) + numbered("-", static_cast<std::int64_t>(number)) + ".safetensors");
}

std::string encode_record(const Record& record) {
  json::object o;
  o["kind"] = kind_name(record.kind);
  if (record.round != 0) o["round"] = record.round;
  if (record.epoch != 0) o["epoch"] = record.epoch;
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) o[name] = value;
  };
  text("rules", record.rules);
  text("client", record.client);
  text("digest", record.digest);
  if (record.samples != 0) o["samples"] = record.samples;
  if (record.steps != 0) o["steps"] = record.steps;
  text("file", record.file);
  if (record.last) o["last"] = true;
  if (!record.metrics.empty()) {
    json::object metrics;
    for (const auto& [name, value] : record.metrics) metrics[name] = value;
    o["metrics"] = std::move(metrics);
  }
  if (record.trained != 0) o["trained"] = record.trained;
  if (record.attempt != 0) o["attempt"] = record.attempt;
  if (!record.clients.empty()) {
    json::array clients;
    for (const std::string& client : record.clients) clients.emplace_back(client);
    o["clients"] = std::move(clients);
  }
  if (!record.histories.empty()) o["histories"] = encode_histories(record.histories);
  const std::string body = json::write(o);
  std::string out(kFrame, '\0');
  const auto size = static_cast<std::uint32_t>(body.size());
  const std::uint32_t crc = crc32c(0, std::as_bytes(std::span(body)));
  std::memcpy(out.data(), &size, 4);
  std::memcpy(out.data() + 4, &crc, 4);
  return out + body;
}

Replay replay_journal(std::span<const std::byte> bytes) {
  Replay out;
  while (bytes.size() - out.used >= kFrame) {
    const auto rest = bytes.subspan(out.used);
    std::uint32_t size = 0;
    std::uint32_t crc = 0;
    std::memcpy(&size, rest.data(), 4);
    std::memcpy(&crc, rest.data() + 4, 4);
    if (size > kMaxRecord || rest.size() - kFrame < size) break;
    const auto body = rest.subspan(kFrame, size);
    if (crc32c(0, body) != crc) break;
    auto record = decode({reinterpret_cast<const char*>(body.data()), body.size()});
    if (!record) break;
    out.records.push_back(std::move(*record));
    out.used += kFrame + size;
  }
  return out;
}

FolderLock::FolderLock(const std::filesystem::path& folder, SteadyClock::duration patience) {
  const auto path = folder / "lock";
  file_ = storage::open_file(path, O_RDWR | O_CREAT, 0600);
  const auto until = SteadyClock::now() + patience;
  bool told = false;
  while (true) {
    // A lock of the process: user code may fork, and a child must not keep it.
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(file_.get(), F_SETLK, &whole) == 0) return;
    if (errno == ENOLCK || errno == ENOTSUP || errno == ENOSYS) {
      log::warning("this file system has no locks: nothing keeps a second aggregator from the folder",
                   {{"folder", folder.string()}});
      return;
    }
    if (errno != EAGAIN && errno != EACCES) throw storage::system_error(errno, "locking", path);
    if (SteadyClock::now() >= until) {
      throw Error(ErrorCode::kConflict, "another aggregator uses this folder", folder.string());
    }
    if (!std::exchange(told, true)) {
      log::info("another aggregator uses the folder; waiting for its end", {{"folder", folder.string()}});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // on network storage nothing tells of its end
  }
}

Journal::Journal(std::filesystem::path file) : path_(std::move(file)) {
  storage::make_folder(path_.parent_path());
  file_ = storage::open_file(path_, O_RDWR | O_CREAT, 0600);
  const Bytes bytes = map_file(path_);
  Replay replay = replay_journal(bytes.span());
  records_ = std::move(replay.records);
  size_ = replay.used;
  if (replay.used < bytes.size() && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    throw storage::system_error(errno, "cutting off the torn end of", path_);
  }
  if (::lseek(file_.get(), 0, SEEK_END) < 0) throw storage::system_error(errno, "reading", path_);
  storage::sync_folder(path_.parent_path());
}

void Journal::append(const Record& record) {
  const std::string text = encode_record(record);
  try {
    storage::write_all(file_, std::as_bytes(std::span(text)), path_);
    if (::fdatasync(file_.get()) != 0) throw storage::system_error(errno, "writing", path_);
  } catch (const Error&) {
    // Half a record would hide those behind it.
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) == 0) ::lseek(file_.get(), 0, SEEK_END);
    throw;
  }
  size_ += text.size();
  if (record.kind == Record::Kind::kPublished) {
    // What came for the round after it, between its close and its model, stays.
    std::erase_if(records_, [&](const Record& r) {
      return r.kind != Record::Kind::kOpened && r.kind != Record::Kind::kPublished && r.round <= record.round;
    });
    // Only the newest histories count.
    for (Record& r : records_) r.histories.clear();
  }
  records_.push_back(record);
}

void Journal::compact() {
  if (size_ < kCompactFrom || size_ < 2 * compacted_size_) return;
  std::string text;
  for (const Record& record : records_) text += encode_record(record);
  try {
    storage::AtomicFile fresh(path_, 0600);
    fresh.write(std::as_bytes(std::span(text)));
    fresh.commit();
  } catch (const Error& error) {
    // It stays long, and is tried again.
    log::warning("the journal cannot be made shorter", {{"error", error.what()}});
    return;
  }
  file_ = storage::open_file(path_, O_RDWR);
  if (::lseek(file_.get(), 0, SEEK_END) < 0) throw storage::system_error(errno, "reading", path_);
  size_ = compacted_size_ = text.size();
}

}  // namespace sedna::federated
