#include "sedna/base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "sedna/base/clock.hpp"

namespace sedna::log {
namespace {

const char* name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarning:
      return "WARNING";
    case Level::kError:
      return "ERROR";
  }
  return "INFO";
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u == 0x7f) {
      out += "\\u00";
      out += kHex[u >> 4];
      out += kHex[u & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

/// As Python's logging names them, in any case. Nothing for another word.
std::optional<Level> level_from(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (name == "DEBUG") return Level::kDebug;
  if (name == "INFO" || name.empty()) return Level::kInfo;
  if (name == "WARNING" || name == "WARN") return Level::kWarning;
  if (name == "ERROR" || name == "CRITICAL" || name == "FATAL") return Level::kError;
  return std::nullopt;
}

std::string format_line(Level level, std::string_view message, Fields fields, bool json) {
  std::string line;
  const std::string time = format_utc_time(SystemClock::now());
  if (json) {
    line = "{\"time\":\"" + time + "\",\"level\":\"" + name_of(level) + "\",\"message\":";
    append_json_string(line, message);
    for (const Field& f : fields) {
      line += ',';
      append_json_string(line, f.key);
      line += ':';
      append_json_string(line, f.value);
    }
    line += '}';
    return line;
  }
  line = time + ' ' + name_of(level) + ' ';
  line += message;
  for (const Field& f : fields) {
    line += ' ';
    line += f.key;
    line += '=';
    // Quoted when it would not read back as one word; control characters from outside never reach a terminal raw.
    if (f.value.find_first_of(" \"\\\n\r\t\x1b") == std::string::npos && !f.value.empty()) {
      line += f.value;
    } else {
      append_json_string(line, f.value);
    }
  }
  return line;
}

struct State {
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Level> level{Level::kInfo};
  std::atomic<bool> json{false};

  State() {
    // The message is the whole line: the format (text or JSON) is decided here, the sink only locks and writes.
    logger = std::make_shared<spdlog::logger>("sedna", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
    if (const char* text = std::getenv("SEDNA_LOG_FORMAT")) json = std::string_view(text) == "json";
    const char* const wanted = std::getenv("LOG_LEVEL");
    if (wanted == nullptr) return;
    if (const auto known = level_from(wanted)) {
      level = *known;
    } else {
      put(format_line(Level::kWarning, "LOG_LEVEL is not DEBUG, INFO, WARNING or ERROR; INFO is taken",
                      {{"LOG_LEVEL", wanted}}, json));
    }
  }
  void put(const std::string& line) {
    logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
};

State& state() {
  static State* const s = new State();  // never destroyed: threads may log while the process ends
  return *s;
}

}  // namespace

void set_level(Level level) {
  state().level = level;
}
void set_json(bool json) {
  state().json = json;
}
bool enabled(Level level) {
  return level >= state().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, Fields fields) noexcept {
  if (!enabled(level)) return;
  try {
    state().put(format_line(level, message, fields, state().json));
  } catch (...) {
    // A line that cannot be formatted (no memory) must not end the work it tells about.
    const char text[] = "sedna: a log line was lost\n";
    [[maybe_unused]] const auto n = ::write(2, text, sizeof text - 1);
  }
}

}  // namespace sedna::log
