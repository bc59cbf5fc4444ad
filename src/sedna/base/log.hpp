// Structured log lines: a sentence and key=value fields, as text on a terminal or as JSON. Never put a secret in a
// field.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace sedna::log {

enum class Level { kDebug, kInfo, kWarning, kError };

struct Field {
  std::string_view key;
  std::string value;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
};

using Fields = std::initializer_list<Field>;

/// Lowest level that is written, from LOG_LEVEL (DEBUG, INFO, WARNING, ERROR) until set. Thread-safe.
void set_level(Level level);
/// Text lines (default) or one JSON object a line (SEDNA_LOG_FORMAT=json).
void set_json(bool json);
/// True when a line of this level would be written.
bool enabled(Level level);
/// Writes one line to standard error. Thread-safe; never throws.
void write(Level level, std::string_view message, Fields fields = {}) noexcept;

inline void debug(std::string_view message, Fields fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace sedna::log
