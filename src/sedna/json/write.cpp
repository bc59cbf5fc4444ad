#include <cmath>

#include "sedna/json/json.hpp"

namespace sedna::json {
namespace {

void append_unicode_escape(std::string& out, std::uint32_t unit) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 0xF];
}

std::uint32_t decode_sequence(const char* p, std::size_t size) {
  const auto byte = [p](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
  if (size == 2) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  if (size == 3) return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

}  // namespace

void append_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* plain = p;
  while ((p = skip_plain(p, end)) != end) {
    const auto c = static_cast<unsigned char>(*p);
    const std::size_t size = utf8_sequence(p, end);
    if (size > 0 && (c >= 0x80 || c == 0x7F) && !ensure_ascii) {
      p += size;
      continue;
    }
    out.append(plain, p);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (size == 0) {
          out += ensure_ascii ? "\\ufffd" : "\xEF\xBF\xBD";
        } else if (size == 1) {
          append_unicode_escape(out, c);
        } else if (const std::uint32_t code = decode_sequence(p, size); code < 0x10000) {
          append_unicode_escape(out, code);
        } else {
          append_unicode_escape(out, 0xD800 + ((code - 0x10000) >> 10));
          append_unicode_escape(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
        }
    }
    p += size == 0 ? 1 : size;
    plain = p;
  }
  out.append(plain, p);
  out += '"';
}

void append_number(std::string& out, double v) {
  char text[kMaxNumberText];
  out.append(text, write_double(text, v));
}

void append_number(std::string& out, std::int64_t v) {
  char text[kMaxNumberText];
  out.append(text, write_integer(text, v));
}

void append(std::string& out, const value& v, const WriteOptions& options) {
  switch (v.kind()) {
    case boost::json::kind::null:
      out += "null";
      break;
    case boost::json::kind::bool_:
      out += v.get_bool() ? "true" : "false";
      break;
    case boost::json::kind::int64:
      append_number(out, v.get_int64());
      break;
    case boost::json::kind::uint64: {
      char text[kMaxNumberText];
      out.append(text, write_integer(text, v.get_uint64()));
      break;
    }
    case boost::json::kind::double_:
      if (!options.allow_nan && !std::isfinite(v.get_double())) {
        throw Error(ErrorCode::kInvalidArgument, "NaN and infinities have no form in JSON");
      }
      append_number(out, v.get_double());
      break;
    case boost::json::kind::string: {
      const string& s = v.get_string();
      append_string(out, {s.data(), s.size()}, options.ensure_ascii);
      break;
    }
    case boost::json::kind::array: {
      out += '[';
      bool first = true;
      for (const value& element : v.get_array()) {
        if (!first) out += options.item_separator;
        first = false;
        append(out, element, options);
      }
      out += ']';
      break;
    }
    case boost::json::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& member : v.get_object()) {
        if (!first) out += options.item_separator;
        first = false;
        append_string(out, {member.key().data(), member.key().size()}, options.ensure_ascii);
        out += options.key_separator;
        append(out, member.value(), options);
      }
      out += '}';
      break;
    }
  }
}

std::string write(const value& v, const WriteOptions& options) {
  std::string out;
  append(out, v, options);
  return out;
}

}  // namespace sedna::json
