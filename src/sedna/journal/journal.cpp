#include "sedna/journal/journal.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"

namespace sedna::journal {

// A record: length of the body (u32, little-endian), CRC-32 of the body (u32), body. A body: one letter of the type,
// then 'H' header: sequence that comes next (u64), id; 'E' entry: sequence (u64), length of the key (u16), key, data;
// 'A' acknowledged: sequence (u64).
namespace {

constexpr std::size_t kFrame = 8;
constexpr std::size_t kEntryHead = 1 + 8 + 2;
constexpr std::uint64_t kSmallFile = 64 * 1024;  // below, compaction is not worth the write

std::uint32_t crc32(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1U) : c >> 1U;
      table[i] = c;
    }
    return table;
  }();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char b : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(b)) & 0xFFU] ^ (crc >> 8U);
  return crc ^ 0xFFFFFFFFU;
}

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
}

template <class T>
T take(std::string_view bytes, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value =
        static_cast<T>(value | static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[at + i])) << (8 * i)));
  }
  return value;
}

std::string framed(std::string_view body) {
  std::string out;
  out.reserve(kFrame + body.size());
  put(out, static_cast<std::uint32_t>(body.size()));
  put(out, crc32(body));
  out += body;
  return out;
}

std::string acknowledgement(std::uint64_t sequence) {
  std::string body = "A";
  put(body, sequence);
  return framed(body);
}

std::string entry_body(std::uint64_t sequence, std::string_view key, std::string_view data) {
  std::string body;
  body.reserve(kEntryHead + key.size() + data.size());
  body.push_back('E');
  put(body, sequence);
  put(body, static_cast<std::uint16_t>(key.size()));
  body += key;
  body += data;
  return body;
}

}  // namespace

Journal::Journal(JournalOptions options) : options_(std::move(options)) {
  load();
}
Journal::~Journal() = default;

std::string Journal::header() const {
  std::string body = "H";
  put(body, next_);
  body += id_;
  return framed(body);
}

void Journal::start_file(const std::string& path) {
  constexpr std::size_t kIdBytes = 8;
  id_ = random_hex(kIdBytes);
  file_ = options_.files->open(path);
  file_->truncate(0);
  const std::string record = header();
  file_->write(0, record);
  file_->sync();
  end_ = record.size();
}

void Journal::load() {
  options_.files->remove(options_.path + ".new");  // a compaction that a crash cut
  file_ = options_.files->open(options_.path);
  const std::uint64_t size = file_->size();
  if (size == 0) return start_file(options_.path);
  std::uint64_t at = 0;
  bool has_header = false;
  while (at + kFrame <= size) {
    const std::string frame = file_->read(at, kFrame);
    const auto length = take<std::uint32_t>(frame, 0);
    if (length == 0 || length > options_.max_entry + kEntryHead + 65536 || at + kFrame + length > size) break;
    const std::string body = file_->read(at + kFrame, length);
    if (body.size() != length || crc32(body) != take<std::uint32_t>(frame, 4)) break;
    const char type = body[0];
    if (has_header == (type == 'H')) break;  // one header, at the start
    if (type == 'H' && length >= 9) {
      next_ = take<std::uint64_t>(body, 1);
      id_ = body.substr(9);
      has_header = true;
    } else if (type == 'E' && length >= kEntryHead) {
      const auto sequence = take<std::uint64_t>(body, 1);
      const std::size_t key_size = take<std::uint16_t>(body, 9);
      if (kEntryHead + key_size > length) break;
      Place place;
      place.key = body.substr(kEntryHead, key_size);
      place.offset = at + kFrame + kEntryHead + key_size;
      place.size = static_cast<std::uint32_t>(length - kEntryHead - key_size);
      waiting_bytes_ += kFrame + length;
      if (!place.key.empty()) by_key_[place.key].insert(sequence);
      waiting_[sequence] = std::move(place);
      next_ = std::max(next_, sequence + 1);
    } else if (type == 'A' && length == 9) {
      const auto it = waiting_.find(take<std::uint64_t>(body, 1));
      if (it != waiting_.end()) forget(it);
    } else {
      break;
    }
    at += kFrame + length;
  }
  if (!has_header) {
    // A crash while the file was made leaves less than a header; anything else is damage worth keeping.
    constexpr std::uint64_t kHeaderSize = kFrame + 9 + 16;
    file_.reset();
    if (size > kHeaderSize) {
      log::error("the journal cannot be read; it is kept aside and a new one begun", {{"path", options_.path}});
      options_.files->rename(options_.path, options_.path + ".damaged");
    }
    return start_file(options_.path);
  }
  if (at < size) {
    log::warning("the end of the journal was cut off: a write that was never finished",
                 {{"path", options_.path}, {"bytes", size - at}});
    file_->truncate(at);
    file_->sync();
  }
  end_ = at;
}

