#include "sedna/tensor/json_tensor.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "sedna/tensor/predict_body.hpp"

namespace sedna::tensor {
namespace {

json::Limits python_limits() {
  json::Limits limits;
  limits.allow_nan = true;
  return limits;
}

JsonArray parsed(std::string_view text) {
  return parse_array(text, python_limits()).value();
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto view = tensor.as<T>();
  return {view.begin(), view.end()};
}

std::string lists(const Tensor& tensor, const ListStyle& style = {}) {
  std::string out;
  append_lists(out, tensor, style).value();
  return out;
}

template <class T>
Tensor make(DType dtype, Shape shape, std::vector<T> elements) {
  return {"t", dtype, std::move(shape), Bytes::copy_of(std::as_bytes(std::span(elements)))};
}

// JI-7.9
TEST(TensorBasics, CountsRefuseWhatOverflows) {
  const Shape overflowing{std::int64_t{1} << 32, std::int64_t{1} << 31};
  EXPECT_STREQ(element_count(overflowing).error().what(),
               "shape: [4294967296,2147483648] is larger than can be addressed");
  EXPECT_EQ(element_count(Shape{2, -1}).error().subject(), "shape[1]");
  EXPECT_EQ(element_count(Shape{}).value(), 1U);
  EXPECT_EQ(element_count(Shape{3, 0, 5}, 8).value(), 0U);
  EXPECT_FALSE(element_count(Shape{std::int64_t{1} << 60}, 8));
  EXPECT_EQ(dtype_from_name("BF16"), DType::kBf16);
  EXPECT_EQ(dtype_from_name("FP8"), std::nullopt);
}

// JI-7.9
TEST(TensorBasics, BytesTensorsAreChecked) {
  const std::string_view strings[] = {"ab", "cde"};
  const Tensor tensor = make_bytes_tensor("s", strings);
  EXPECT_EQ(tensor.data.size(), 13U);
  EXPECT_EQ(bytes_elements(tensor).value(), (std::vector<std::string_view>{"ab", "cde"}));
  Tensor cut = tensor;
  cut.data = tensor.data.slice(0, 12);
  EXPECT_STREQ(cut.validate().error().what(), "data[1]: says 3 bytes; 2 are left");
  cut.shape = {std::int64_t{1} << 40};
  EXPECT_FALSE(cut.validate());
  cut = tensor;
  cut.shape = {1};
  EXPECT_STREQ(cut.validate().error().what(), "data: 7 bytes are left after the last of 1 elements");
}

// JI-2.5
TEST(JsonArrays, TypeAndShapeAreFoundInOnePass) {
  JsonArray a = parsed("[[1, 2], [3, -4]]");
  EXPECT_EQ(a.tensor.dtype, DType::kInt64);
  EXPECT_EQ(a.tensor.shape, (Shape{2, 2}));
  EXPECT_EQ(values<std::int64_t>(a.tensor), (std::vector<std::int64_t>{1, 2, 3, -4}));

  a = parsed("[1, 2.5, 1e300, -0.0, 0.1, 9007199254740993]");
  EXPECT_EQ(a.tensor.dtype, DType::kFp64);
  EXPECT_TRUE(a.mixed);
  EXPECT_EQ(values<double>(a.tensor), (std::vector<double>{1, 2.5, 1e300, -0.0, 0.1, 9007199254740992.0}));

  a = parsed("[NaN, Infinity, -Infinity]");
  EXPECT_TRUE(std::isnan(values<double>(a.tensor)[0]));
  EXPECT_FALSE(a.mixed);

  EXPECT_EQ(parsed("[]").tensor.shape, (Shape{0}));
  EXPECT_EQ(parsed("[[], []]").tensor.shape, (Shape{2, 0}));
  EXPECT_EQ(parsed(" [ [ [ 1 ] , [ 2 ] ] ] ").tensor.shape, (Shape{1, 2, 1}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.tensor.data.data()) % kBufferAlignment, 0U);
}

// JI-7.8
TEST(JsonArrays, RaggedAndGenericListsSayWhy) {
  const std::pair<const char*, const char*> ragged[] = {
      {"[[1,2],[3,4,5]]", "[1] has 3 elements, the lists before it have 2"},
      {"[[1],2]", "[1] is not a list, the elements before it are"},
      {"[1,[2]]", "[1] is a list, the elements before it are not"},
      {"[[[1],[2]],[[3]]]", "[1] has 1 elements, the lists before it have 2"},
      {"[[],[1]]", "[1] has 1 elements, the lists before it have 0"}};
  for (const auto& [text, reason] : ragged) {
    const JsonArray a = parsed(text);
    EXPECT_EQ(a.kind, JsonArray::Kind::kRagged) << text;
    EXPECT_EQ(a.reason, reason) << text;
  }
  const std::pair<const char*, const char*> generic[] = {
      {"[\"é中\", true, null, 1.5]", "[0] is a string"},
      {"[[1,2],[3,{\"a\":[1]}]]", "[1][1] is an object"},
      {"[[1],null]", "[1] is null"},
      {"[123456789012345678901234567890]", "[0] is an integer beyond 64 bits"}};
  for (const auto& [text, reason] : generic) {
    const JsonArray a = parsed(text);
    EXPECT_EQ(a.kind, JsonArray::Kind::kGeneric) << text;
    EXPECT_EQ(a.reason, reason) << text;
  }
}

// JI-7.8
TEST(JsonArrays, BrokenTextsAreErrorsWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"[1,2", "Expecting ',' delimiter: line 1 column 5 (char 4)"},
      {"[1,]", "Expecting value: line 1 column 4 (char 3)"},
      {"[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"},
      {"[01]", "Expecting ',' delimiter: line 1 column 3 (char 2)"},
      {"[1.]", "Expecting ',' delimiter: line 1 column 3 (char 2)"},
      {"[-]", "Expecting value: line 1 column 2 (char 1)"},
      {"[[1],]", "Expecting value: line 1 column 6 (char 5)"},
      {"[[1] [2]]", "Expecting ',' delimiter: line 1 column 6 (char 5)"},
      {"[1] 2", "Extra data: line 1 column 5 (char 4)"},
      {"[", "Expecting value: line 1 column 2 (char 1)"},
      {"[\"a\", tru]", "Expecting value: line 1 column 7 (char 6)"}};
  for (const auto& [text, expected] : cases) {
    const auto a = parse_array(text);
    ASSERT_FALSE(a) << text;
    EXPECT_STREQ(a.error().what(), expected) << text;
  }
  EXPECT_FALSE(parse_array("[NaN]"));
  EXPECT_EQ(parse_array(std::string(100, '[')).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(parse_array(std::string(64, '[') + std::string(64, ']')));
}

// JI-2.5
TEST(JsonArrays, FastAndSlowNumbersAgree) {
  for (const char* text : {"0.1", "123456.789", "0.000001", "999999999999999999", "1234567890123456789", "-0",
                           "9007199254740993.5", "0.30000000000000004", "3.14159265358979323846", "1e5", "-2.5E-3",
                           "1.7976931348623157e308", "4.9e-324", "123456789012345678.5"}) {
    const JsonArray a = parsed("[" + std::string(text) + ", 0.5]");
    EXPECT_EQ(values<double>(a.tensor)[0], std::strtod(text, nullptr)) << text;
  }
}

Result<Bytes> typed(std::string_view text, DType dtype, const Shape& shape) {
  json::Scanner scanner(text);
  scanner.peek();
  return read_typed_array(scanner, dtype, shape);
}

// JI-7.9
TEST(TypedArrays, ValuesMustFit) {
  EXPECT_EQ(typed("[0, 255]", DType::kUint8, {2}).value().text(), std::string_view("\0\xff", 2));
  EXPECT_EQ(typed("[[1,2],[3,4]]", DType::kUint8, {2, 2}).value().text(), "\1\2\3\4");
  EXPECT_EQ(typed("[1,2,3,4]", DType::kUint8, {2, 2}).value().text(), "\1\2\3\4");
  EXPECT_EQ(typed("[true,false]", DType::kBool, {2}).value().text(), std::string_view("\1\0", 2));
  EXPECT_EQ(typed("[\"a\\u00e9\"]", DType::kBytes, {1}).value().text(), std::string_view("\3\0\0\0a\xc3\xa9", 7));
  EXPECT_EQ(typed("[18446744073709551615]", DType::kUint64, {1}).value().text(), std::string(8, '\xff'));

  const std::tuple<const char*, DType, Shape, const char*> refused[] = {
      {"[1, 256]", DType::kUint8, {2}, "[1]: 256 does not fit UINT8 (0 … 255)"},
      {"[-1]", DType::kUint8, {1}, "[0]: -1 does not fit UINT8 (0 … 255)"},
      {"[[1,2],[3,128]]", DType::kInt8, {2, 2}, "[1][1]: 128 does not fit INT8 (-128 … 127)"},
      {"[1.5]", DType::kInt32, {1}, "[0]: 1.5 is not an integer, as INT32 needs"},
      {"[1e39]", DType::kFp32, {1}, "[0]: 1e39 does not fit FP32 (±3.4028235e38)"},
      {"[1e400]", DType::kFp64, {1}, "[0]: 1e400 is beyond FP64"},
      {"[1]", DType::kBool, {1}, "[0]: is a number, not true or false"},
      {"[true]", DType::kFp32, {1}, "[0]: is true, not a number"},
      {"[1]", DType::kBytes, {1}, "[0]: is a number, not a string"},
      {"[1,2,3]", DType::kFp32, {2}, "holds more than the 2 values of shape [2]"},
      {"[1]", DType::kFp32, {2}, "holds 1 values; shape [2] needs 2"},
      {"[[1,2]]", DType::kFp32, {2, 1}, "is nested as [1,2]; it must be flat or nested as shape [2,1]"},
      {"[[1],[2,3]]", DType::kFp32, {3}, "[1]: has 2 elements, the lists before it have 1"},
      {"[1.5]", DType::kFp16, {1}, "FP16 has no JSON form: send it as binary data (binary_data_size)"},
      {"7", DType::kFp32, {1}, "must be a list, not a number"}};
  for (const auto& [text, dtype, shape, expected] : refused) {
    const auto result = typed(text, dtype, shape);
    ASSERT_FALSE(result) << text;
    EXPECT_STREQ(result.error().what(), expected) << text;
  }
  // A shape that promises much takes no memory for it.
  EXPECT_FALSE(typed("[1]", DType::kFp64, {std::int64_t{1} << 50}));
}

TEST(ListWriter, WritesWhatTolistAndPythonWrite) {
  EXPECT_EQ(lists(make<float>(DType::kFp32, {2, 1, 2}, {0.2F, 1, 10, 1e16F}), {", ", true, false}),
            "[[[0.20000000298023224, 1.0]], [[10.0, 1.0000000272564224e+16]]]");
  EXPECT_EQ(lists(make<std::uint8_t>(DType::kBool, {2}, {1, 0})), "[true,false]");
  EXPECT_EQ(lists(make<std::int64_t>(DType::kInt64, {2, 2}, {1, -2, 3, 4}), {",", false, false}), "[1,-2,3,4]");
  EXPECT_EQ(lists(make<std::int64_t>(DType::kInt64, {}, {5})), "5");
  EXPECT_EQ(lists(make<std::int8_t>(DType::kInt8, {2, 0, 3}, {})), "[[],[]]");
  EXPECT_EQ(lists(make<std::int8_t>(DType::kInt8, {0, 3}, {})), "[]");
  EXPECT_EQ(lists(make<std::uint16_t>(DType::kFp16, {3}, {0x3E00, 0xC000, 0x0001})),
            "[1.5,-2.0,5.960464477539063e-08]");
  EXPECT_EQ(lists(make<std::uint16_t>(DType::kBf16, {1}, {0x3FC0})), "[1.5]");
  EXPECT_EQ(lists(make<double>(DType::kFp64, {1}, {std::nan("")}), {",", true, true}), "[NaN]");
  const std::string_view strings[] = {"a\"", "é"};
  EXPECT_EQ(lists(make_bytes_tensor("s", strings)), "[\"a\\\"\",\"é\"]");

  std::string out;
  EXPECT_STREQ(append_lists(out, make<double>(DType::kFp64, {1}, {std::nan("")})).error().what(),
               "data[0]: is not finite; NaN and infinities have no form in JSON");
  const std::string_view binary[] = {"ok", "\xff"};
  EXPECT_EQ(append_lists(out, make_bytes_tensor("s", binary)).error().subject(), "data[1]");
  EXPECT_FALSE(append_lists(out, make<float>(DType::kFp32, {3}, {1})));
}

// The predict route, as recorded from upstream.

std::variant<PredictBody, PredictRefusal> predict(std::string_view text, std::string_view type = "application/json") {
  return parse_predict_body(Bytes::copy_of(text), type, json::Limits{});
}

// JI-2.5
TEST(PredictBody, ReadsFieldsWithoutATree) {
  const auto outcome =
      predict(R"({"data": [[1, 2], [3, 4]], "callback": "first_only", "post_process": null, "top_k": 3})");
  const auto& body = std::get<PredictBody>(outcome);
  EXPECT_EQ(body.data.tensor.shape, (Shape{2, 2}));
  EXPECT_EQ(body.data_text.text(), "[[1, 2], [3, 4]]");
  EXPECT_EQ(body.callback, "first_only");
  ASSERT_EQ(body.others.size(), 2U);
  EXPECT_EQ(body.others[1].first, "top_k");
  EXPECT_EQ(body.others[1].second, "3");

  EXPECT_EQ(std::get<PredictBody>(predict(R"({"data": [1], "callback": 7})")).callback, "7");
  EXPECT_EQ(std::get<PredictBody>(predict(R"({"data": [1], "callback": null})")).callback, std::nullopt);
  EXPECT_EQ(std::get<PredictBody>(predict(R"({"data": [], "callback": ""})")).callback, "");
  EXPECT_EQ(std::get<PredictBody>(predict(R"({"data": [NaN, Infinity]})")).data.tensor.dtype, DType::kFp64);
  const auto generic = predict("{\"data\": [{\"a\": [1, null]}, \"é中\", true]}");
  EXPECT_EQ(std::get<PredictBody>(generic).data.kind, JsonArray::Kind::kGeneric);
  EXPECT_EQ(std::get<PredictBody>(generic).data_text.text(), "[{\"a\": [1, null]}, \"é中\", true]");
}

// JI-2.10
TEST(PredictBody, RefusesInUpstreamsWords) {
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {R"({"data": "a string"})", "application/json",
       R"({"detail":[{"loc":["body","data"],"msg":"value is not a valid list","type":"type_error.list"}]})"},
      {R"({"data": {"a": 1}})", "application/json",
       R"({"detail":[{"loc":["body","data"],"msg":"value is not a valid list","type":"type_error.list"}]})"},
      {R"({"data": null})", "application/json",
       R"({"detail":[{"loc":["body","data"],"msg":"none is not an allowed value","type":"type_error.none.not_allowed"}]})"},
      {R"({"data": 5})", "application/json",
       R"({"detail":[{"loc":["body","data"],"msg":"value is not a valid list","type":"type_error.list"}]})"},
      {"{}", "application/json",
       R"({"detail":[{"loc":["body","data"],"msg":"field required","type":"value_error.missing"}]})"},
      {"[1]", "application/json",
       R"({"detail":[{"loc":["body"],"msg":"value is not a valid dict","type":"type_error.dict"}]})"},
      {"", "application/json", R"({"detail":[{"loc":["body"],"msg":"field required","type":"value_error.missing"}]})"},
      {"{not json", "application/json",
       R"x({"detail":[{"loc":["body",1],"msg":"Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",)x"
       R"("type":"value_error.jsondecode","ctx":{"msg":"Expecting property name enclosed in double quotes",)"
       R"("doc":"{not json","pos":1,"lineno":1,"colno":2}}]})"},
      {R"({"data": [1]})", "text/plain",
       R"({"detail":[{"loc":["body"],"msg":"value is not a valid dict","type":"type_error.dict"}]})"},
      {R"({"data": [1]})", "application/x-www-form-urlencoded",
       R"({"detail":[{"loc":["body"],"msg":"value is not a valid dict","type":"type_error.dict"}]})"},
      {R"({"callback": []})", "application/json; charset=utf-8",
       R"({"detail":[{"loc":["body","data"],"msg":"field required","type":"value_error.missing"},)"
       R"({"loc":["body","callback"],"msg":"str type expected","type":"type_error.str"}]})"}};
  for (const auto& [text, type, expected] : cases) {
    const auto outcome = predict(text, type);
    ASSERT_TRUE(std::holds_alternative<PredictRefusal>(outcome)) << text;
    EXPECT_EQ(std::get<PredictRefusal>(outcome).status, 422);
    EXPECT_EQ(std::get<PredictRefusal>(outcome).body, expected) << text;
  }
  EXPECT_EQ(std::get<PredictRefusal>(predict("{\"data\": [\"\xff\"]}")).status, 400);
  EXPECT_EQ(std::get<PredictRefusal>(predict("{\"data\": " + std::string(1000, '['))).status, 413);
}

// JI-5.3
TEST(PredictBody, IsWrittenAsUpstreamsClientWritesIt) {
  std::string data;
  append_lists(data, make<float>(DType::kFp32, {1, 2}, {0.2F, 1}), {", ", true, true}).value();
  EXPECT_EQ(make_predict_body("{\"post_process\": null}", data),
            "{\"post_process\": null, \"data\": [[0.20000000298023224, 1.0]]}");
  EXPECT_EQ(make_predict_body("{}", "[1]"), "{\"data\": [1]}");
}

}  // namespace
}  // namespace sedna::tensor
