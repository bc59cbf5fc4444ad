#include "sedna/dataset/counter.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"

namespace sedna::dataset {
namespace {

class Counter : public ::testing::Test {
 protected:
  Counter() : folder_(std::filesystem::temp_directory_path() / ("sedna-count-" + random_hex(6))) {
    std::filesystem::create_directories(folder_);
  }
  ~Counter() override { std::filesystem::remove_all(folder_); }
  std::string file() const { return (folder_ / "index.txt").string(); }
  void write(const std::string& text) { std::ofstream(file(), std::ios::binary) << text; }
  void append(const std::string& text) { std::ofstream(file(), std::ios::binary | std::ios::app) << text; }
  Count count(Format format = Format::kTxt) {
    auto result = count_file(file(), format, state_);
    EXPECT_TRUE(result) << result.error().what();
    state_ = result->state;
    return *result;
  }

  std::filesystem::path folder_;
  CountState state_;
};

TEST_F(Counter, CountsLinesWithAndWithoutANewlineAtTheEnd) {
  write("");
  EXPECT_EQ(count().samples, 0U);
  write("a\n");
  EXPECT_EQ(count().samples, 1U);
  write("a\n\nb");
  EXPECT_EQ(count().samples, 3U) << "an empty line is a sample, as upstream counts";
}

TEST_F(Counter, ReadsOnlyWhatIsNew) {
  write(std::string(1'000'000, 'x') + "\n");
  EXPECT_EQ(count().samples, 1U);
  append("second");
  auto next = count();
  EXPECT_EQ(next.samples, 2U);
  EXPECT_EQ(next.bytes_read, 6U);
  append(" half\nthird\n");
  next = count();
  EXPECT_EQ(next.samples, 3U) << "the open line goes on";
  EXPECT_EQ(next.bytes_read, 12U);
  next = count();
  EXPECT_FALSE(next.changed);
  EXPECT_EQ(next.bytes_read, 0U);
}

TEST_F(Counter, AFileThatWasWrittenAnewIsCountedAnew) {
  write("a\nb\nc\n");
  EXPECT_EQ(count().samples, 3U);
  write("a\n");
  EXPECT_EQ(count().samples, 1U) << "shorter";
  write("other\nlines\nand\nmore\nof\nthem\n");
  EXPECT_EQ(count().samples, 6U) << "longer, with another beginning";
  std::filesystem::remove(file());
  write("x\ny\n");
  EXPECT_EQ(count().samples, 2U) << "another file of that name";
}

TEST_F(Counter, SameSizeAndOtherContentIsSeen) {
  write("a\nb\n");
  EXPECT_EQ(count().samples, 2U);
  std::filesystem::last_write_time(file(), std::filesystem::last_write_time(file()) - std::chrono::seconds(5));
  EXPECT_EQ(count().samples, 2U);
  write("abc\n");
  std::filesystem::last_write_time(file(), std::filesystem::last_write_time(file()) + std::chrono::seconds(5));
  EXPECT_EQ(count().samples, 1U);
}

TEST_F(Counter, TheFirstLineOfACsvFileIsItsHeader) {
  write("");
  EXPECT_FALSE(count_file(file(), Format::kCsv, {}));
  write("x,y\n");
  EXPECT_EQ(count(Format::kCsv).samples, 0U);
  append("1,2\n3,4\n");
  EXPECT_EQ(count(Format::kCsv).samples, 2U);
}

TEST_F(Counter, SaysWhatIsWrong) {
  EXPECT_EQ(count_file(file(), Format::kTxt, {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(count_file(folder_.string(), Format::kTxt, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_format("TXT").value(), Format::kTxt);
  EXPECT_FALSE(parse_format("json"));
}

TEST_F(Counter, AStateGoesThroughText) {
  write("a\nb");
  count();
  const CountState again = CountState::from_text(state_.to_text());
  const auto next = count_file(file(), Format::kTxt, again);
  EXPECT_FALSE(next->changed);
  EXPECT_EQ(next->samples, 2U);
  for (const char* text : {"", "1 2 3", "x", "1 2 3 4 5 6", "1 2 3 4 5 -1 f"}) {
    EXPECT_EQ(CountState::from_text(text).bytes, 0U) << text;
  }
}

}  // namespace
}  // namespace sedna::dataset
