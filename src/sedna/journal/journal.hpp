// One durable queue in one file: entries are appended and on the disk before append() returns, read in order, and gone
// once acknowledged. Survives kill -9 and power loss at any byte; bounded. The local controller keeps in it what GM has
// not acknowledged yet.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/journal/file_system.hpp"

namespace sedna::journal {

struct JournalOptions {
  JournalOptions() {}
  std::string path;
  /// Of what waits, with its overhead. At the limit, entries that a later one of the same key stands for are dropped
  /// first; then append() refuses. The file itself stays below three times this.
  std::uint64_t max_bytes = std::uint64_t{64} << 20;
  std::uint64_t max_entry = std::uint64_t{4} << 20;
  FileSystem* files = &FileSystem::posix();
};

struct Entry {
  std::uint64_t sequence = 0;  ///< rises; never used twice in the life of the file, gaps are possible
  std::string key;
  std::string data;
};

/// Thread-safe.
class Journal {
 public:
  /// Opens or makes the file. A torn tail (a write that a crash cut) is cut off; what cannot be read at all is moved
  /// aside to "<path>.damaged" and said in the log. Throws Error when the disk does not let us.
  explicit Journal(JournalOptions options);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Random, made with the file: who sees another one knows that sequences began anew.
  const std::string& id() const { return id_; }

  /// Durable when it returns. `key`: what a later entry replaces at the limit; "" never. Throws
  /// Error(kResourceExhausted) when full (journal or disk), kUnavailable when the disk fails; then nothing was
  /// appended.
  std::uint64_t append(std::string_view key, std::string_view data);
  /// As append(), and older waiting entries of the key are gone: used like this with entries that are never
  /// acknowledged, the journal is a small durable map.
  std::uint64_t replace(std::string_view key, std::string_view data);
  /// Not durable at once: after a crash an acknowledged entry may come again. Unknown sequences are passed over.
  void acknowledge(std::uint64_t sequence);
  /// Waiting entries with a higher sequence, oldest first, at most `count`.
  std::vector<Entry> read(std::uint64_t after, std::size_t count);

  /// The newest waiting entry of the key.
  std::optional<Entry> find(std::string_view key);
  /// The newest waiting entries whose key begins with `prefix`, in order of their keys.
  std::vector<Entry> find_all(std::string_view prefix);
  /// Acknowledges every entry of the key.
  void remove(std::string_view key);

  std::size_t waiting() const;
  std::uint64_t waiting_bytes() const;
  std::uint64_t file_bytes() const;
  std::uint64_t last_sequence() const;

 private:
  struct Place {
    std::uint64_t offset = 0;  ///< of the data
    std::uint32_t size = 0;
    std::string key;
  };
  void load();
  void start_file(const std::string& path);
  void write_record(std::string_view record);
  void compact();
  void drop_replaced();
  std::uint64_t append_locked(std::string_view key, std::string_view data);
  void forget(std::map<std::uint64_t, Place>::iterator it);
  void note(const std::string& acknowledgements);
  Entry entry_at(std::uint64_t sequence, const Place& place);
  std::string header() const;

  const JournalOptions options_;
  mutable std::mutex mutex_;
  std::unique_ptr<File> file_;
  std::string id_;
  std::map<std::uint64_t, Place> waiting_;
  std::map<std::string, std::set<std::uint64_t>, std::less<>> by_key_;  ///< waiting entries that have a key
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t end_ = 0;  ///< of what is valid in the file
  std::uint64_t next_ = 1;
  std::uint64_t dropped_ = 0;
  std::optional<std::string> broken_;  ///< the disk failed in the middle of something: why nothing can be appended
};

}  // namespace sedna::journal
