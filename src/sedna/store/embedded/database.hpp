// The file that the embedded server's objects live in: one row an object, written in groups, checked when it is opened.
// Internal to store/embedded; one thread at a time, but for backup().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "sedna/store/embedded/sqlite.hpp"
#include "sedna/store/embedded/stored.hpp"

namespace sedna::store::embedded {

/// The version of the tables. A newer file is refused, an older one is upgraded in place when it is opened.
inline constexpr int kSchemaVersion = 1;

/// One object written or removed. `next` is null for a removal.
struct RowChange {
  const Kind* kind = nullptr;
  std::int64_t row = 0;
  std::uint64_t resource_version = 0;
  StoredPtr next;
};

class Database {
 public:
  /// Opens or makes the file and checks it whole. Throws Error: kDataLoss for a damaged or a foreign file, with what to
  /// do; kAlreadyExists when another process has it.
  explicit Database(std::string path);

  /// Every object, by row; and for each kind the last resourceVersion at which one of its objects was removed.
  void load(const std::function<void(std::shared_ptr<Stored>)>& object,
            const std::function<void(const Kind&, std::uint64_t)>& removed);
  /// All of it, durable, or nothing (throws Error).
  void write(std::span<const RowChange> changes);
  /// A whole copy at `path`, made while the server writes. Throws Error.
  void backup(const std::string& path);
  const std::string& path() const { return db_.path(); }

 private:
  void prepare();
  void check();

  Sqlite db_;
  std::mutex mutex_;  ///< between write() and backup()
  std::unique_ptr<Statement> begin_, commit_, rollback_, insert_, update_, remove_, removed_;
};

}  // namespace sedna::store::embedded
