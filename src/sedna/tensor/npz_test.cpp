#include "sedna/tensor/npz.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace sedna::tensor {
namespace {

std::string read_file(const char* name) {
  std::ifstream in(std::filesystem::path(SEDNA_SOURCE_DIR) / "tests/compat/vectors/tensor" / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<Tensor> load(const char* name) {
  return load_npz(std::filesystem::path(SEDNA_SOURCE_DIR) / "tests/compat/vectors/tensor" / name).value();
}

std::string load_error(const char* name) {
  const auto path = std::filesystem::path(SEDNA_SOURCE_DIR) / "tests/compat/vectors/tensor" / name;
  const auto result = load_npz(path);
  if (result) return "accepted";
  const std::string what = result.error().what();
  return what.substr(std::min(what.size(), path.string().size()));
}

TEST(Npz, ReadsWhatNumpyWrites) {
  std::vector<Tensor> stored = load("stored.npz");
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_EQ(stored[0].name, "x");
  EXPECT_EQ(stored[0].shape, (Shape{2, 3}));
  EXPECT_EQ(stored[0].as<float>()[5], 5.0F);
  EXPECT_EQ(stored[1].as<std::int64_t>()[1], 300);

  std::vector<Tensor> all = load("deflated.npz");
  ASSERT_EQ(all.size(), 8U);
  EXPECT_EQ(all[0].shape, (Shape{40, 3}));
  EXPECT_EQ(all[0].as<float>()[117], 3.0F);
  EXPECT_EQ(bytes_elements(all[1]).value(), (std::vector<std::string_view>{"ab", "é中😀", ""}));
  EXPECT_EQ(bytes_elements(all[2]).value(), (std::vector<std::string_view>{"ab", "c"}));
  EXPECT_EQ(all[3].shape, (Shape{2, 3}));
  EXPECT_EQ(all[3].as<float>()[1], 1.0F) << "Fortran order is turned into row-major";
  EXPECT_EQ(all[4].as<std::int32_t>()[1], -2) << "big-endian is turned into little-endian";
  EXPECT_EQ(all[5].dtype, DType::kBool);
  EXPECT_EQ(all[6].shape, Shape{});
  EXPECT_EQ(all[6].as<double>()[0], 2.5);
  EXPECT_EQ(all[7].shape, (Shape{2, 0, 3}));
  EXPECT_EQ(load("plain.npy")[0].name, "plain");
  EXPECT_EQ(load("plain.npy")[0].as<std::uint16_t>()[3], 4);
}

// JI-7.12
TEST(Npz, RefusesWhatItMustNotRead) {
  EXPECT_EQ(load_error("pickled.npz"), "[x.npy].descr: holds Python objects (a pickle), which are never read");
  EXPECT_EQ(load_error("structured.npy"), ".descr: structured arrays are not read");
  EXPECT_TRUE(load_error("complex.npy").starts_with(".descr: '<c8' is not read;"));
  EXPECT_EQ(load_error("make_vectors.py"), ": is neither a .npz nor a .npy file");
  EXPECT_EQ(load_npz("/nowhere/x.npz").error().code(), ErrorCode::kNotFound);

  const std::string whole = read_file("deflated.npz");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_FALSE(parse_npz(Bytes::copy_of(whole.substr(0, size)))) << size;
  }
  std::string damaged = whole;
  damaged[60] = static_cast<char>(damaged[60] ^ 0x10);
  EXPECT_FALSE(parse_npz(Bytes::copy_of(damaged)));
  NpzLimits small;
  small.max_total_bytes = 100;
  EXPECT_EQ(parse_npz(Bytes::copy_of(whole), small).error().code(), ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace sedna::tensor
