// JSON exactly as Python's json.dumps writes it (", " and ": ", \u escapes, repr of floats): what upstream's workers send
// and what the recorded traces hold byte for byte. Used by the reporter and by the client's JSON wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sedna::worker {

/// Quoted, ASCII only; invalid UTF-8 becomes U+FFFD.
void append_python_string(std::string& out, std::string_view text);
/// As repr(float): shortest digits that read back the same, exponent from 1e16 and below 1e-4. The value must be finite.
void append_python_float(std::string& out, double value);
void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

}  // namespace sedna::worker
