#include "sedna/base/buffer.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "sedna/base/error.hpp"

namespace sedna {

Bytes Bytes::copy_of(std::string_view text) {
  return from_string(std::string(text));
}

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
  AlignedBuffer buffer(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return std::move(buffer).freeze();
}

Bytes Bytes::from_string(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const auto view = std::as_bytes(std::span(owner->data(), owner->size()));
  return Bytes(std::move(owner), view);
}

void AlignedBuffer::Free::operator()(std::byte* p) const {
  std::free(p);
}

AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
  const std::size_t rounded = (size + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  if (rounded < size) throw Error(ErrorCode::kResourceExhausted, "buffer size overflows");
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kBufferAlignment, rounded ? rounded : kBufferAlignment)));
  if (!data_) throw Error(ErrorCode::kResourceExhausted, "no memory for " + std::to_string(size) + " bytes");
#ifdef MADV_HUGEPAGE
  // Fresh pages are most of what a large buffer costs; with huge ones it is the clearing alone. Where they are not to
  // be had, nothing is lost.
  constexpr std::size_t kLarge = std::size_t{8} << 20;
  constexpr std::uintptr_t kHuge = std::uintptr_t{2} << 20;
  if (rounded >= kLarge) {
    const auto begin = reinterpret_cast<std::uintptr_t>(data_.get());
    const auto first = (begin + kHuge - 1) & ~(kHuge - 1);
    const auto last = (begin + rounded) & ~(kHuge - 1);
    ::madvise(data_.get() + (first - begin), last - first, MADV_HUGEPAGE);
  }
#endif
}

Bytes AlignedBuffer::freeze(std::size_t size) && {
  SEDNA_CHECK(size <= size_);
  std::byte* p = data_.release();
  size_ = 0;
  return Bytes(std::shared_ptr<const void>(p, [](const void* q) { std::free(const_cast<void*>(q)); }), {p, size});
}

}  // namespace sedna
