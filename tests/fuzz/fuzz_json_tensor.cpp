// The first byte chooses: an array of unknown type, a typed array, or a predict body. What is accepted must be whole,
// and an array of unknown type must be accepted exactly when the tree reader accepts it, with the same numbers.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"
#include "sedna/tensor/predict_body.hpp"

namespace {

using namespace sedna;

void check_untyped(std::string_view text) {
  json::ParseOptions options = json::python_options();
  const auto array = tensor::parse_array(text, options.limits);
  const auto tree = json::parse(text, options);
  const bool is_list = tree && tree->is_array() && !text.starts_with("\xEF\xBB\xBF");
  if (array.has_value() != is_list) std::abort();
  if (!array || array->kind != tensor::JsonArray::Kind::kNumeric) return;
  if (!array->tensor.validate()) std::abort();
  // Same numbers: both written as one flat list.
  std::string mine;
  if (!tensor::append_lists(mine, array->tensor, {",", true, true})) std::abort();
  if (array->mixed) return;
  json::WriteOptions style;
  style.allow_nan = true;
  const std::string theirs = json::write(*tree, style);
  // Below an empty dimension the tensor has no more to say.
  if (array->tensor.data.empty()) return;
  if (mine != theirs) std::abort();
}

void check_typed(std::string_view text) {
  if (text.size() < 3) return;
  const auto dtype = static_cast<tensor::DType>(static_cast<unsigned char>(text[0]) % 14);
  const tensor::Shape shape{static_cast<signed char>(text[1]), static_cast<signed char>(text[2]) % 8};
  json::Scanner scanner(text.substr(3));
  const auto data = tensor::read_typed_array(scanner, dtype, shape);
  if (!data) return;
  const tensor::Tensor whole{"t", dtype, shape, *data};
  std::string out;
  if (!whole.validate() || !tensor::append_lists(out, whole)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      check_untyped(text);
      break;
    case 1:
      check_typed(text);
      break;
    default: {
      const auto outcome = tensor::parse_predict_body(Bytes::copy_of(text), "application/json", json::Limits{});
      if (const auto* refusal = std::get_if<tensor::PredictRefusal>(&outcome)) {
        if (!json::parse(refusal->body)) std::abort();
      }
    }
  }
  return 0;
}
