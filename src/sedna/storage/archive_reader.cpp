#include "sedna/storage/archive_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <vector>

#include "sedna/base/sha256.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, CloseArchive>;

constexpr std::size_t kBlock = std::size_t{1} << 17;

Reader new_reader(const fs::path& file) {
  Reader out(archive_read_new());
  if (!out) throw Error(ErrorCode::kResourceExhausted, "no memory to read an archive", file.string());
  return out;
}

Error damaged(archive* a, const char* what, const fs::path& file) {
  const int number = archive_errno(a);
  if (number == ENOENT || number == EACCES) return system_error(number, "cannot open", file);
  const char* text = archive_error_string(a);
  return Error(ErrorCode::kDataLoss, std::string(what) + ": " + (text != nullptr ? text : "unknown reason"),
               file.string());
}

/// UTF-8 where libarchive knows it, else the raw bytes; "" when there is none.
std::string text_of(const char* utf8, const char* raw) {
  const char* text = utf8 != nullptr ? utf8 : raw;
  return text != nullptr ? text : "";
}

}  // namespace

struct ArchiveReader::Impl {
  explicit Impl(const fs::path& tar) : file(tar), reader(new_reader(tar)) {
    archive_read_support_format_tar(reader.get());
    if (archive_read_open_filename(reader.get(), file.c_str(), kBlock) != ARCHIVE_OK)
      throw damaged(reader.get(), "is not a tar archive", file);
  }

  fs::path file;
  Reader reader;
};

ArchiveReader::ArchiveReader(const fs::path& tar) : impl_(std::make_unique<Impl>(tar)) {}
ArchiveReader::~ArchiveReader() = default;

std::optional<ArchiveMember> ArchiveReader::next() {
  archive* a = impl_->reader.get();
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(a, &entry);
  if (status == ARCHIVE_EOF) return std::nullopt;
  if (status < ARCHIVE_WARN) throw damaged(a, "is not a whole tar archive", impl_->file);
  ArchiveMember out;
  out.name = text_of(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
  out.mode = archive_entry_perm(entry);
  if (archive_entry_size_is_set(entry) != 0) out.size = static_cast<std::uint64_t>(archive_entry_size(entry));
  const std::string hard_link = text_of(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry));
  if (!hard_link.empty()) {
    out.type = ArchiveMember::Type::kHardLink;
    out.target = hard_link;
    return out;
  }
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      out.type = ArchiveMember::Type::kFile;
      break;
    case AE_IFDIR:
      out.type = ArchiveMember::Type::kFolder;
      break;
    case AE_IFLNK:
      out.type = ArchiveMember::Type::kSymbolicLink;
      out.target = text_of(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry));
      break;
    default:
      out.type = ArchiveMember::Type::kSpecial;
  }
  return out;
}

void ArchiveReader::content(const Sink& sink) {
  archive* a = impl_->reader.get();
  for (;;) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(a, &block, &size, &offset);
    if (status == ARCHIVE_EOF) return;
    if (status < ARCHIVE_WARN) throw damaged(a, "is not a whole tar archive", impl_->file);
    if (size > 0) sink(static_cast<std::uint64_t>(offset), {static_cast<const std::byte*>(block), size});
  }
}

Packing packing_of(const fs::path& file) {
  const Descriptor in = open_file(file, O_RDONLY);
  std::array<std::byte, 4> head{};
  std::size_t have = 0;
  while (have < head.size()) {
    const std::size_t n = read_some(in, std::span(head).subspan(have), file);
    if (n == 0) break;
    have += n;
  }
  const auto begins = [&](std::initializer_list<unsigned> magic) {
    return have >= magic.size() && std::equal(magic.begin(), magic.end(), head.begin(),
                                              [](unsigned a, std::byte b) { return static_cast<std::byte>(a) == b; });
  };
  if (begins({0x1f, 0x8b})) return Packing::kGzip;
  return begins({0x28, 0xb5, 0x2f, 0xfd}) ? Packing::kZstd : Packing::kNone;
}

std::string unpack_file(const fs::path& packed, const fs::path& to, std::uint64_t limit) {
  const Descriptor out = open_file(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  Sha256 digest;
  std::uint64_t total = 0;
  const auto take = [&](std::span<const std::byte> piece) {
    total += piece.size();
    if (total > limit)
      throw Error(ErrorCode::kResourceExhausted, "unpacks to more than " + std::to_string(limit) + " bytes",
                  packed.string());
    digest.update(piece);
    write_all(out, piece, to);
  };
  std::vector<std::byte> buffer(kBlock);
  if (packing_of(packed) == Packing::kNone) {
    const Descriptor in = open_file(packed, O_RDONLY);
    while (const std::size_t n = read_some(in, buffer, packed)) take(std::span(buffer).first(n));
    return digest.finish();
  }
  const Reader reader = new_reader(packed);
  archive* a = reader.get();
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_zstd(a);
  archive_read_support_format_raw(a);
  archive_read_support_format_empty(a);
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(a, packed.c_str(), kBlock) != ARCHIVE_OK)
    throw damaged(a, "cannot be unpacked", packed);
  const int status = archive_read_next_header(a, &entry);
  if (status == ARCHIVE_EOF) return digest.finish();
  if (status < ARCHIVE_WARN) throw damaged(a, "cannot be unpacked", packed);
  for (;;) {
    const la_ssize_t n = archive_read_data(a, buffer.data(), buffer.size());
    if (n == 0) return digest.finish();
    if (n < 0) throw damaged(a, "cannot be unpacked", packed);
    take(std::span(buffer).first(static_cast<std::size_t>(n)));
  }
}

}  // namespace sedna::storage
