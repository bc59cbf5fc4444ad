// Counts the samples of an index file that grows: only what is new is read, in constant memory, and a file that was
// replaced is counted anew. Called by the local controller for each Dataset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"

namespace sedna::dataset {

/// txt: every line is a sample, empty ones too. csv: the first line is the header.
enum class Format : std::uint8_t { kTxt, kCsv };
/// Upper and lower case alike. The error says what is known.
Result<Format> parse_format(std::string_view name);

/// Where a count stands. Saved with what was counted; a default one counts from the start.
struct CountState {
  std::uint64_t device = 0, inode = 0;
  std::uint64_t bytes = 0;       ///< read so far
  std::int64_t modified_ns = 0;  ///< of the file when it was read
  std::uint64_t lines = 0;       ///< ended by a newline
  bool open_line = false;        ///< the last one is not ended yet; it counts
  std::string fingerprint;       ///< of the bytes around the start and the end of what was read

  std::string to_text() const;
  /// A state that cannot be read counts from the start.
  static CountState from_text(std::string_view text);
};

struct Count {
  std::uint64_t samples = 0;
  CountState state;
  std::uint64_t bytes_read = 0;  ///< this time
  bool changed = false;          ///< the file is not as it was at `before`
};

/// Looks at the file and reads on from `before`. Errors: kNotFound, kPermissionDenied, kInvalidArgument (a folder; a
/// csv file without a header line), kUnavailable; the subject is `path`.
Result<Count> count_file(const std::string& path, Format format, const CountState& before);

}  // namespace sedna::dataset
