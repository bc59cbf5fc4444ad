#include "sedna/tensor/oip.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "sedna/json/json.hpp"
#include "sedna/tensor/oip_documents.hpp"

namespace sedna::tensor::oip {
namespace {

std::filesystem::path vectors() {
  return std::filesystem::path(SEDNA_SOURCE_DIR) / "tests/compat/vectors/tensor";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

struct Vector {
  std::string body;
  std::optional<std::size_t> header_length;
};

/// A request as the stock client made it (tests/compat/vectors/tensor/make_vectors.py).
Vector stock_request(const std::string& name) {
  static const json::value tree = json::parse(read_file(vectors() / "oip_requests.json")).value();
  const json::object& entry = tree.as_object().at(name).as_object();
  Vector vector;
  const auto hex = json::require_string(entry, "body").value();
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    vector.body += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  if (const auto length = json::optional_int(entry, "header_length").value()) {
    vector.header_length = static_cast<std::size_t>(*length);
  }
  return vector;
}

InferRequest decoded(const std::string& name) {
  const Vector vector = stock_request(name);
  return decode_request(Bytes::copy_of(std::as_bytes(std::span(vector.body))), vector.header_length).value();
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto view = tensor.as<T>();
  return {view.begin(), view.end()};
}

template <class T>
Tensor make(std::string name, DType dtype, Shape shape, std::vector<T> elements) {
  return {std::move(name), dtype, std::move(shape), Bytes::copy_of(std::as_bytes(std::span(elements)))};
}

Tensor strings(std::string name, std::vector<std::string_view> texts) {
  return make_bytes_tensor(std::move(name), texts);
}

// JI-2.2
TEST(OipRequest, DecodesWhatTheStockClientSends) {
  InferRequest r = decoded("all_fields");
  EXPECT_EQ(r.id, "7");
  EXPECT_EQ(r.priority, 1U);
  EXPECT_EQ(r.timeout_us, 5000U);
  EXPECT_FALSE(r.binary_data_output);
  EXPECT_EQ(r.parameters, R"({"k":"v","f":1.5,"b":true})");
  ASSERT_EQ(r.inputs.size(), 2U);
  EXPECT_EQ(r.inputs[0].shape, (Shape{1, 2}));
  EXPECT_EQ(values<float>(r.inputs[0]), (std::vector<float>{1, 2.5}));
  EXPECT_EQ(bytes_elements(r.inputs[1]).value(), (std::vector<std::string_view>{"ab", "cde"}));
  ASSERT_EQ(r.outputs.size(), 2U);
  EXPECT_EQ(r.outputs[0].binary_data, true);
  EXPECT_EQ(r.outputs[1].binary_data, false);
  EXPECT_EQ(r.outputs[1].classification, 3U);

  EXPECT_TRUE(decoded("binary").binary_data_output);
  EXPECT_EQ(values<std::int64_t>(decoded("json").inputs[0]), (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(values<float>(decoded("json_floats").inputs[0]), (std::vector<float>{1, 0.1F}));
  r = decoded("json_strings_and_bools");
  EXPECT_EQ(bytes_elements(r.inputs[0]).value(), (std::vector<std::string_view>{"ab", "c\"e"}));
  EXPECT_EQ(values<std::uint8_t>(r.inputs[1]), (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(values<float>(decoded("mixed").inputs[1]), (std::vector<float>{1, 2.5}));
  EXPECT_EQ(decoded("empty").inputs[0].data.size(), 0U);
  EXPECT_EQ(decoded("half").inputs[0].dtype, DType::kFp16);
  EXPECT_EQ(decoded("sequence").parameters, R"({"sequence_id":5,"sequence_start":true,"sequence_end":false})");
}

// JI-2.2
TEST(OipRequest, EncodesTheVeryBytesOfTheStockClient) {
  EncodeOptions plain;
  plain.pad_header = false;
  EncodeOptions as_json = plain;
  as_json.binary = false;
  const auto expect_same = [](const InferRequest& request, const EncodeOptions& options, const std::string& name) {
    const EncodedBody body = encode_request(request, options).value();
    const Vector stock = stock_request(name);
    EXPECT_EQ(body.to_string(), stock.body) << name;
    EXPECT_EQ(body.header_length, stock.header_length) << name;
  };
  InferRequest r;
  r.binary_data_output = true;
  r.inputs.push_back(make<float>("x", DType::kFp32, {1, 2}, {1, 2.5}));
  expect_same(r, plain, "binary");
  r.inputs.push_back(strings("s", {"ab", "cde"}));
  r.id = "7";
  r.priority = 1;
  r.timeout_us = 5000;
  r.parameters = R"({"k":"v","f":1.5,"b":true})";
  r.outputs = {{"y", true, 0}, {"z", false, 3}};
  expect_same(r, plain, "all_fields");

  r = InferRequest{};
  r.inputs.push_back(make<std::int64_t>("x", DType::kInt64, {2, 2}, {1, 2, 3, 4}));
  r.outputs = {{"y", false, 0}};
  expect_same(r, as_json, "json");
  r = InferRequest{};
  r.binary_data_output = true;
  r.inputs.push_back(make<float>("x", DType::kFp32, {2}, {1, 0.1F}));
  expect_same(r, as_json, "json_floats");
  r.inputs = {strings("s", {"ab", "c\"e"}), make<std::uint8_t>("b", DType::kBool, {2}, {1, 0})};
  expect_same(r, as_json, "json_strings_and_bools");
  r.inputs = {make<std::uint8_t>("e", DType::kUint8, {0, 3}, {})};
  expect_same(r, plain, "empty");
  r.inputs = {make<std::uint16_t>("h", DType::kFp16, {2}, {0x3E00, 0xC000})};
  expect_same(r, plain, "half");
  EXPECT_STREQ(encode_request(r, as_json).error().what(),
               "inputs[0].data: FP16 has no JSON form; ask for it as binary data");
}

// JI-2.2
TEST(OipRequest, PaddedHeadersLetTensorsLieAligned) {
  InferRequest r;
  r.inputs.push_back(make<double>("x", DType::kFp64, {2}, {1, 2}));
  const EncodedBody body = encode_request(r).value();
  EXPECT_EQ(body.header_length.value() % kBufferAlignment, 0U);
  ASSERT_EQ(body.parts.size(), 2U);
  EXPECT_EQ(body.parts[1].data(), r.inputs[0].data.data()) << "encoding copies no tensor";
  const std::string text = body.to_string();
  const Bytes received = Bytes::copy_of(std::as_bytes(std::span(text)));
  const InferRequest back = decode_request(received, body.header_length).value();
  EXPECT_EQ(back.inputs[0].data.data(), received.data() + *body.header_length) << "decoding copies no aligned tensor";

  // One byte further on, the same body has to be copied to be readable as doubles.
  const std::string shifted = " " + text;
  const Bytes odd = Bytes::copy_of(std::as_bytes(std::span(shifted)));
  const InferRequest copied = decode_request(odd, *body.header_length + 1).value();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copied.inputs[0].data.data()) % 8, 0U);
  EXPECT_EQ(values<double>(copied.inputs[0]), (std::vector<double>{1, 2}));
}

TEST(OipRequest, HeadsTellTheSizesBeforeTheTensorsArrive) {
  const Vector vector = stock_request("all_fields");
  RequestHead head = decode_request_head(vector.body.substr(0, *vector.header_length)).value();
  ASSERT_EQ(head.binary.size(), 2U);
  EXPECT_EQ(head.binary[0].size, 8U);
  EXPECT_EQ(head.binary[1].size, 13U);
  EXPECT_EQ(head.binary_size, 21U);
  const std::string rest = vector.body.substr(*vector.header_length);
  const InferRequest r =
      attach(std::move(head), {Bytes::copy_of(rest.substr(0, 8)), Bytes::copy_of(rest.substr(8))}).value();
  EXPECT_EQ(values<float>(r.inputs[0]), (std::vector<float>{1, 2.5}));
}

std::string refusal(std::string_view json, std::string_view binary = {}) {
  const std::string body = std::string(json) + std::string(binary);
  const auto header = binary.empty() ? std::nullopt : std::optional<std::size_t>(json.size());
  const auto result = decode_request(Bytes::copy_of(body), header);
  return result ? "accepted" : result.error().what();
}

// JI-7.9
TEST(OipRequest, RefusalsNameTheField) {
  EXPECT_EQ(refusal("{"), "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)");
  EXPECT_EQ(refusal("[]"), "must be an object");
  EXPECT_EQ(refusal("{}"), "inputs: is missing; it must be a list of tensors");
  EXPECT_EQ(refusal(R"({"inputs":[]})"), "inputs: is empty; a request needs an input");
  EXPECT_EQ(refusal(R"({"inputs":5})"), "inputs: must be a list");
  EXPECT_EQ(refusal(R"({"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].name: is missing; it must be a string");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","datatype":"FP32","data":[1]}]})"),
            "inputs[0].shape: is missing; it must be a list of dimensions");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[1],"data":[1]}]})"),
            "inputs[0].datatype: is missing; it must be a datatype such as FP32");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]})"),
            "inputs[0]: has neither data nor parameters.binary_data_size");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].shape[0]: dimension is -1; it must be 0 or more");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[1.5],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].shape[0]: must be an integer of 64 bits");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[4294967296,4294967296],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].data.shape: [4294967296,4294967296] is larger than can be addressed");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[9223372036854775808],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].shape[0]: must be an integer of 64 bits");
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP8","data":[1]}]})")
                  .starts_with("inputs[0].datatype: \"FP8\" is not a datatype"));
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP16","data":[1]}]})"),
            "inputs[0].data: FP16 has no JSON form: send it as binary data (binary_data_size)");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[2],"datatype":"UINT8","data":[1,256]}]})"),
            "inputs[0].data[1]: 256 does not fit UINT8 (0 … 255)");
  EXPECT_EQ(refusal(R"({"inputs":[{"data":[1,2],"name":"x","shape":[3],"datatype":"UINT8"}]})"),
            "inputs[0].data: holds 2 values; shape [3] needs 3");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]},)"
                    R"({"name":"x","shape":[1],"datatype":"FP32","data":[1]}]})"),
            "inputs[1].name: \"x\" is the name of an earlier tensor");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","name":"y","shape":[1],"datatype":"FP32","data":[1]}]})"),
            "inputs[0].name: appears twice");
  EXPECT_EQ(refusal(R"({"id":5,"inputs":[]})"), "id: must be a string");
  EXPECT_EQ(refusal(R"({"parameters":{"timeout":-1},"inputs":[]})"),
            "parameters.timeout: must be an integer of 0 or more");
  EXPECT_EQ(
      refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}]})"),
      "inputs[0].parameters: shared memory is not supported; send the data");
  EXPECT_EQ(refusal(R"({"outputs":[{"name":"y"},{"name":"y"}]})"), "outputs[1].name: \"y\" is requested twice");
}

