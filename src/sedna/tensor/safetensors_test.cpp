// Safetensors files as they are written, read back, and refused. That Python's safe_open() reads them too is checked
// where Python is at hand.
#include "sedna/tensor/safetensors.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sedna::tensor {
namespace {

Tensor floats(std::string name, Shape shape, const std::vector<float>& values) {
  Tensor t;
  t.name = std::move(name);
  t.dtype = DType::kFp32;
  t.shape = std::move(shape);
  t.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return t;
}

Bytes joined(const std::vector<Bytes>& parts) {
  std::string text;
  for (const Bytes& part : parts) text += part.text();
  return Bytes::copy_of(text);
}

// FL-3.7
TEST(Safetensors, AreReadBackAsTheyWereWritten) {
  Tensor counter;
  counter.name = "steps \"n\"";
  counter.dtype = DType::kInt64;
  const std::int64_t nine = 9;
  counter.data = Bytes::copy_of(std::as_bytes(std::span(&nine, 1)));
  const std::vector<Tensor> tensors = {floats("w", {2, 2}, {1, 2, 3, 4}), floats("b", {1}, {5}), counter,
                                       floats("none", {0, 3}, {})};
  const Bytes file = joined(write_safetensors(tensors, {{"round", "7"}, {"who", "ä\n"}}));
  const auto read = read_safetensors(file);
  ASSERT_TRUE(read) << read.error().what();
  EXPECT_EQ(find_metadata(read->header.metadata, "round"), "7");
  EXPECT_EQ(find_metadata(read->header.metadata, "who"), "ä\n");
  EXPECT_EQ(find_metadata(read->header.metadata, "else"), std::nullopt);
  EXPECT_EQ(read->header.data_offset % kBufferAlignment, 0u);
  ASSERT_EQ(read->tensors.size(), 4u);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(read->tensors[i].name, tensors[i].name);
    EXPECT_EQ(read->tensors[i].dtype, tensors[i].dtype);
    EXPECT_EQ(read->tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(read->tensors[i].data.text(), tensors[i].data.text());
  }
}

// FL-3.7
TEST(Safetensors, HaveTheBytesThatTheFormatSays) {
  const std::vector<Tensor> tensors = {floats("w", {1}, {1})};
  const Bytes file = joined(write_safetensors(tensors, {}));
  const std::string_view text = file.text();
  std::uint64_t size = 0;
  std::memcpy(&size, text.data(), 8);
  EXPECT_EQ(size, 56u);
  EXPECT_EQ(text.substr(8, 56), R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  )");
  EXPECT_EQ(text.substr(64), std::string_view("\x00\x00\x80\x3f", 4));
}

// FL-3.7
TEST(Safetensors, RefuseHeadersThatLie) {
  const auto reason = [](std::string_view header) {
    const auto parsed = parse_safetensors_header(header);
    return parsed ? std::string("accepted") : std::string(parsed.error().what());
  };
  using ::testing::HasSubstr;
  EXPECT_EQ(reason(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"), "accepted");
  EXPECT_EQ(reason("{}"), "accepted");
  EXPECT_THAT(reason("[]"), HasSubstr("object"));
  EXPECT_THAT(reason("{"), HasSubstr("safetensors header"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})"), HasSubstr("no dtype"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})"), HasSubstr("length"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})"), HasSubstr("whole number"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})"), HasSubstr("length"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"), HasSubstr("hole"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                     R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
              HasSubstr("overlap"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})"), HasSubstr("a"));
  EXPECT_THAT(reason(R"({"__metadata__":{"x":1}})"), HasSubstr("__metadata__.x"));
  EXPECT_THAT(reason(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}})"), HasSubstr("safetensors"));
}

// FL-3.7
TEST(Safetensors, RefuseFilesThatAreCutOrLonger) {
  const std::vector<Tensor> tensors = {floats("w", {2}, {1, 2})};
  const Bytes file = joined(write_safetensors(tensors, {}));
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(read_safetensors(file.slice(0, size))) << size;
  EXPECT_FALSE(read_safetensors(Bytes::copy_of(std::string(file.text()) + "x")));
  std::string huge(8, '\xff');
  EXPECT_FALSE(read_safetensors(Bytes::copy_of(huge)));
}

// FL-3.7
TEST(Safetensors, WriteEachNameOnce) {
  const std::vector<Tensor> twice = {floats("w", {1}, {1}), floats("w", {1}, {2})};
  EXPECT_THROW(write_safetensors_header(twice, {}), Error);
}

}  // namespace
}  // namespace sedna::tensor
