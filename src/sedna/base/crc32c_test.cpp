#include "sedna/base/crc32c.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sedna {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Crc32c, HasTheValuesOfRfc3720) {
  EXPECT_EQ(crc32c(0, bytes_of("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(0, bytes_of(std::string(32, '\0'))), 0x8a9136aaU);
  EXPECT_EQ(crc32c(0, bytes_of(std::string(32, '\xff'))), 0x62a8ab43U);
  EXPECT_EQ(crc32c(0, {}), 0U);
}

TEST(Crc32c, GoesOnPieceByPiece) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  const auto all = bytes_of(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(crc32c(0, all.first(cut)), all.subspan(cut)), crc32c(0, all));
  }
}

}  // namespace
}  // namespace sedna
