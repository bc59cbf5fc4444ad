// The little of SQLite that the embedded server needs: a connection and prepared statements that clean up after
// themselves and turn failures into sedna::Error. Internal to store/embedded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace sedna::store::embedded {

/// Not thread-safe: one thread at a time. Errors: kResourceExhausted (disk full, too large), kDataLoss (damaged),
/// kPermissionDenied (read-only), kAlreadyExists (locked by another process), kUnavailable (I/O) with SQLite's words.
class Sqlite {
 public:
  /// ":memory:" or a path; made when absent.
  explicit Sqlite(std::string path);
  ~Sqlite();
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  void execute(const char* sql);
  /// The first column of the first row, "" when there is none.
  std::string query_text(const char* sql);
  bool in_transaction() const;
  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }
  [[noreturn]] void fail(int code, std::string_view doing) const;

 private:
  std::string path_;
  sqlite3* db_ = nullptr;
};

class Statement {
 public:
  Statement(Sqlite& db, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  /// Columns and parameters count from 1 and 0, as in SQLite. Bound text must live until reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  /// False when there is no further row.
  bool step();
  /// Runs a statement that yields no row, and resets it, also when it fails.
  void run();
  void reset();
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;

 private:
  Sqlite& db_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace sedna::store::embedded
