// JSON arrays straight into typed buffers, without a tree in between, and back. Called by the predict route (any list
// that upstream's clients send) and by the Open Inference Protocol codec (arrays whose dtype and shape are known).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"
#include "sedna/json/scanner.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::tensor {

/// What an array of unknown content turned out to be.
struct JsonArray {
  enum class Kind : std::uint8_t {
    kNumeric,  ///< `tensor`: INT64 when every number is an integer, else FP64
    kGeneric,  ///< well-formed JSON with strings, objects, nulls, booleans or integers beyond 64 bits
    kRagged,   ///< numbers, but lists of different lengths or depths
  };
  Kind kind = Kind::kNumeric;
  Tensor tensor;
  bool mixed = false;  ///< kNumeric: integers and floats side by side; FP64 has lost which was which
  std::string reason;  ///< otherwise: "[2][0] is a string", "[1] has 3 elements, the lists before it have 2"
};

/// Reads the array at which `scanner` stands (its peek() said kArray) in one pass. Nothing, and scanner.failed(), when
/// the text is not JSON. Up to 64 dimensions; NaN and infinities count as floats where the scanner's limits allow them.
std::optional<JsonArray> read_array(json::Scanner& scanner);
/// The same for a text that is one array and nothing else.
Result<JsonArray> parse_array(std::string_view text, const json::Limits& limits = {});

/// Reads the array at which `scanner` stands into a buffer of `dtype` with exactly the elements of `shape`; flat or
/// nested as `shape`. Values must fit the dtype: no 256 in UINT8, no 1.5 in an integer, true and false for BOOL,
/// strings for BYTES; FP16 and BF16 have no JSON form. The subject of a value's error is its index ("[3]", "[0][1]"),
/// that of a wrong count is empty; an error in the JSON has the scanner's text.
Result<Bytes> read_typed_array(json::Scanner& scanner, DType dtype, const Shape& shape);

struct ListStyle {
  std::string_view separator = ",";  ///< ", " as Python's json.dumps
  bool nested = true;                ///< false: one flat list, as the Open Inference Protocol has it
  bool allow_nan = false;            ///< NaN and infinities as Python writes them; else an error
};

/// Appends the elements as JSON lists, with numpy's tolist() semantics: FP32 as the double that it widens to, BOOL as
/// true and false, BYTES as strings (an error when they are not UTF-8). A shape without dimensions gives one value.
Result<void> append_lists(std::string& out, const Tensor& tensor, const ListStyle& style = {});

}  // namespace sedna::tensor