void Journal::write_record(std::string_view record) {
  try {
    file_->write(end_, std::string(record));
    file_->sync();
  } catch (const Error& failure) {
    // What is behind end_ now is unknown. A record that is cut does no harm; a whole one that the caller was told does
    // not exist would.
    try {
      file_->truncate(end_);
      file_->sync();
    } catch (const Error& second) {
      broken_ = second.what();
    }
    throw Error(failure);
  }
  end_ += record.size();
}

void Journal::forget(std::map<std::uint64_t, Place>::iterator it) {
  waiting_bytes_ -= kFrame + kEntryHead + it->second.key.size() + it->second.size;
  if (const auto known = by_key_.find(it->second.key); known != by_key_.end()) {
    known->second.erase(it->first);
    if (known->second.empty()) by_key_.erase(known);
  }
  waiting_.erase(it);
}

/// Acknowledgements go to the file without a sync of their own; an entry that comes back after a crash is recognised by
/// its sequence, or is older than another of its key.
void Journal::note(const std::string& acknowledgements) {
  if (broken_ || acknowledgements.empty()) return;
  try {
    // Mostly garbage: a new file holds what waits.
    if (end_ > kSmallFile && end_ > 2 * waiting_bytes_ + kSmallFile / 2) return compact();
    file_->write(end_, acknowledgements);
    end_ += acknowledgements.size();
  } catch (const Error& failure) {
    log::warning("acknowledgements were not noted", {{"path", options_.path}, {"reason", failure.what()}});
    broken_ = failure.what();
  }
}

/// Of each key only the newest stays. The file learns it as acknowledgements, so that the disk does not bring them
/// back.
void Journal::drop_replaced() {
  std::string notes;
  std::uint64_t dropped = 0;
  std::vector<std::uint64_t> older;
  for (const auto& [key, sequences] : by_key_) older.insert(older.end(), sequences.begin(), std::prev(sequences.end()));
  for (const std::uint64_t sequence : older) {
    notes += acknowledgement(sequence);
    forget(waiting_.find(sequence));
    ++dropped;
  }
  if (dropped == 0) return;
  // Said once, and then now and then: at the limit it happens with every entry.
  constexpr std::uint64_t kNowAndThen = 10'000;
  if (dropped_ / kNowAndThen != (dropped_ + dropped) / kNowAndThen || dropped_ == 0) {
    log::warning("the journal is full: entries that later ones stand for are dropped",
                 {{"path", options_.path}, {"dropped", dropped_ + dropped}});
  }
  dropped_ += dropped;
  note(notes);
}

void Journal::compact() {
  const std::string path = options_.path + ".new";
  auto fresh = options_.files->open(path);
  fresh->truncate(0);
  std::string record = header();
  fresh->write(0, record);
  std::uint64_t end = record.size();
  std::map<std::uint64_t, Place> places = waiting_;
  for (auto& [sequence, place] : places) {
    const std::string data = file_->read(place.offset, place.size);
    record = framed(entry_body(sequence, place.key, data));
    fresh->write(end, record);
    place.offset = end + kFrame + kEntryHead + place.key.size();
    end += record.size();
  }
  fresh->sync();
  options_.files->rename(path, options_.path);
  file_ = std::move(fresh);
  waiting_ = std::move(places);
  end_ = end;
  broken_.reset();
}

