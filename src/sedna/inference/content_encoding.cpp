#include "sedna/inference/content_encoding.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace sedna::inference {

namespace {

struct Inflater {
  z_stream stream{};
  bool ready = false;
  explicit Inflater(int window_bits) { ready = inflateInit2(&stream, window_bits) == Z_OK; }
  ~Inflater() {
    if (ready) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

Error broken(const char* what) {
  return Error(ErrorCode::kInvalidArgument, what, "Content-Encoding");
}

Result<Bytes> inflate_all(const Bytes& body, int window_bits, std::size_t limit) {
  Inflater z(window_bits);
  if (!z.ready) return Error(ErrorCode::kResourceExhausted, "no memory to inflate the body", "Content-Encoding");
  constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // zlib counts in unsigned int
  if (body.size() > kMostAtOnce)
    return Error(ErrorCode::kResourceExhausted, "the compressed body is too large", "Content-Encoding");
  z.stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(body.data()));
  z.stream.avail_in = static_cast<uInt>(body.size());
  AlignedBuffer out(std::min(std::max<std::size_t>(body.size() * 4, 4096), limit));
  std::size_t filled = 0;
  for (;;) {
    const std::size_t room = std::min(out.size() - filled, kMostAtOnce);
    z.stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    z.stream.avail_out = static_cast<uInt>(room);
    const int status = inflate(&z.stream, Z_NO_FLUSH);
    filled += room - z.stream.avail_out;
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR) return broken("the body is not what the header says");
    if (z.stream.avail_out > 0) return broken("the compressed body is cut short");
    if (out.size() >= limit) {
      return Error(ErrorCode::kResourceExhausted,
                   "the inflated body is larger than " + std::to_string(limit) + " bytes", "Content-Encoding");
    }
    AlignedBuffer larger(std::min(out.size() * 2, limit));
    std::memcpy(larger.data(), out.data(), filled);
    out = std::move(larger);
  }
  if (z.stream.avail_in > 0) return broken("something follows the compressed body");
  return std::move(out).freeze(filled);
}

}  // namespace

Result<Bytes> decode_content(const Bytes& body, std::string_view encoding, std::size_t limit) {
  if (encoding == "gzip" || encoding == "x-gzip") return inflate_all(body, 16 + MAX_WBITS, limit);
  if (encoding == "deflate") {
    // RFC 9110 means the zlib format; some clients send the bare one. The two differ in their first bytes.
    const auto* p = reinterpret_cast<const unsigned char*>(body.data());
    const bool zlib = body.size() >= 2 && (p[0] & 0x0fU) == 8 && (p[0] * 256U + p[1]) % 31 == 0;
    return inflate_all(body, zlib ? MAX_WBITS : -MAX_WBITS, limit);
  }
  return Error(ErrorCode::kUnimplemented, "only gzip, deflate and identity are understood", "Content-Encoding");
}

}  // namespace sedna::inference
