#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "sedna/tensor/npz.hpp"

namespace sedna::tensor {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are little-endian in memory and on the wire");

Error bad(std::string message, std::string subject = "header") {
  return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
}

struct NpyHeader {
  std::string descr;
  bool fortran = false;
  bool has_descr = false, has_order = false, has_shape = false;
  Shape shape;
};

/// The header is a Python dict literal; only what numpy writes into it is understood.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  Result<NpyHeader> read() {
    if (!take('{')) return bad("must be a dictionary");
    while (!take('}')) {
      std::string key;
      if (!read_string(key)) return bad("a key must be a string");
      if (!take(':')) return bad("':' must follow '" + key + "'");
      if (const Result<void> value = read_value(key); !value) return value.error();
      if (!take(',') && !at('}')) return bad("',' must follow the value of '" + key + "'");
    }
    skip_space();
    if (p_ != text_.size()) return bad("has something after the dictionary");
    if (!header_.has_descr || !header_.has_order || !header_.has_shape) {
      return bad("must have 'descr', 'fortran_order' and 'shape'");
    }
    return std::move(header_);
  }

 private:
  Result<void> read_value(const std::string& key) {
    if (key == "descr") {
      if (at('[')) return bad("structured arrays are not read", "descr");
      if (header_.has_descr || !read_string(header_.descr)) return bad("must be one string", "descr");
      header_.has_descr = true;
    } else if (key == "fortran_order") {
      if (header_.has_order) return bad("appears twice", key);
      if (take_word("True"))
        header_.fortran = true;
      else if (!take_word("False"))
        return bad("must be True or False", key);
      header_.has_order = true;
    } else if (key == "shape") {
      if (header_.has_shape || !take('(')) return bad("must be one tuple", key);
      header_.has_shape = true;
      while (!take(')')) {
        skip_space();
        std::int64_t dim = 0;
        const auto [end, ec] = std::from_chars(text_.data() + p_, text_.data() + text_.size(), dim);
        if (ec != std::errc() || dim < 0) return bad("must be a tuple of integers of 0 or more", key);
        p_ = static_cast<std::size_t>(end - text_.data());
        header_.shape.push_back(dim);
        if (header_.shape.size() > 32) return bad("has more than 32 dimensions", key);
        if (!take(',') && !at(')')) return bad("must be a tuple", key);
      }
    } else {
      return bad("has the unknown key '" + key + "'");
    }
    return {};
  }

  void skip_space() {
    while (p_ < text_.size() && (text_[p_] == ' ' || text_[p_] == '\n')) ++p_;
  }
  bool at(char c) {
    skip_space();
    return p_ < text_.size() && text_[p_] == c;
  }
  bool take(char c) {
    if (!at(c)) return false;
    ++p_;
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.substr(p_).starts_with(word)) return false;
    p_ += word.size();
    return true;
  }
  bool read_string(std::string& out) {
    if (!at('\'') && !at('"')) return false;
    const char quote = text_[p_];
    const std::size_t close = text_.find(quote, p_ + 1);
    if (close == std::string_view::npos) return false;
    out = text_.substr(p_ + 1, close - p_ - 1);
    p_ = close + 1;
    return true;
  }

  std::string_view text_;
  std::size_t p_ = 0;
  NpyHeader header_;
};

/// '<f4' taken apart.
struct Descr {
  DType dtype = DType::kFp32;
  std::size_t size = 0;  ///< bytes of one element in the file
  bool big_endian = false;
  bool unicode = false;  ///< U: UCS-4 characters
};

Result<Descr> parse_descr(const std::string& descr) {
  const auto refused = [&] {
    return bad("'" + descr +
                   "' is not read; arrays of bool, int8 … int64, uint8 … uint64, float16, float32, float64, "
                   "byte strings (S) and strings (U) are",
               "descr");
  };
  if (descr.size() >= 2 && descr[1] == 'O')
    return bad("holds Python objects (a pickle), which are never read", "descr");
  if (descr.size() < 3 || std::string_view("<>|=").find(descr[0]) == std::string_view::npos) return refused();
  std::size_t size = 0;
  const auto [end, ec] = std::from_chars(descr.data() + 2, descr.data() + descr.size(), size);
  if (ec != std::errc() || end != descr.data() + descr.size()) return refused();
  Descr d;
  d.size = size;
  d.big_endian = descr[0] == '>';
  const char kind = descr[1];
  if (kind == 'S' || kind == 'U') {
    d.dtype = DType::kBytes;
    d.unicode = kind == 'U';
    if (size > (std::size_t{1} << 24)) return refused();
    if (d.unicode) d.size *= 4;
    return d;
  }
  struct Known {
    char kind;
    std::size_t size;
    DType dtype;
  };
  static constexpr Known kKnown[] = {{'b', 1, DType::kBool},   {'u', 1, DType::kUint8},  {'u', 2, DType::kUint16},
                                     {'u', 4, DType::kUint32}, {'u', 8, DType::kUint64}, {'i', 1, DType::kInt8},
                                     {'i', 2, DType::kInt16},  {'i', 4, DType::kInt32},  {'i', 8, DType::kInt64},
                                     {'f', 2, DType::kFp16},   {'f', 4, DType::kFp32},   {'f', 8, DType::kFp64}};
  for (const Known& known : kKnown) {
    if (known.kind == kind && known.size == size) {
      d.dtype = known.dtype;
      return d;
    }
  }
  return refused();
}

