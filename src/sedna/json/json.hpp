// JSON as the project uses it: Boost.JSON's tree, our own reader and writer around it. The reader has limits and tells
// line and column; the writer prints what Python's json.dumps prints, byte for byte (Boost.JSON 1.81 reads doubles
// inexactly and prints 10.0 as 1E1). Everything that speaks JSON calls this; tensors have codecs of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "sedna/base/result.hpp"
#include "sedna/json/scanner.hpp"

namespace sedna::json {

using value = boost::json::value;
using object = boost::json::object;
using array = boost::json::array;
using string = boost::json::string;

struct ParseOptions {
  Limits limits;
  enum class Duplicates : std::uint8_t { kRefuse, kLastWins };  ///< of keys within one object; Python lets the last win
  Duplicates duplicates = Duplicates::kRefuse;
};

/// Reads one JSON text (a UTF-8 byte-order mark is passed over). Integers become int64, uint64, or, beyond those, the
/// nearest double. The error says what and where: "Expecting ',' delimiter: line 1 column 9 (char 8)".
Result<value> parse(std::string_view text, const ParseOptions& options = {});
/// As Python's json.loads: NaN and Infinity, the last of duplicate keys wins.
ParseOptions python_options();
/// Builds the value at which `scanner` stands; nothing and scanner.failed() after an error.
std::optional<value> read_value(Scanner& scanner, ParseOptions::Duplicates duplicates);

struct WriteOptions {
  std::string_view item_separator = ",";
  std::string_view key_separator = ":";
  bool ensure_ascii = false;
  bool allow_nan = false;  ///< NaN and infinities as Python's json.dumps writes them; else write() refuses them

  /// What FastAPI answers with: {"a":1}, non-ASCII as it is.
  static WriteOptions compact() { return {}; }
  /// Python's json.dumps defaults, as `requests` sends: {"a": 1}, non-ASCII escaped.
  static WriteOptions python() { return {", ", ": ", true, true}; }
};

/// Throws Error(kInvalidArgument) for NaN or an infinity that the options do not allow.
std::string write(const value& v, const WriteOptions& options = {});
void append(std::string& out, const value& v, const WriteOptions& options = {});
/// A string with its quotes. `text` must be UTF-8 (bytes that are not are written as U+FFFD).
void append_string(std::string& out, std::string_view text, bool ensure_ascii = false);
void append_number(std::string& out, double v);
void append_number(std::string& out, std::int64_t v);

// Fields of an object from outside. `where` is the path of the object ("inputs[0]"; empty at the top); the error's
// subject is the field's path ("inputs[0].name") and its message says what would be right.
Result<std::string> require_string(const object& o, std::string_view name, std::string_view where = {});
Result<std::int64_t> require_int(const object& o, std::string_view name, std::string_view where = {});
Result<double> require_number(const object& o, std::string_view name, std::string_view where = {});
Result<bool> require_bool(const object& o, std::string_view name, std::string_view where = {});
Result<const object*> require_object(const object& o, std::string_view name, std::string_view where = {});
Result<const array*> require_array(const object& o, std::string_view name, std::string_view where = {});
// The same for fields that may be absent or null.
Result<std::optional<std::string>> optional_string(const object& o, std::string_view name, std::string_view where = {});
Result<std::optional<std::int64_t>> optional_int(const object& o, std::string_view name, std::string_view where = {});
Result<std::optional<double>> optional_number(const object& o, std::string_view name, std::string_view where = {});
Result<std::optional<bool>> optional_bool(const object& o, std::string_view name, std::string_view where = {});
/// The top of a document as an object, or an error that says what it is instead.
Result<const object*> as_object(const value& v, std::string_view where = {});
/// "inputs[0]" + "name" → "inputs[0].name".
std::string join_path(std::string_view where, std::string_view name);
/// "an object", "a string", … for messages.
std::string_view kind_name(const value& v);

}  // namespace sedna::json
