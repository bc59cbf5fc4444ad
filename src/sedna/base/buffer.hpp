// Bytes that are received once and used in place: 64-byte aligned storage with shared ownership of slices.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sedna {

inline constexpr std::size_t kBufferAlignment = 64;

/// An immutable slice of bytes together with whatever keeps them alive. Copying copies no byte. Thread-safe to share.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::shared_ptr<const void> owner, std::span<const std::byte> view) : owner_(std::move(owner)), view_(view) {}
  static Bytes copy_of(std::string_view text);
  static Bytes copy_of(std::span<const std::byte> bytes);
  /// Takes over a string without copying it.
  static Bytes from_string(std::string text);
  /// Bytes that outlive everything (literals, memory owned by the caller for the whole call).
  static Bytes unowned(std::span<const std::byte> bytes) { return Bytes(nullptr, bytes); }
  static Bytes unowned(std::string_view text) { return unowned(std::as_bytes(std::span(text.data(), text.size()))); }

  const std::byte* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  std::span<const std::byte> span() const { return view_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(view_.data()), view_.size()}; }
  /// Part of the same storage; `offset + count` must lie inside.
  Bytes slice(std::size_t offset, std::size_t count) const { return Bytes(owner_, view_.subspan(offset, count)); }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

/// Writable, uninitialised, 64-byte aligned storage; becomes Bytes when filled. Movable, one owner.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Throws Error(kResourceExhausted) when the memory cannot be had.
  explicit AlignedBuffer(std::size_t size);
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_.get(), size_}; }
  /// Gives the first `size` bytes away as shared bytes.
  Bytes freeze(std::size_t size) &&;
  Bytes freeze() && { return std::move(*this).freeze(size_); }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace sedna
