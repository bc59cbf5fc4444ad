// The body of a watch taken apart: JSON objects, one a line, as they arrive in pieces of any size. The bytes come from
// the server, so everything is bounded.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::store {

class WatchLines {
 public:
  explicit WatchLines(std::size_t max_line) : max_line_(max_line) {}

  /// Takes what arrived. False when a line has become longer than the bound: nothing more can be read.
  bool feed(std::span<const std::byte> bytes);
  /// The next whole line that is not empty, without its end; valid until the next call.
  std::optional<std::string_view> next();
  /// Bytes held.
  std::size_t buffered() const { return text_.size() - begin_; }

 private:
  const std::size_t max_line_;
  std::string text_;
  std::size_t begin_ = 0;   // of what was not handed out yet
  std::size_t looked_ = 0;  // no line end before it
};

/// {"type": "ADDED", "object": {…}} as an event.
Result<WatchEvent> parse_watch_event(std::string_view line);

}  // namespace sedna::store
