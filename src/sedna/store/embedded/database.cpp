#include "sedna/store/embedded/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"

namespace sedna::store::embedded {
namespace {

constexpr const char* kApplicationId = "1397049678";  // "SEDN"

constexpr const char* kTables = R"(
CREATE TABLE objects(
  id INTEGER PRIMARY KEY,       -- the resourceVersion at which the object was made
  rv INTEGER NOT NULL,
  resource TEXT NOT NULL,       -- "pods", "datasets.sedna.io"
  sum INTEGER NOT NULL,         -- CRC-32 of data
  data TEXT NOT NULL);
CREATE TABLE removals(
  resource TEXT PRIMARY KEY,
  rv INTEGER NOT NULL) WITHOUT ROWID;
)";

std::string resource_of(const Kind& kind) {
  std::string out(kind.plural);
  if (!kind.group.empty()) out.append(".").append(kind.group);
  return out;
}

std::int64_t sum_of(std::string_view text) {
  return static_cast<std::int64_t>(
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kDataLoss,
              "the database is damaged (" + what +
                  "). Nothing was changed. Put a backup in its place with 'sedna restore FILE' (copies are made with "
                  "'sedna backup'), or move the file and its -wal neighbour away to begin with an empty one",
              path);
}

const std::map<std::string, const Kind*, std::less<>>& kinds_by_resource() {
  static const auto* const table = [] {
    auto* map = new std::map<std::string, const Kind*, std::less<>>();
    for (const Kind* kind : api::all_kinds()) map->emplace(resource_of(*kind), kind);
    return map;
  }();
  return *table;
}

/// Secrets are inside: the file is its owner's alone from the first byte.
std::string made_private(std::string path) {
  if (path == ":memory:") return path;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const auto code = errno == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kPermissionDenied;
    throw Error(code, std::string("can't open the database: ") + std::strerror(errno), path);
  }
  ::close(fd);
  return path;
}

}  // namespace

Database::Database(std::string path) : db_(made_private(std::move(path))) {
  try {
    check();
    prepare();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDataLoss && !error.message().starts_with("the database is")) {
      damaged(db_.path(), error.message());
    }
    if (error.code() == ErrorCode::kAlreadyExists) {
      throw Error(ErrorCode::kAlreadyExists, "the database is in use by another server", db_.path());
    }
    throw;
  }
}

void Database::check() {
  // One process has the file for as long as it runs: a second one is told at once, and no shared memory is needed.
  db_.execute("PRAGMA locking_mode=EXCLUSIVE");
  const bool in_memory = db_.path() == ":memory:";
  const bool fresh = db_.query_text("SELECT count(*) FROM sqlite_schema") == "0";
  if (!fresh) {
    if (db_.query_text("PRAGMA application_id") != kApplicationId) {
      throw Error(ErrorCode::kDataLoss, "the database is not one of Sedna's; nothing was changed", db_.path());
    }
    const int version = std::stoi(db_.query_text("PRAGMA user_version"));
    if (version > kSchemaVersion) {
      throw Error(ErrorCode::kDataLoss,
                  "the database is of a newer version of Sedna (tables " + std::to_string(version) + ", known here: " +
                      std::to_string(kSchemaVersion) + "); use that version, or restore a backup made by this one",
                  db_.path());
    }
    const std::string verdict = db_.query_text("PRAGMA quick_check(1)");
    if (verdict != "ok") damaged(db_.path(), verdict);
  }
  if (!in_memory && db_.query_text("PRAGMA journal_mode=WAL") != "wal") {
    throw Error(ErrorCode::kUnavailable, "the database can't be opened for writing", db_.path());
  }
  // A commit is on the disk before it is acknowledged.
  db_.execute("PRAGMA synchronous=FULL");
  db_.execute("PRAGMA wal_autocheckpoint=2000");
  db_.execute("PRAGMA journal_size_limit=16777216");
  db_.execute("PRAGMA cache_size=-2048");
  if (!fresh) return;
  db_.execute("BEGIN IMMEDIATE");
  db_.execute(kTables);
  db_.execute((std::string("PRAGMA application_id=") + kApplicationId).c_str());
  db_.execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str());
  db_.execute("COMMIT");
}