/// Position in a row-major array → position in a column-major one, one after the other.
class ColumnMajorWalk {
 public:
  explicit ColumnMajorWalk(const Shape& shape) : shape_(shape), index_(shape.size(), 0), strides_(shape.size(), 1) {
    for (std::size_t i = 1; i < shape.size(); ++i)
      strides_[i] = strides_[i - 1] * static_cast<std::size_t>(shape[i - 1]);
  }
  std::size_t position() const { return position_; }
  void next() {
    for (std::size_t i = shape_.size(); i-- > 0;) {
      position_ += strides_[i];
      if (++index_[i] < shape_[i]) return;
      position_ -= strides_[i] * static_cast<std::size_t>(shape_[i]);
      index_[i] = 0;
    }
  }

 private:
  const Shape& shape_;
  std::vector<std::int64_t> index_;
  std::vector<std::size_t> strides_;
  std::size_t position_ = 0;
};

Bytes reorder(std::span<const std::byte> data, const Descr& d, const Shape& shape, std::size_t count, bool fortran) {
  AlignedBuffer out(data.size());
  ColumnMajorWalk walk(shape);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* const from = data.data() + (fortran ? walk.position() : i) * d.size;
    std::byte* const to = out.data() + i * d.size;
    if (d.big_endian && !d.unicode && d.dtype != DType::kBytes) {
      for (std::size_t b = 0; b < d.size; ++b) to[b] = from[d.size - 1 - b];
    } else {
      std::memcpy(to, from, d.size);
    }
    if (fortran) walk.next();
  }
  return std::move(out).freeze();
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned char kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
}

Result<Bytes> pack_strings(std::span<const std::byte> data, const Descr& d, std::size_t count) {
  std::vector<std::string> texts(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* const at = data.data() + i * d.size;
    if (!d.unicode) {
      texts[i].assign(reinterpret_cast<const char*>(at), d.size);
    } else {
      for (std::size_t c = 0; c < d.size; c += 4) {
        std::uint32_t code = 0;
        for (std::size_t b = 0; b < 4; ++b) {
          code |= std::to_integer<std::uint32_t>(at[c + (d.big_endian ? 3 - b : b)]) << (8 * b);
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
          return bad("string " + std::to_string(i) + " has a character that is none", "data");
        }
        append_utf8(texts[i], code);
      }
    }
    while (!texts[i].empty() && texts[i].back() == '\0') texts[i].pop_back();
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return make_bytes_tensor({}, views).data;
}

}  // namespace

Result<Tensor> parse_npy(const Bytes& file, const NpzLimits& limits) {
  const std::string_view text = file.text();
  if (!text.starts_with("\x93NUMPY") || text.size() < 10) return bad("is not a .npy file", "");
  const int version = static_cast<unsigned char>(text[6]);
  const auto byte_at = [text](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(text[i])); };
  std::size_t start = 10;
  std::size_t length = byte_at(8) | byte_at(9) << 8;
  if (version == 2 || version == 3) {
    if (text.size() < 12) return bad("is cut off");
    length |= byte_at(10) << 16 | byte_at(11) << 24;
    start = 12;
  } else if (version != 1) {
    return bad("is of version " + std::to_string(version) + "; 1, 2 and 3 are read", "");
  }
  if (length > text.size() - start) return bad("is cut off");
  if (length > 65536) return bad("of " + std::to_string(length) + " bytes is longer than any that numpy writes");
  Result<NpyHeader> header = HeaderReader(text.substr(start, length)).read();
  if (!header) return std::move(header).error();
  const Result<Descr> descr = parse_descr(header->descr);
  if (!descr) return descr.error();

  const auto count = element_count(header->shape, 1);
  if (!count) return count.error();
  const std::size_t left = text.size() - start - length;
  // By division: the product of a shape and a string's size may overflow.
  if (descr->size == 0 ? left != 0 || *count > limits.max_total_bytes / 4
                       : *count != left / descr->size || left % descr->size != 0) {
    return bad("has " + std::to_string(left) + " bytes after the header; the shape needs " + std::to_string(*count) +
                   " elements of " + std::to_string(descr->size),
               "data");
  }
  const Bytes data = file.slice(start + length, left);
  Tensor tensor{{}, descr->dtype, std::move(header->shape), {}};
  const auto n = static_cast<std::size_t>(*count);
  const bool fortran = header->fortran && tensor.shape.size() > 1;
  const bool swapped = descr->big_endian && descr->size > 1 && descr->dtype != DType::kBytes;
  Bytes ordered = data;
  if (fortran || swapped) {
    ordered = reorder(data.span(), *descr, tensor.shape, n, fortran);
  } else if (dtype_size(tensor.dtype) > 1 &&
             reinterpret_cast<std::uintptr_t>(data.data()) % dtype_size(tensor.dtype) != 0) {
    ordered = Bytes::copy_of(data.span());
  }
  if (tensor.dtype == DType::kBytes) {
    Result<Bytes> packed = pack_strings(ordered.span(), *descr, n);
    if (!packed) return std::move(packed).error();
    tensor.data = std::move(*packed);
  } else {
    tensor.data = std::move(ordered);
  }
  if (tensor.dtype == DType::kBool) {
    for (const std::byte b : tensor.data.span()) {
      if (b > std::byte{1}) return bad("a boolean is " + std::to_string(std::to_integer<int>(b)), "data");
    }
  }
  return tensor;
}

}  // namespace sedna::tensor
