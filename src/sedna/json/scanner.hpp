// Reads JSON text piece by piece without building a tree: the ground of json::parse() and of the tensor codecs, which
// must not hold millions of numbers in a DOM. Accepts and refuses exactly what Python's json module does (and says so
// in its words), apart from lone surrogates and invalid UTF-8, which are errors here. Not thread-safe; no copy of the
// text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"
#include "sedna/json/number.hpp"

namespace sedna::json {

struct Limits {
  std::size_t max_depth = 64;
  std::size_t max_bytes = std::size_t{256} << 20;
  bool allow_nan = false;  ///< NaN, Infinity, -Infinity, as Python's json.loads accepts
};

/// What is wrong with a text: Python's wording and where, counted in characters as Python does.
struct SyntaxError {
  std::string message;
  std::size_t offset = 0;  ///< byte offset
  bool limit = false;      ///< a limit of ours, not a fault of the text

  struct Position {
    std::size_t character = 0;  ///< 0-based, in code points
    std::size_t line = 1;       ///< 1-based
    std::size_t column = 1;     ///< 1-based, in code points
  };
  Position position(std::string_view text) const;
  /// "Expecting value: line 1 column 2 (char 1)" as an Error of kind invalid argument (resource exhausted for limits).
  Error to_error(std::string_view text) const;
};

enum class Token : unsigned char {
  kObject,
  kArray,
  kString,
  kNumber,
  kTrue,
  kFalse,
  kNull,
  kNan,
  kInfinity,
  kMinusInfinity,
  kNone,
};

class Scanner {
 public:
  explicit Scanner(std::string_view text, const Limits& limits = {});

  /// What the next value is (white space skipped); kNone and a failure when no value starts here.
  Token peek();
  /// Goes into the object (array) that peek() saw. False: too deep.
  bool enter();
  /// Next member of the object entered; afterwards the scanner stands before its value. False at the end of the object
  /// or on failure. `first` is true on entry and cleared.
  bool next_member(bool& first, std::string& key);
  /// Next element of the array entered. False at the end of the array or on failure.
  bool next_element(bool& first);
  /// Reads the value that peek() saw. False on failure.
  bool read_string(std::string& out);
  bool read_number(Number& out);
  /// Passes over true, false, null, NaN, Infinity, -Infinity after peek() said which.
  void take_literal(Token token);
  /// Passes over any value, checking it.
  bool skip_value();
  /// True when only white space is left; else the failure is "Extra data".
  bool finish();

  bool failed() const { return failure_.has_value(); }
  const SyntaxError& failure() const { return *failure_; }
  Error error() const { return failure_->to_error(text_); }
  /// Records a failure (the first one stays) and returns false.
  bool fail(std::string message, const char* at, bool limit = false);

  std::string_view text() const { return text_; }
  std::size_t offset() const { return static_cast<std::size_t>(p_ - text_.data()); }
  const char* here() const { return p_; }
  const char* end() const { return end_; }
  /// For codecs that read a stretch themselves: go on from `p`.
  void move_to(const char* p) { p_ = p; }
  std::size_t depth() const { return depth_; }
  const Limits& limits() const { return limits_; }
  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

 private:
  bool scan_string(std::string* out);
  const char* scan_escape(const char* p, const char* open, std::string* out);

  std::string_view text_;
  const char* p_;
  const char* end_;
  Limits limits_;
  std::size_t depth_ = 0;
  std::optional<SyntaxError> failure_;
};

/// Byte length of the valid UTF-8 sequence at p, 0 when it is not valid.
std::size_t utf8_sequence(const char* p, const char* end);
/// The first byte that does not stand for itself in a JSON string or may not be ASCII: a quote, a backslash, a control
/// character, DEL, one from 0x80 on. Looks at eight at a time.
const char* skip_plain(const char* p, const char* end);

}  // namespace sedna::json