// JI-7.9
TEST(OipRequest, BinarySizesMustAddUp) {
  const std::string x =
      R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]})";
  EXPECT_EQ(refusal(x, "12345678"), "accepted");
  EXPECT_EQ(refusal(x, "1234567"), "body: 7 bytes follow the JSON; the tensors' binary_data_size add up to 8");
  EXPECT_EQ(refusal(x, "123456789"), "body: 9 bytes follow the JSON; the tensors' binary_data_size add up to 8");
  EXPECT_EQ(refusal(x), "body: 0 bytes follow the JSON; the tensors' binary_data_size add up to 8");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","parameters":{"binary_data_size":8}}]})",
                    "12345678"),
            "inputs[0].parameters.binary_data_size: is 8; FP32 of this shape has 12 bytes");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":6}}]})",
                    std::string_view("\2\0\0\0ab", 6)),
            "inputs[0].data: 6 bytes cannot hold the 2 BYTES elements of shape [2]");
  EXPECT_EQ(
      refusal(
          R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2],"parameters":{"binary_data_size":8}}]})",
          "12345678"),
      "inputs[0]: has both data and binary_data_size; it must have one");
  const auto beyond = decode_request(Bytes::copy_of(x), x.size() + 1);
  EXPECT_EQ(beyond.error().subject(), kHeaderLengthField);
  EXPECT_FALSE(decode_request(Bytes::copy_of(x), 0));
}

