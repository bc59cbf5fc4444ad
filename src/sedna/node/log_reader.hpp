// Reads the log of one run of a container as `kubectl logs` wants it: from a line or a time on, with or without
// timestamps, across rotations, and further while it grows.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct LogOptions {
  LogOptions() {}
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::int64_t> tail_lines;
  std::string since;  ///< RFC 3339, as the lines begin; "": from the start
  std::optional<std::uint64_t> limit_bytes;
};

/// Not thread-safe. The files are those of the shim (docs in shim_log.hpp): "<time> <stream> <F|P> <text>".
class LogReader {
 public:
  LogReader(Path log, LogOptions options);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  /// The next text, at most about `most` bytes; "" when there is nothing more now.
  std::string next(std::size_t most);
  /// limitBytes is used up.
  bool full() const { return options_.limit_bytes && sent_ >= *options_.limit_bytes; }

 private:
  bool read_more();
  void open_all();
  void skip_to_tail();
  void take_line(std::string_view line, std::string& out);

  const Path log_;
  const LogOptions options_;
  std::deque<int> files_;  ///< still to read, oldest first; the last is the one that grows
  std::string buffer_;
  std::uint64_t skip_lines_ = 0, sent_ = 0;
};

/// A line's parts; nothing for one that is not ours.
struct LogLine {
  std::string_view time, text;
  bool partial = false;
};
std::optional<LogLine> split_log_line(std::string_view line);

}  // namespace sedna::node
