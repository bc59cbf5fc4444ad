// What must be known after a kill -9: which rounds were published, with which model, and which updates of the open
// round were acknowledged. An append-only file of checked records; called by the aggregation server, replayed when it
// starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"
#include "sedna/federated/selection.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::federated {

/// A job's state on disk, under its folder:
///   journal                        the records
///   lock                           held by the process whose job it is
///   models/round-000012.safetensors   the published models (the newest `keep`), and state-000012.safetensors with them
///   updates/000013-0002.safetensors   acknowledged updates of the open round (durability: update)
///   staging/                       uploads under way; emptied at a start
struct Layout {
  std::filesystem::path root;
  std::filesystem::path journal() const { return root / "journal"; }
  std::filesystem::path models() const { return root / "models"; }
  std::filesystem::path model(std::int64_t round) const;
  std::filesystem::path state(std::int64_t round) const;
  std::filesystem::path updates() const { return root / "updates"; }
  std::filesystem::path update(std::int64_t round, std::size_t number) const;
  std::filesystem::path staging() const { return root / "staging"; }
};

/// One record. Which members count follows from `kind`.
struct Record {
  enum class Kind : std::uint8_t {
    kOpened,     ///< a server began: epoch, rules
    kCommitted,  ///< an update of `round` was acknowledged
    kPublished,  ///< the model of `round` is whole on disk
    kChosen,     ///< who trains in `round`, as of draw `attempt`
    kRelayed,    ///< a site: `round` is closed, and its sum of `clients` in `file` is what goes up
  };
  Kind kind = Kind::kOpened;
  std::int64_t round = 0;
  std::int64_t epoch = 0;
  std::string rules;
  std::string client;
  std::string digest;  ///< of the update, or of the model
  double samples = 0;  ///< of the update, or of the round
  double steps = 0;
  std::string file;  ///< of the update, under the folder; empty: it is not kept
  bool last = false;
  std::map<std::string, double> metrics;
  std::int64_t trained = 0;  ///< the round that the update was trained for, where it is not `round`
  std::uint64_t attempt = 0;
  std::vector<std::string> clients{};                ///< the chosen ones
  std::map<std::string, ClientHistory> histories{};  ///< of the clients, at the end of `round`; where it matters
};

/// The records in a journal's bytes, up to the first that is not whole: what follows was never acknowledged. `used`:
/// how many bytes those have.
struct Replay {
  std::vector<Record> records;
  std::size_t used = 0;
};
Replay replay_journal(std::span<const std::byte> bytes);
/// A record as it is written: u32 length, u32 CRC-32C, JSON.
std::string encode_record(const Record& record);

/// Holds a job's folder for this process until its end, so that an aggregator that was replaced and does not know it
/// cannot write beside its successor. Kept by the system: whoever is killed lets go.
class FolderLock {
 public:
  /// Waits for `patience` for another process to end. Throws Error(kConflict).
  FolderLock(const std::filesystem::path& folder, SteadyClock::duration patience);

 private:
  storage::Descriptor file_;
};

/// Not thread-safe.
class Journal {
 public:
  /// Opens or begins it; what is torn at its end is cut off. Throws Error.
  explicit Journal(std::filesystem::path file);
  /// What was there when it was opened.
  const std::vector<Record>& records() const { return records_; }
  /// Appends; durable when it returns. Throws Error (disk full): then nothing was appended.
  void append(const Record& record);
  /// Keeps only what a restart after a publication needs, once the file is large. A full disk leaves it as it is.
  void compact();

 private:
  std::filesystem::path path_;
  storage::Descriptor file_;
  std::uint64_t size_ = 0;
  std::uint64_t compacted_size_ = 0;
  std::vector<Record> records_;  ///< all, as compact() needs them; commits only of the newest round
};

}  // namespace sedna::federated
