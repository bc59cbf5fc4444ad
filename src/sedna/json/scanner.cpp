#include "sedna/json/scanner.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace sedna::json {
namespace {

bool is_plain(char c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool read_hex4(const char* p, const char* end, std::uint32_t& code) {
  if (end - p < 4) return false;
  code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return false;
    code = code * 16 + digit;
  }
  return true;
}

bool starts_with(const char* p, const char* end, std::string_view word) {
  return static_cast<std::size_t>(end - p) >= word.size() && std::memcmp(p, word.data(), word.size()) == 0;
}

}  // namespace

std::size_t utf8_sequence(const char* p, const char* end) {
  const auto lead = static_cast<unsigned char>(*p);
  if (lead < 0x80) return 1;
  const std::size_t left = static_cast<std::size_t>(end - p);
  const auto second = left > 1 ? static_cast<unsigned char>(p[1]) : 0;
  if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && is_continuation(p[1]) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (left < 3 || !is_continuation(p[1]) || !is_continuation(p[2])) return 0;
    if (lead == 0xE0 && second < 0xA0) return 0;  // overlong
    if (lead == 0xED && second > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (left < 4 || !is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3])) return 0;
    if (lead == 0xF0 && second < 0x90) return 0;  // overlong
    if (lead == 0xF4 && second > 0x8F) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

const char* skip_plain(const char* p, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  // The high bit of a byte is set when the byte is zero; wrongly only in bytes above one that is.
  const auto zeros = [](std::uint64_t x) { return (x - kOnes) & ~x; };
  for (; end - p >= 8; p += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word;
    const std::uint64_t care = kHigh & (word | control | zeros(word ^ (kOnes * '"')) | zeros(word ^ (kOnes * '\\')) |
                                        zeros(word ^ (kOnes * 0x7F)));
    if (care == 0) continue;
    if constexpr (std::endian::native == std::endian::little) return p + std::countr_zero(care) / 8;
    break;
  }
  while (p != end && is_plain(*p)) ++p;
  return p;
}

SyntaxError::Position SyntaxError::position(std::string_view text) const {
  Position at;
  for (const char c : text.substr(0, offset)) {
    if (is_continuation(c)) continue;
    ++at.character;
    ++at.column;
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    }
  }
  return at;
}

Error SyntaxError::to_error(std::string_view text) const {
  const Position at = position(text);
  return Error(limit ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument,
               message + ": line " + std::to_string(at.line) + " column " + std::to_string(at.column) + " (char " +
                   std::to_string(at.character) + ")");
}

Scanner::Scanner(std::string_view text, const Limits& limits)
    : text_(text), p_(text.data()), end_(text.data() + text.size()), limits_(limits) {
  if (text.size() > limits.max_bytes) {
    fail("text of " + std::to_string(text.size()) + " bytes is longer than the limit of " +
             std::to_string(limits.max_bytes),
         p_, true);
  }
}

bool Scanner::fail(std::string message, const char* at, bool limit) {
  if (!failure_) {
    failure_ = SyntaxError{std::move(message), static_cast<std::size_t>(at - text_.data()), limit};
    p_ = end_;
  }
  return false;
}

Token Scanner::peek() {
  if (failure_) return Token::kNone;
  skip_space();
  if (p_ != end_) {
    switch (*p_) {
      case '{':
        return Token::kObject;
      case '[':
        return Token::kArray;
      case '"':
        return Token::kString;
      case 't':
        if (starts_with(p_, end_, "true")) return Token::kTrue;
        break;
      case 'f':
        if (starts_with(p_, end_, "false")) return Token::kFalse;
        break;
      case 'n':
        if (starts_with(p_, end_, "null")) return Token::kNull;
        break;
      case 'N':
        if (limits_.allow_nan && starts_with(p_, end_, "NaN")) return Token::kNan;
        break;
      case 'I':
        if (limits_.allow_nan && starts_with(p_, end_, "Infinity")) return Token::kInfinity;
        break;
      case '-':
        if (limits_.allow_nan && starts_with(p_, end_, "-Infinity")) return Token::kMinusInfinity;
        if (end_ - p_ > 1 && p_[1] >= '0' && p_[1] <= '9') return Token::kNumber;
        break;
      default:
        if (*p_ >= '0' && *p_ <= '9') return Token::kNumber;
    }
  }
  fail("Expecting value", p_);
  return Token::kNone;
}

bool Scanner::enter() {
  if (++depth_ > limits_.max_depth) {
    return fail("nested deeper than " + std::to_string(limits_.max_depth) + " levels", p_, true);
  }
  ++p_;
  return true;
}

bool Scanner::next_member(bool& first, std::string& key) {
  if (failure_) return false;
  skip_space();
  if (p_ != end_ && *p_ == '}') {
    ++p_;
    --depth_;
    return false;
  }
  if (!first) {
    if (p_ == end_ || *p_ != ',') return fail("Expecting ',' delimiter", p_);
    ++p_;
    skip_space();
  }
  first = false;
  if (p_ == end_ || *p_ != '"') return fail("Expecting property name enclosed in double quotes", p_);
  if (!read_string(key)) return false;
  skip_space();
  if (p_ == end_ || *p_ != ':') return fail("Expecting ':' delimiter", p_);
  ++p_;
  return true;
}

