#include "sedna/storage/archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include "sedna/base/sha256.hpp"
#include "sedna/storage/archive_reader.hpp"
#include "sedna/storage/test_folder.hpp"

namespace sedna::storage {
namespace {

namespace fs = std::filesystem;

struct Member {
  std::string name;
  std::string content;
  unsigned type = AE_IFREG;
  std::string link = {};      ///< target of a symbolic link
  std::string hardlink = {};  ///< earlier member
};

class ArchiveTest : public TestFolder {
 protected:
  enum class Format { kTar, kTarGz, kZip };

  fs::path pack(const std::vector<Member>& members, Format format = Format::kTarGz) const {
    const fs::path file = folder_ / "archive";
    archive* a = archive_write_new();
    if (format == Format::kZip) archive_write_set_format_zip(a);
    if (format != Format::kZip) archive_write_set_format_gnutar(a);
    if (format == Format::kTarGz) archive_write_add_filter_gzip(a);
    EXPECT_EQ(archive_write_open_filename(a, file.c_str()), ARCHIVE_OK);
    for (const auto& member : members) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, member.name.c_str());
      archive_entry_set_filetype(entry, member.type);
      archive_entry_set_perm(entry, 04755);
      archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
      if (!member.link.empty()) archive_entry_set_symlink(entry, member.link.c_str());
      if (!member.hardlink.empty()) archive_entry_set_hardlink(entry, member.hardlink.c_str());
      EXPECT_EQ(archive_write_header(a, entry), ARCHIVE_OK) << archive_error_string(a);
      archive_write_data(a, member.content.data(), member.content.size());
      archive_entry_free(entry);
    }
    EXPECT_EQ(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    return file;
  }