std::uint64_t Journal::append(std::string_view key, std::string_view data) {
  const std::lock_guard lock(mutex_);
  return append_locked(key, data);
}

std::uint64_t Journal::replace(std::string_view key, std::string_view data) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t sequence = append_locked(key, data);
  std::string notes;
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return sequence;
  std::vector<std::uint64_t> older(known->second.begin(), std::prev(known->second.end()));
  for (const std::uint64_t old : older) {
    notes += acknowledgement(old);
    forget(waiting_.find(old));
  }
  note(notes);
  return sequence;
}

std::uint64_t Journal::append_locked(std::string_view key, std::string_view data) {
  constexpr std::size_t kLongestKey = 4096;
  if (data.size() > options_.max_entry || key.size() > kLongestKey) {
    throw Error(ErrorCode::kInvalidArgument, "is too large for the journal", std::string(key));
  }
  if (broken_) compact();  // a whole new file, when the disk lets us
  const std::uint64_t cost = kFrame + kEntryHead + key.size() + data.size();
  if (waiting_bytes_ + cost > options_.max_bytes) {
    drop_replaced();
    if (end_ > 2 * options_.max_bytes) compact();
    if (waiting_bytes_ + cost > options_.max_bytes) {
      throw Error(ErrorCode::kResourceExhausted,
                  "holds " + std::to_string(waiting_.size()) + " entries that nobody has acknowledged, and no more fit",
                  options_.path);
    }
  }
  const std::uint64_t sequence = next_;
  write_record(framed(entry_body(sequence, key, data)));
  Place place;
  place.key = key;
  place.size = static_cast<std::uint32_t>(data.size());
  place.offset = end_ - data.size();
  if (!place.key.empty()) by_key_[place.key].insert(sequence);
  waiting_[sequence] = std::move(place);
  waiting_bytes_ += cost;
  next_ = sequence + 1;
  return sequence;
}

void Journal::acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  const auto it = waiting_.find(sequence);
  if (it == waiting_.end()) return;
  forget(it);
  note(acknowledgement(sequence));
}

void Journal::remove(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return;
  const std::vector<std::uint64_t> all(known->second.begin(), known->second.end());
  std::string notes;
  for (const std::uint64_t sequence : all) {
    notes += acknowledgement(sequence);
    forget(waiting_.find(sequence));
  }
  note(notes);
}

Entry Journal::entry_at(std::uint64_t sequence, const Place& place) {
  Entry entry;
  entry.sequence = sequence;
  entry.key = place.key;
  entry.data = file_->read(place.offset, place.size);
  return entry;
}

std::vector<Entry> Journal::read(std::uint64_t after, std::size_t count) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> out;
  for (auto it = waiting_.upper_bound(after); it != waiting_.end() && out.size() < count; ++it) {
    out.push_back(entry_at(it->first, it->second));
  }
  return out;
}

std::optional<Entry> Journal::find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return std::nullopt;
  const std::uint64_t sequence = *known->second.rbegin();
  return entry_at(sequence, waiting_.at(sequence));
}

std::vector<Entry> Journal::find_all(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> out;
  for (auto it = by_key_.lower_bound(prefix); it != by_key_.end() && it->first.starts_with(prefix); ++it) {
    const std::uint64_t sequence = *it->second.rbegin();
    out.push_back(entry_at(sequence, waiting_.at(sequence)));
  }
  return out;
}

std::size_t Journal::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}
std::uint64_t Journal::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_;
}
std::uint64_t Journal::file_bytes() const {
  const std::lock_guard lock(mutex_);
  return end_;
}
std::uint64_t Journal::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

}  // namespace sedna::journal