// JI-2.3
TEST(OipRequest, RawBodiesFillTheOneInput) {
  const Bytes body = Bytes::copy_of(std::string_view("\0\0\x80\x3f\0\0\0\x40", 8));
  const InferRequest r = decode_raw_request(body, {"x", DType::kFp32, {-1, -1}}, true).value();
  EXPECT_EQ(r.inputs[0].shape, (Shape{1, 2}));
  EXPECT_TRUE(r.binary_data_output);
  EXPECT_EQ(values<float>(r.inputs[0]), (std::vector<float>{1, 2}));
  EXPECT_STREQ(decode_raw_request(body, {"x", DType::kFp32, {-1, -1}}, false).error().what(),
               "x: has 2 variable dimensions; a raw request can fill one");
  EXPECT_STREQ(decode_raw_request(body, {"x", DType::kFp32, {-1, 3}}, false).error().what(),
               "x: 8 bytes are not a multiple of the 12 bytes that one step of the variable dimension takes");
  EXPECT_STREQ(decode_raw_request(body, {"x", DType::kFp32, {3}}, false).error().what(),
               "x.data: has 8 bytes; FP32[3] needs 12");
  EXPECT_EQ(bytes_elements(decode_raw_request(body, {"s", DType::kBytes, {-1, 1}}, true).value().inputs[0]).value()[0],
            body.text());
}