bool Scanner::next_element(bool& first) {
  if (failure_) return false;
  skip_space();
  if (p_ != end_ && *p_ == ']') {
    ++p_;
    --depth_;
    return false;
  }
  if (!first) {
    if (p_ == end_ || *p_ != ',') return fail("Expecting ',' delimiter", p_);
    ++p_;
  }
  first = false;
  return true;
}

bool Scanner::read_string(std::string& out) {
  out.clear();
  return scan_string(&out);
}

bool Scanner::read_number(Number& out) {
  if (!scan_number(p_, end_, out)) return fail("Expecting value", p_);
  p_ = out.end;
  return true;
}

void Scanner::take_literal(Token token) {
  switch (token) {
    case Token::kTrue:
    case Token::kNull:
      p_ += 4;
      break;
    case Token::kFalse:
      p_ += 5;
      break;
    case Token::kNan:
      p_ += 3;
      break;
    case Token::kInfinity:
      p_ += 8;
      break;
    case Token::kMinusInfinity:
      p_ += 9;
      break;
    default:
      break;
  }
}

// `p` stands after the backslash; `open` is the opening quote. Null after a failure.
const char* Scanner::scan_escape(const char* p, const char* open, std::string* out) {
  if (p == end_) {
    fail("Unterminated string starting at", open);
    return nullptr;
  }
  char plain = 0;
  switch (*p) {
    case '"':
      plain = '"';
      break;
    case '\\':
      plain = '\\';
      break;
    case '/':
      plain = '/';
      break;
    case 'b':
      plain = '\b';
      break;
    case 'f':
      plain = '\f';
      break;
    case 'n':
      plain = '\n';
      break;
    case 'r':
      plain = '\r';
      break;
    case 't':
      plain = '\t';
      break;
    case 'u':
      break;
    default:
      fail("Invalid \\escape", p - 1);
      return nullptr;
  }
  if (plain != 0) {
    if (out != nullptr) *out += plain;
    return p + 1;
  }
  std::uint32_t code = 0;
  // As Python: an escape that the text ends with is called invalid, not an unterminated string.
  if (!read_hex4(p + 1, end_, code) || end_ - p == 5) {
    fail("Invalid \\uXXXX escape", p);
    return nullptr;
  }
  const char* next = p + 5;
  if (code >= 0xD800 && code < 0xE000) {
    std::uint32_t low = 0;
    if (code >= 0xDC00 || !starts_with(next, end_, "\\u") || !read_hex4(next + 2, end_, low) || low < 0xDC00 ||
        low > 0xDFFF) {
      fail("lone surrogate in a string", p - 1);
      return nullptr;
    }
    if (end_ - next == 6) {
      fail("Invalid \\uXXXX escape", next + 1);
      return nullptr;
    }
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    next += 6;
  }
  if (out != nullptr) append_utf8(*out, code);
  return next;
}

bool Scanner::scan_string(std::string* out) {
  const char* const open = p_;
  const char* p = p_ + 1;
  const char* plain = p;  // start of the stretch not yet appended
  while (true) {
    p = skip_plain(p, end_);
    if (p == end_) return fail("Unterminated string starting at", open);
    const auto c = static_cast<unsigned char>(*p);
    if (c == '"') break;
    if (c == '\\') {
      if (out != nullptr) out->append(plain, p);
      p = scan_escape(p + 1, open, out);
      if (p == nullptr) return false;
      plain = p;
    } else if (c < 0x20) {
      return fail("Invalid control character at", p);
    } else {
      const std::size_t size = utf8_sequence(p, end_);
      if (size == 0) return fail("invalid UTF-8 in a string", p);
      p += size;
    }
  }
  if (out != nullptr) out->append(plain, p);
  p_ = p + 1;
  return true;
}

bool Scanner::skip_value() {
  // Iterative: one bit per level says whether it is an object.
  std::string kinds;
  std::string key;
  std::string first_flags;
  const std::size_t base = depth_;
  while (true) {
    const Token token = peek();
    switch (token) {
      case Token::kNone:
        return false;
      case Token::kObject:
      case Token::kArray:
        if (!enter()) return false;
        kinds += token == Token::kObject ? 'o' : 'a';
        first_flags += '1';
        break;
      case Token::kString:
        if (!scan_string(nullptr)) return false;
        break;
      case Token::kNumber: {
        Number number;
        if (!read_number(number)) return false;
        break;
      }
      default:
        take_literal(token);
    }
    // Close what ends here; stop at the next value to read.
    while (true) {
      if (depth_ == base) return true;
      bool first = first_flags.back() == '1';
      const bool more = kinds.back() == 'o' ? next_member(first, key) : next_element(first);
      if (failure_) return false;
      first_flags.back() = '0';
      if (more) break;
      kinds.pop_back();
      first_flags.pop_back();
    }
  }
}

bool Scanner::finish() {
  if (failure_) return false;
  skip_space();
  return p_ == end_ || fail("Extra data", p_);
}

}  // namespace sedna::json
