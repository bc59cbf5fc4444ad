#include "sedna/base/sha256.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"

namespace sedna {
namespace {

// FIPS 180-4's examples.
constexpr std::string_view kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, OfBytes) {
  EXPECT_EQ(sha256_hex("abc"), kAbc);
  EXPECT_EQ(sha256_hex(""), kEmpty);
}

TEST(Sha256, InPiecesAndAgain) {
  Sha256 digest;
  digest.update("a");
  digest.update("bc");
  EXPECT_EQ(digest.finish(), kAbc);
  EXPECT_EQ(digest.finish(), kEmpty);
}

// JI-6.5
TEST(Sha256, OfFiles) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "sha256_test.bin";
  std::ofstream(file, std::ios::binary) << "abc";
  EXPECT_EQ(sha256_file(file), kAbc);
  std::filesystem::remove(file);
  try {
    sha256_file(file);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNotFound);
    EXPECT_EQ(e.subject(), file.string());
  }
  EXPECT_THROW(sha256_file(::testing::TempDir()), Error);
}

}  // namespace
}  // namespace sedna