  Error refusal(const std::vector<Member>& members, const ArchiveLimits& limits = {}) {
    const fs::path file = pack(members);
    const std::size_t before = entries(folder_);
    const Error error = error_of([&] { extract_archive(file, folder_ / "out", limits); });
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    EXPECT_EQ(entries(folder_), before) << "something stayed behind";
    return error;
  }
};

TEST_F(ArchiveTest, UnpacksEachFormat) {
  for (const Format format : {Format::kTar, Format::kTarGz, Format::kZip}) {
    const fs::path file = pack({{"./d/", "", AE_IFDIR}, {"d/a", "one"}, {"b", "two"}}, format);
    const ArchiveSummary summary = extract_archive(file, folder_ / "out");
    EXPECT_EQ(summary.total_size, 6u);
    EXPECT_EQ(read(folder_ / "out/d/a"), "one");
    EXPECT_EQ(read(folder_ / "out/b"), "two");
    EXPECT_EQ(fs::status(folder_ / "out/b").permissions() & fs::perms::set_uid, fs::perms::none);
    fs::remove_all(folder_ / "out");
  }
}

// JI-6.5
TEST_F(ArchiveTest, RefusesMembersThatLeadOut) {
  for (const char* name : {"../evil", "a/../../evil", "/etc/evil", ".."}) {
    const Error error = refusal({{"good", "x"}, {name, "evil"}});
    EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied) << name;
    EXPECT_NE(error.message().find(name), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(folder_ / "evil"));
}

// JI-6.5
TEST_F(ArchiveTest, RefusesLinksThatLeadOut) {
  for (const char* target : {"/etc", "..", "../x", "a/../../x"})
    EXPECT_EQ(refusal({{"a/", "", AE_IFDIR}, {"link", "", AE_IFLNK, target}}).code(), ErrorCode::kPermissionDenied)
        << target;
}

// JI-7.14
TEST_F(ArchiveTest, NothingIsWrittenThroughALink) {
  // The link itself stays inside; a member "below" it is what a careless reader follows.
  const Error error = refusal({{"real/", "", AE_IFDIR}, {"link", "", AE_IFLNK, "real"}, {"link/x", "evil"}});
  EXPECT_NE(error.message().find("link/x"), std::string::npos);
  EXPECT_EQ(refusal({{"link", "", AE_IFLNK, "real"}, {"link", "evil"}}).code(), ErrorCode::kAlreadyExists);
}

// JI-6.5
TEST_F(ArchiveTest, RefusesHardLinksToAnythingButItsOwnFiles) {
  EXPECT_EQ(refusal({{"h", "", AE_IFREG, "", "../secret"}}).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refusal({{"h", "", AE_IFREG, "", "/etc/passwd"}}).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refusal({{"h", "", AE_IFREG, "", "absent"}}).code(), ErrorCode::kDataLoss);
  EXPECT_EQ(refusal({{"l", "", AE_IFLNK, "x"}, {"h", "", AE_IFREG, "", "l"}}).code(), ErrorCode::kDataLoss);
}

TEST_F(ArchiveTest, KeepsLinksThatStayInside) {
  const fs::path file = pack({{"d/a", "one"}, {"d/s", "", AE_IFLNK, "a"}, {"h", "", AE_IFREG, "", "d/a"}});
  extract_archive(file, folder_ / "out");
  EXPECT_EQ(read(folder_ / "out/d/s"), "one");
  EXPECT_EQ(read(folder_ / "out/h"), "one");
}

// JI-6.5
TEST_F(ArchiveTest, RefusesDevicesAndDoubles) {
  EXPECT_EQ(refusal({{"fifo", "", AE_IFIFO}}).code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refusal({{"a", "1"}, {"a", "2"}}).code(), ErrorCode::kAlreadyExists);
}

// JI-6.5
TEST_F(ArchiveTest, HoldsItsLimits) {
  ArchiveLimits limits;
  limits.members = 2;
  EXPECT_EQ(refusal({{"a", ""}, {"b", ""}, {"c", ""}}, limits).code(), ErrorCode::kResourceExhausted);
  limits = {};
  limits.total_size = 10;
  EXPECT_EQ(refusal({{"a", "123456"}, {"b", "123456"}}, limits).code(), ErrorCode::kResourceExhausted);
  limits = {};
  limits.ratio_from = 1000;
  EXPECT_NE(refusal({{"a", std::string(5'000'000, '\0')}}, limits).message().find("times its size"), std::string::npos);
}

// JI-7.12
TEST_F(ArchiveTest, SaysWhatIsNoArchiveOrCut) {
  EXPECT_EQ(error_of([&] { extract_archive(write("t", "just a text"), folder_ / "out"); }).code(),
            ErrorCode::kDataLoss);
  EXPECT_EQ(error_of([&] { extract_archive(write("e", ""), folder_ / "out"); }).code(), ErrorCode::kDataLoss);
  EXPECT_EQ(error_of([&] { extract_archive(folder_ / "none", folder_ / "out"); }).code(), ErrorCode::kNotFound);
  std::string content;
  for (int i = 0; i < 20'000; ++i) content += std::to_string(i * 7919);
  const std::string whole = read(pack({{"a", content}}));
  EXPECT_EQ(error_of([&] { extract_archive(write("cut", whole.substr(0, whole.size() / 2)), folder_ / "out"); }).code(),
            ErrorCode::kDataLoss);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(ArchiveTest, DoesNotMixWithWhatIsThere) {
  write("out/old", "x");
  const fs::path file = pack({{"a", "1"}});
  EXPECT_EQ(error_of([&] { extract_archive(file, folder_ / "out"); }).code(), ErrorCode::kAlreadyExists);
  fs::remove(folder_ / "out/old");
  extract_archive(file, folder_ / "out");
  EXPECT_EQ(read(folder_ / "out/a"), "1");
}

TEST_F(ArchiveTest, AFolderGoesInAndOutTheSameAndAlwaysTheSameBytes) {
  write("src/d/a", std::string(300'000, 'a'));
  write("src/\xc3\xa4 b", "umlaut");
  write("src/run.sh", "#!");
  fs::permissions(folder_ / "src/run.sh", fs::perms::owner_all);
  fs::create_symlink("d/a", folder_ / "src/link");
  create_tar_gz(folder_ / "src", folder_ / "1.tgz");
  fs::last_write_time(folder_ / "src/d/a", fs::file_time_type::clock::now() - std::chrono::hours(5));
  create_tar_gz(folder_ / "src", folder_ / "2.tgz");
  EXPECT_EQ(sha256_file(folder_ / "1.tgz"), sha256_file(folder_ / "2.tgz"));
  extract_archive(folder_ / "1.tgz", folder_ / "out");
  EXPECT_EQ(read(folder_ / "out/link"), std::string(300'000, 'a'));
  EXPECT_EQ(read(folder_ / "out/\xc3\xa4 b"), "umlaut");
  EXPECT_NE(fs::status(folder_ / "out/run.sh").permissions() & fs::perms::owner_exec, fs::perms::none);
  fs::create_symlink("/etc/passwd", folder_ / "src/out");
  EXPECT_EQ(error_of([&] { create_tar_gz(folder_ / "src", folder_ / "3.tgz"); }).code(), ErrorCode::kPermissionDenied);
  EXPECT_FALSE(fs::exists(folder_ / "3.tgz"));
}

// HOME-3.1
TEST_F(ArchiveTest, ReadsMembersAsTheyStand) {
  const auto packed = pack({{"/abs/../x", "content"}, {"l", "", AE_IFLNK, "/etc"}, {"p", "", AE_IFIFO}});
  const auto digest = unpack_file(packed, folder_ / "a.tar", 1 << 20);
  EXPECT_EQ(digest, sha256_file(folder_ / "a.tar"));
  ArchiveReader reader(folder_ / "a.tar");
  auto member = reader.next();
  ASSERT_TRUE(member);
  EXPECT_EQ(member->name, "/abs/../x");  // whoever asks decides
  EXPECT_EQ(member->mode, 04755U);
  std::string content;
  reader.content([&](std::uint64_t offset, std::span<const std::byte> piece) {
    EXPECT_EQ(offset, content.size());
    content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  EXPECT_EQ(content, "content");
  member = reader.next();
  EXPECT_EQ(member->type, ArchiveMember::Type::kSymbolicLink);
  EXPECT_EQ(member->target, "/etc");
  EXPECT_EQ(reader.next()->type, ArchiveMember::Type::kSpecial);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(error_of([&] { ArchiveReader(write("text", std::string(2000, 'x'))).next(); }).code(),
            ErrorCode::kDataLoss);
}

// HOME-3.1
TEST_F(ArchiveTest, UnpacksOneFileUnderALimit) {
  // A frame of zstd with one raw block.
  const auto zstd = write("z", std::string("\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello", 14));
  EXPECT_EQ(packing_of(zstd), Packing::kZstd);
  EXPECT_EQ(unpack_file(zstd, folder_ / "1", 5), sha256_hex("hello"));
  EXPECT_EQ(read(folder_ / "1"), "hello");
  EXPECT_EQ(error_of([&] { unpack_file(zstd, folder_ / "2", 4); }).code(), ErrorCode::kResourceExhausted);
  const auto plain = write("p", "text");
  EXPECT_EQ(packing_of(plain), Packing::kNone);
  EXPECT_EQ(unpack_file(plain, folder_ / "3", 4), sha256_hex("text"));
  EXPECT_EQ(error_of([&] { unpack_file(plain, folder_ / "4", 3); }).code(), ErrorCode::kResourceExhausted);
  const auto gzip = read(pack({{"a", std::string(5000, 'a')}}));
  const auto half = write("h", gzip.substr(0, gzip.size() / 2));
  EXPECT_EQ(packing_of(half), Packing::kGzip);
  EXPECT_EQ(error_of([&] { unpack_file(half, folder_ / "5", 1 << 20); }).code(), ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace sedna::storage
