#include "sedna/serve/compression.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "sedna/base/text.hpp"
#include "sedna/serve/http_parser.hpp"

namespace sedna::serve {
namespace {

constexpr int kGzipWindow = 15 + 16;
constexpr int kZlibWindow = 15;
constexpr int kRawWindow = -15;

class Inflater {
 public:
  explicit Inflater(int window) { ok_ = ::inflateInit2(&z, window) == Z_OK; }
  ~Inflater() {
    if (ok_) ::inflateEnd(&z);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool ok() const { return ok_; }
  z_stream z{};

 private:
  bool ok_ = false;
};

class Deflater {
 public:
  Deflater(int window, int level) {
    ok_ = ::deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Deflater() {
    if (ok_) ::deflateEnd(&z);
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  bool ok() const { return ok_; }
  z_stream z{};

 private:
  bool ok_ = false;
};

Bytef* zbytes(const std::byte* p) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(p));
}

uInt piece(std::size_t n) {
  return static_cast<uInt>(std::min<std::size_t>(n, std::numeric_limits<uInt>::max()));
}

bool has_zlib_header(std::span<const std::byte> data) {
  if (data.size() < 2) return false;
  const auto a = static_cast<unsigned>(data[0]);
  const auto b = static_cast<unsigned>(data[1]);
  return (a & 15) == 8 && (a * 256 + b) % 31 == 0;
}

}  // namespace

Result<Coding> content_coding(std::string_view value) {
  if (value.empty() || equal_ignoring_case(value, "identity")) return Coding::kIdentity;
  if (equal_ignoring_case(value, "gzip") || equal_ignoring_case(value, "x-gzip")) return Coding::kGzip;
  if (equal_ignoring_case(value, "deflate")) return Coding::kDeflate;
  return Error(ErrorCode::kInvalidArgument, "only gzip and deflate are known", "Content-Encoding");
}

Result<Bytes> inflate(Coding coding, std::span<const std::byte> data, std::size_t limit) {
  if (coding == Coding::kIdentity) {
    if (data.size() > limit)
      return Error(ErrorCode::kResourceExhausted, "larger than " + std::to_string(limit) + " bytes");
    return Bytes::copy_of(data);
  }
  const int window = coding == Coding::kGzip ? kGzipWindow : has_zlib_header(data) ? kZlibWindow : kRawWindow;
  Inflater inflater(window);
  if (!inflater.ok()) return Error(ErrorCode::kResourceExhausted, "no memory to inflate");
  AlignedBuffer out(std::min(limit, std::max<std::size_t>(4 * data.size(), 4096)));
  std::size_t have = 0;
  std::size_t used = 0;
  for (;;) {
    z_stream& z = inflater.z;
    z.next_in = zbytes(data.data()) + used;
    z.avail_in = piece(data.size() - used);
    z.next_out = zbytes(out.data()) + have;
    z.avail_out = piece(out.size() - have);
    const uInt in_before = z.avail_in;
    const uInt out_before = z.avail_out;
    const int state = ::inflate(&z, Z_NO_FLUSH);
    used += in_before - z.avail_in;
    have += out_before - z.avail_out;
    if (state == Z_STREAM_END) {
      if (used == data.size()) return std::move(out).freeze(have);
      // RFC 1952: a gzip file may have several members.
      if (coding == Coding::kGzip && ::inflateReset(&z) == Z_OK) continue;
      return Error(ErrorCode::kInvalidArgument, "bytes behind the end of the compressed data");
    }
    if (state != Z_OK && state != Z_BUF_ERROR)
      return Error(ErrorCode::kInvalidArgument, "the compressed data is broken");
    if (have < out.size()) {
      if (used == data.size()) return Error(ErrorCode::kInvalidArgument, "the compressed data ends too early");
      continue;
    }
    if (out.size() >= limit) {
      return Error(ErrorCode::kResourceExhausted, "inflates to more than " + std::to_string(limit) + " bytes");
    }
    AlignedBuffer bigger(std::min(limit, 2 * out.size()));
    std::memcpy(bigger.data(), out.data(), have);
    out = std::move(bigger);
  }
}

Bytes deflate(Coding coding, std::span<const std::byte> data, int level) {
  if (coding == Coding::kIdentity) return Bytes::copy_of(data);
  Deflater deflater(coding == Coding::kGzip ? kGzipWindow : kZlibWindow, std::clamp(level, 1, 9));
  if (!deflater.ok()) throw Error(ErrorCode::kResourceExhausted, "no memory to deflate");
  z_stream& z = deflater.z;
  AlignedBuffer out(::deflateBound(&z, data.size()) + 32);
  std::size_t have = 0;
  std::size_t used = 0;
  for (;;) {
    z.next_in = zbytes(data.data()) + used;
    z.avail_in = piece(data.size() - used);
    z.next_out = zbytes(out.data()) + have;
    z.avail_out = piece(out.size() - have);
    const uInt in_before = z.avail_in;
    const uInt out_before = z.avail_out;
    const bool last = used + in_before == data.size();
    const int state = ::deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
    used += in_before - z.avail_in;
    have += out_before - z.avail_out;
    if (state == Z_STREAM_END) return std::move(out).freeze(have);
    SEDNA_CHECK(state == Z_OK || state == Z_BUF_ERROR);
  }
}

}  // namespace sedna::serve
