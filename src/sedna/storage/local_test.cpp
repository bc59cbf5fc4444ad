#include "sedna/storage/local.hpp"

#include <fcntl.h>

#include "sedna/storage/file_io.hpp"
#include "sedna/storage/test_folder.hpp"

namespace sedna::storage {
namespace {

namespace fs = std::filesystem;

using Local = TestFolder;

// JI-6.5
TEST_F(Local, AFileAppearsWholeWithItsMode) {
  const auto source = write("a", std::string(3'000'000, 'x'));
  fs::permissions(source, fs::perms::owner_all);
  EXPECT_EQ(copy_local_file(source, folder_ / "new/b", {}), 3'000'000u);
  EXPECT_EQ(read(folder_ / "new/b"), read(source));
  EXPECT_NE(fs::status(folder_ / "new/b").permissions() & fs::perms::owner_exec, fs::perms::none);
  EXPECT_EQ(entries(folder_ / "new"), 1u);
}

TEST_F(Local, CopyOntoItselfKeepsTheFile) {
  const auto source = write("a", "text");
  copy_local_file(source, source, {});
  EXPECT_EQ(read(source), "text");
}

// JI-6.5
TEST_F(Local, FailuresLeaveTheOldFileAndNothingElse) {
  const auto source = write("a", "new content");
  write("out/b", "old");
  TransferOptions options;
  options.sha256 = std::string(64, '0');
  EXPECT_EQ(error_of([&] { copy_local_file(source, folder_ / "out/b", options); }).code(), ErrorCode::kDataLoss);
  options = {};
  options.max_size = 3;
  EXPECT_EQ(error_of([&] { copy_local_file(source, folder_ / "out/b", options); }).code(),
            ErrorCode::kResourceExhausted);
  options = {};
  options.progress = [](std::uint64_t, std::optional<std::uint64_t>) { throw Error(ErrorCode::kAborted, "stop"); };
  EXPECT_EQ(error_of([&] { copy_local_file(source, folder_ / "out/b", options); }).code(), ErrorCode::kAborted);
  EXPECT_EQ(read(folder_ / "out/b"), "old");
  EXPECT_EQ(entries(folder_ / "out"), 1u);
}

TEST_F(Local, AFullDiskIsSaidToBeFull) {
  const Descriptor full = open_file("/dev/full", O_WRONLY);
  const std::string text = "text";
  const Error error =
      error_of([&] { write_all(full, std::as_bytes(std::span(text.data(), text.size())), "model.onnx"); });
  EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(std::string(error.what()).find("disk full"), std::string::npos);
  EXPECT_EQ(error.subject(), "model.onnx");
}

TEST_F(Local, AFolderIsCopiedWithItsInnerLinks) {
  write("src/a/1", "one");
  write("src/2", "two");
  fs::create_symlink("../2", folder_ / "src/a/link");
  EXPECT_EQ(copy_local_folder(folder_ / "src", folder_ / "dst/", {}), 6u);
  EXPECT_EQ(read(folder_ / "dst/a/link"), "two");
  EXPECT_TRUE(fs::is_symlink(folder_ / "dst/a/link"));
  // Again, into the folder that is there now.
  write("src/2", "changed");
  copy_local_folder(folder_ / "src", folder_ / "dst", {});
  EXPECT_EQ(read(folder_ / "dst/a/link"), "changed");
}

TEST_F(Local, LinksThatLeadOutAreRefused) {
  write("secret", "s");
  write("src/a", "x");
  for (const char* target : {"../secret", "/etc/passwd", "a/../../secret"}) {
    fs::remove(folder_ / "src/link");
    fs::create_symlink(target, folder_ / "src/link");
    const Error error = error_of([&] { copy_local_folder(folder_ / "src", folder_ / "dst", {}); });
    EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied) << target;
    EXPECT_NE(error.subject().find("link"), std::string::npos);
    EXPECT_FALSE(fs::exists(folder_ / "dst"));
  }
  EXPECT_EQ(entries(folder_), 4u);  // secret, src, src/a, src/link: no temporary stays
}

TEST_F(Local, AFolderIsNotCopiedIntoItself) {
  write("src/a", "x");
  EXPECT_EQ(error_of([&] { copy_local_folder(folder_ / "src", folder_ / "src/inner", {}); }).code(),
            ErrorCode::kInvalidArgument);
  fs::create_symlink(folder_ / "src", folder_ / "alias");
  EXPECT_EQ(error_of([&] { copy_local_folder(folder_ / "src", folder_ / "alias/x", {}); }).code(),
            ErrorCode::kInvalidArgument);
}

// JI-7.14
TEST(JoinInside, TakesOnlyWhatStaysInside) {
  EXPECT_EQ(*join_inside("/f", "a//b/./c"), "/f/a/b/c");
  for (const char* bad : {"", "/", "/etc", "..", "a/../../b", "a/..", ".", "./"})
    EXPECT_FALSE(join_inside("/f", bad)) << bad;
  EXPECT_FALSE(join_inside("/f", std::string_view("a\0b", 3)));
}

// JI-7.14
TEST(LinkStaysInside, CountsOnlyWhatIsCertain) {
  EXPECT_TRUE(link_stays_inside("a/b/l", "../../c"));
  EXPECT_TRUE(link_stays_inside("l", "a/b"));
  EXPECT_FALSE(link_stays_inside("a/b/l", "../../../c"));
  EXPECT_FALSE(link_stays_inside("l", "a/../b"));  // "a" might be a link
  EXPECT_FALSE(link_stays_inside("l", "/x"));
  EXPECT_FALSE(link_stays_inside("l", ""));
}

using Atomic = TestFolder;

// JI-6.5
TEST_F(Atomic, TwoAtOnceDoNotShareATemporary) {
  AtomicFile first = AtomicFile::resumable(folder_ / "a", "source");
  AtomicFile second = AtomicFile::resumable(folder_ / "a", "source");
  EXPECT_NE(first.temporary(), second.temporary());
  first.write(std::as_bytes(std::span("1", 1)));
  second.write(std::as_bytes(std::span("22", 2)));
  first.commit();
  second.commit();
  EXPECT_EQ(read(folder_ / "a"), "22");
  EXPECT_EQ(entries(folder_), 1u);
}

TEST_F(Atomic, OnlyTheSameSourceAndVersionIsResumed) {
  {
    AtomicFile file = AtomicFile::resumable(folder_ / "a", "one");
    file.set_version("\"v1\"");
    file.write(std::as_bytes(std::span("123", 3)));
    file.keep();
  }
  {
    AtomicFile same = AtomicFile::resumable(folder_ / "a", "one");
    EXPECT_EQ(same.size(), 3u);
    EXPECT_EQ(same.version(), "\"v1\"");
    same.keep();
  }
  AtomicFile other = AtomicFile::resumable(folder_ / "a", "two");
  EXPECT_EQ(other.size(), 0u);
}

TEST_F(Atomic, ADestinationThatIsAFolderIsRefused) {
  EXPECT_EQ(error_of([&] { AtomicFile file(folder_); }).code(), ErrorCode::kInvalidArgument);
  write("file", "x");
  EXPECT_EQ(error_of([&] { AtomicFile file(folder_ / "file/below"); }).code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sedna::storage