// JI-2.2
TEST(OipResponse, AnswersBinaryAndJsonAsAsked) {
  InferResponse response;
  response.model = "m";
  response.version = "1";
  response.outputs = {make<float>("y", DType::kFp32, {1, 2}, {1, 2.5}),
                      make<float>("z", DType::kFp32, {1, 3}, {0.1F, 0.7F, 0.2F})};
  InferRequest request;
  request.id = "7";
  request.outputs = {{"z", false, 2}, {"y", true, 0}};
  EncodeOptions plain;
  plain.pad_header = false;
  const EncodedBody body = encode_response(response, request, plain).value();
  const std::string expected = R"({"id":"7","model_name":"m","model_version":"1","outputs":[)"
                               R"({"name":"z","datatype":"BYTES","shape":[1,2],"data":["0.700000:1","0.200000:2"]},)"
                               R"({"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})";
  EXPECT_EQ(body.header_length, expected.size());
  EXPECT_EQ(body.to_string(), expected + std::string("\0\0\x80\x3f\0\0\x20\x40", 8));

  const std::string text = encode_response(response, request).value().to_string();
  const std::size_t padded = encode_response(response, request).value().header_length.value();
  const InferResponse back = decode_response(Bytes::copy_of(std::as_bytes(std::span(text))), padded).value();
  EXPECT_EQ(back.id, "7");
  EXPECT_EQ(back.model, "m");
  ASSERT_EQ(back.outputs.size(), 2U);
  EXPECT_EQ(values<float>(back.outputs[1]), (std::vector<float>{1, 2.5}));

  request.outputs.clear();
  EXPECT_EQ(encode_response(response, request).value().header_length, std::nullopt);
  request.outputs = {{"w", std::nullopt, 0}};
  EXPECT_STREQ(encode_response(response, request).error().what(), "unexpected inference output 'w' for model 'm'");
  request.outputs = {{"y", std::nullopt, 0}};
  response.outputs[0].dtype = DType::kBf16;
  response.outputs[0].shape = {4};
  EXPECT_STREQ(encode_response(response, request).error().what(),
               "outputs.y.data: BF16 has no JSON form; ask for it as binary data");
}

// JI-2.1
TEST(OipDocuments, AreWhatTritonAnswers) {
  const std::string_view extensions[] = {"binary_tensor_data", "statistics"};
  EXPECT_EQ(server_metadata_json("sedna", "0.1.0", extensions),
            R"({"name":"sedna","version":"0.1.0","extensions":["binary_tensor_data","statistics"]})");
  ModelDocument model;
  model.name = "m";
  model.platform = "onnxruntime_onnx";
  model.backend = "onnxruntime";
  model.max_batch_size = 8;
  model.inputs = {{"x", DType::kFp32, {-1, 64}}};
  model.outputs = {{"label", DType::kBytes, {-1, 1}}};
  const std::string metadata = model_metadata_json(model);
  EXPECT_EQ(metadata, R"({"name":"m","versions":["1"],"platform":"onnxruntime_onnx",)"
                      R"("inputs":[{"name":"x","datatype":"FP32","shape":[-1,64]}],)"
                      R"("outputs":[{"name":"label","datatype":"BYTES","shape":[-1,1]}]})");
  EXPECT_EQ(model_config_json(model),
            R"({"name":"m","platform":"onnxruntime_onnx","backend":"onnxruntime","max_batch_size":8,)"
            R"("input":[{"name":"x","data_type":"TYPE_FP32","dims":[64]}],)"
            R"("output":[{"name":"label","data_type":"TYPE_STRING","dims":[1]}]})");
  const ModelDocument back = parse_model_metadata(metadata).value();
  EXPECT_EQ(back.inputs[0].shape, (Shape{-1, 64}));
  EXPECT_STREQ(parse_model_metadata(R"({"name":"m","inputs":[{"name":"x","datatype":"F","shape":[]}],"outputs":[]})")
                   .error()
                   .what(),
               "inputs[0].datatype: \"F\" is not a datatype");
  const RepositoryEntry entries[] = {{"m", "1", "READY", ""}};
  EXPECT_EQ(repository_index_json(entries), R"([{"name":"m","version":"1","state":"READY","reason":""}])");
  ModelStatistics statistics;
  statistics.name = "m";
  statistics.version = "1";
  statistics.success = {2, 300};
  statistics.batches.push_back({1, {2, 1}, {2, 2}, {2, 3}});
  const ModelStatistics all[] = {statistics};
  const std::string text = statistics_json(all);
  EXPECT_NE(text.find(R"("inference_stats":{"success":{"count":2,"ns":300})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("batch_stats":[{"batch_size":1,"compute_input":{"count":2,"ns":1})"), std::string::npos)
      << text;
  EXPECT_EQ(error_json("no \"m\""), R"({"error":"no \"m\""})");
}

}  // namespace
}  // namespace sedna::tensor::oip