void Database::prepare() {
  const auto make = [this](std::string_view sql) { return std::make_unique<Statement>(db_, sql); };
  begin_ = make("BEGIN IMMEDIATE");
  commit_ = make("COMMIT");
  rollback_ = make("ROLLBACK");
  insert_ = make("INSERT INTO objects(id, rv, resource, sum, data) VALUES(?1, ?2, ?3, ?4, ?5)");
  update_ = make("UPDATE objects SET rv=?2, sum=?3, data=?4 WHERE id=?1");
  remove_ = make("DELETE FROM objects WHERE id=?1");
  removed_ = make("INSERT INTO removals VALUES(?1, ?2) ON CONFLICT DO UPDATE SET rv=excluded.rv");
}

void Database::load(const std::function<void(std::shared_ptr<Stored>)>& object,
                    const std::function<void(const Kind&, std::uint64_t)>& removed) {
  const auto kind_of = [this](std::string_view resource) {
    const auto it = kinds_by_resource().find(resource);
    if (it == kinds_by_resource().end()) damaged(db_.path(), "a row is of the unknown kind " + std::string(resource));
    return it->second;
  };
  Statement rows(db_, "SELECT id, rv, resource, sum, data FROM objects");
  while (rows.step()) {
    std::string data(rows.text(4));
    if (sum_of(data) != rows.integer(3)) {
      damaged(db_.path(), "row " + std::to_string(rows.integer(0)) + " does not match its checksum");
    }
    object(load_stored(*kind_of(rows.text(2)), rows.integer(0), static_cast<std::uint64_t>(rows.integer(1)),
                       std::move(data)));
  }
  Statement removals(db_, "SELECT resource, rv FROM removals");
  while (removals.step()) removed(*kind_of(removals.text(0)), static_cast<std::uint64_t>(removals.integer(1)));
}

void Database::write(std::span<const RowChange> changes) {
  const std::lock_guard lock(mutex_);
  std::map<const Kind*, std::uint64_t> removals;
  begin_->run();
  try {
    for (const RowChange& change : changes) {
      const auto rv = static_cast<std::int64_t>(change.resource_version);
      if (!change.next) {
        remove_->bind(1, change.row).run();
        removals[change.kind] = change.resource_version;
      } else if (change.row == rv) {
        const std::string resource = resource_of(*change.kind);
        insert_->bind(1, change.row).bind(2, rv).bind(3, resource).bind(4, sum_of(change.next->text));
        insert_->bind(5, change.next->text).run();
      } else {
        update_->bind(1, change.row).bind(2, rv).bind(3, sum_of(change.next->text)).bind(4, change.next->text).run();
      }
    }
    for (const auto& [kind, rv] : removals) {
      const std::string resource = resource_of(*kind);
      removed_->bind(1, resource).bind(2, static_cast<std::int64_t>(rv)).run();
    }
    commit_->run();
  } catch (const Error&) {
    // Some failures (a full disk) have rolled back already.
    if (db_.in_transaction()) rollback_->run();
    throw;
  }
}

void Database::backup(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Sqlite target(path);
  sqlite3_backup* copy = sqlite3_backup_init(target.handle(), "main", db_.handle(), "main");
  if (copy == nullptr) target.fail(sqlite3_errcode(target.handle()), "the backup can't be made");
  const int stepped = sqlite3_backup_step(copy, -1);
  const int finished = sqlite3_backup_finish(copy);
  if (stepped != SQLITE_DONE) target.fail(stepped, "the backup can't be made");
  if (finished != SQLITE_OK) target.fail(finished, "the backup can't be made");
  // A plain file: whoever copies it needs no neighbour.
  target.execute("PRAGMA journal_mode=DELETE");
}

}  // namespace sedna::store::embedded
