#include "sedna/apiserver/protobuf.hpp"

#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "sedna/base/base64.hpp"

namespace sedna::apiserver {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);
constexpr int kMaxDepth = 64;

struct Message;

struct Field {
  std::string name;  ///< "^": the members stand in the message around it
  bool repeated = false, map = false, optional = false;
  char type = '-';  ///< as tools/record_core_protobuf.py says
  const Message* message = nullptr;
};

struct Message {
  std::map<std::uint32_t, Field> fields;
};

/// Read from the text when the first such body comes.
const std::map<std::string, Message, std::less<>>& messages() {
  static const auto* const table = [] {
    auto* map = new std::map<std::string, Message, std::less<>>();
    std::string_view text = kCoreProtobufText;
    while (!text.empty()) {
      std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.empty() || line.front() == '#') continue;
      const auto word = [&line] {
        const std::string_view out = line.substr(0, line.find(' '));
        line.remove_prefix(std::min(out.size() + 1, line.size()));
        return out;
      };
      Message& message = (*map)[std::string(word())];
      while (!line.empty()) {
        const std::string_view entry = word();
        const std::size_t first = entry.find(':');
        const std::size_t second = entry.find(':', first + 1);
        std::uint32_t number = 0;
        std::from_chars(entry.data() + first + 1, entry.data() + second, number);
        std::string_view type = entry.substr(second + 1);
        Field& field = message.fields[number];
        field.name = entry.substr(0, first);
        for (; type.front() == '[' || type.front() == '{' || type.front() == '*'; type.remove_prefix(1)) {
          field.repeated = field.repeated || type.front() == '[';
          field.map = field.map || type.front() == '{';
          field.optional = field.optional || type.front() == '*';
        }
        field.type = type.front();
        if (field.type == '@') field.message = &(*map)[std::string(type.substr(1))];
      }
    }
    return map;
  }();
  return *table;
}

/// The wire format: tags, variable-length integers, lengths. ok turns false at the first fault and stays.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest.empty()) break;
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok = false;
    return 0;
  }
  std::string_view bytes() {
    const std::uint64_t size = varint();
    if (!ok || size > rest.size()) {
      ok = false;
      return {};
    }
    const std::string_view out = rest.substr(0, static_cast<std::size_t>(size));
    rest.remove_prefix(out.size());
    return out;
  }
  void skip(std::size_t count) {
    if (count > rest.size()) {
      ok = false;
    } else {
      rest.remove_prefix(count);
    }
  }
  /// The next field's number and how it is written (0 integer, 1 eight bytes, 2 text, 5 four bytes); false at the end.
  bool next(std::uint32_t& number, unsigned& wire) {
    if (!ok || rest.empty()) return false;
    const std::uint64_t tag = varint();
    number = static_cast<std::uint32_t>(tag >> 3);
    wire = static_cast<unsigned>(tag & 7);
    return ok;
  }
  void skip_value(unsigned wire) {
    switch (wire) {
      case 0:
        varint();
        return;
      case 1:
        return skip(8);
      case 2:
        bytes();
        return;
      case 5:
        return skip(4);
      default:
        ok = false;
    }
  }
};

std::string time_text(std::string_view bytes, bool micro) {
  Reader reader{bytes};
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  std::uint32_t number = 0;
  unsigned wire = 0;
  while (reader.next(number, wire)) {
    if (number <= 2 && wire == 0) {
      (number == 1 ? seconds : nanos) = static_cast<std::int64_t>(reader.varint());
    } else {
      reader.skip_value(wire);
    }
  }
  constexpr std::int64_t kYear9999 = 253402300799;
  if (!reader.ok || (seconds == 0 && nanos == 0) || seconds < -kYear9999 || seconds > kYear9999) return {};
  std::string text = api::format_time(std::chrono::system_clock::time_point(std::chrono::seconds(seconds)));
  if (micro) {
    char fraction[16];
    std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(nanos / 1000 % 1000000));
    text.pop_back();  // the Z
    text += fraction;
  }
  return text;
}

class Decoder {
 public:
  Result<json::object> read(const Message& message, std::string_view bytes, int depth) {
    json::object out;
    into(message, bytes, depth, out);
    if (failed_) return Error(ErrorCode::kInvalidArgument, "the protobuf body is broken");
    return out;
  }

 private:
  void into(const Message& message, std::string_view bytes, int depth, json::object& out) {
    Reader reader{bytes};
    std::uint32_t number = 0;
    unsigned wire = 0;
    while (!failed_ && reader.next(number, wire)) {
      const auto it = message.fields.find(number);
      if (it == message.fields.end()) {
        reader.skip_value(wire);
      } else if (depth == kMaxDepth) {
        failed_ = true;
      } else {
        field(it->second, reader, wire, depth, out);
      }
    }
    failed_ = failed_ || !reader.ok;
  }

  void field(const Field& field, Reader& reader, unsigned wire, int depth, json::object& out) {
    if (field.name == "^") {
      const std::string_view inner = reader.bytes();
      if (field.message != nullptr && reader.ok) into(*field.message, inner, depth + 1, out);
    } else if (field.map) {
      json::value& place = out[field.name];
      if (!place.is_object()) place = json::object();
      entry(field, reader.bytes(), depth, place.get_object());
    } else if (field.repeated) {
      json::value& place = out[field.name];
      if (!place.is_array()) place = json::array();
      place.get_array().push_back(value(field, reader, wire, depth));
    } else {
      json::value found = value(field, reader, wire, depth);
      if (!is_zero(field, found)) out[field.name] = std::move(found);
    }
  }

  /// What Go leaves out of its JSON.
  static bool is_zero(const Field& field, const json::value& v) {
    if (v.is_null()) return true;
    if (field.optional) return false;
    if (v.is_string()) return v.get_string().empty();
    if (v.is_int64()) return v.get_int64() == 0;
    if (v.is_double()) return v.get_double() == 0;
    return v.is_bool() && !v.get_bool();
  }

  void entry(const Field& field, std::string_view bytes, int depth, json::object& out) {
    Reader reader{bytes};
    std::string key;
    json::value found;
    std::uint32_t number = 0;
    unsigned wire = 0;
    while (reader.next(number, wire)) {
      if (number == 1 && wire == 2) {
        key = reader.bytes();
      } else if (number == 2) {
        found = value(field, reader, wire, depth);
      } else {
        reader.skip_value(wire);
      }
    }
    failed_ = failed_ || !reader.ok;
    if (found.is_null()) found = "";
    out[key] = std::move(found);
  }

  json::value value(const Field& field, Reader& reader, unsigned wire, int depth) {
    const bool number = field.type == 'i' || field.type == 'B';
    if ((number && wire != 0) || (field.type == 'd' && wire != 1) || (!number && field.type != 'd' && wire != 2)) {
      failed_ = true;
      return nullptr;
    }
    switch (field.type) {
      case 'i':
        return static_cast<std::int64_t>(reader.varint());
      case 'B':
        return reader.varint() != 0;
      case 'd': {
        std::uint64_t bits = 0;
        if (reader.rest.size() >= sizeof bits) std::memcpy(&bits, reader.rest.data(), sizeof bits);
        reader.skip(sizeof bits);
        return std::bit_cast<double>(bits);
      }
      case 's':
        return json::value(reader.bytes());
      case 'b':
        return json::value(base64_encode(reader.bytes()));
      case 'T':
      case 'M': {
        const std::string text = time_text(reader.bytes(), field.type == 'M');
        return text.empty() ? json::value() : json::value(text);
      }
      case 'Q':
        return first_text(reader.bytes());
      case 'I':
        return int_or_text(reader.bytes());
      case '@': {
        const std::string_view inner = reader.bytes();
        json::object out;
        if (reader.ok) into(*field.message, inner, depth + 1, out);
        return out;
      }
      default:
        reader.bytes();
        return nullptr;
    }
  }

  json::value first_text(std::string_view bytes) {
    Reader reader{bytes};
    json::value out;
    std::uint32_t number = 0;
    unsigned wire = 0;
    while (reader.next(number, wire)) {
      if (number == 1 && wire == 2) {
        out = reader.bytes();
      } else {
        reader.skip_value(wire);
      }
    }
    failed_ = failed_ || !reader.ok;
    return out;
  }

  json::value int_or_text(std::string_view bytes) {
    Reader reader{bytes};
    std::uint64_t kind = 0;
    std::int64_t whole = 0;
    std::string_view text;
    std::uint32_t number = 0;
    unsigned wire = 0;
    while (reader.next(number, wire)) {
      if (number == 1 && wire == 0) {
        kind = reader.varint();
      } else if (number == 2 && wire == 0) {
        whole = static_cast<std::int64_t>(reader.varint());
      } else if (number == 3 && wire == 2) {
        text = reader.bytes();
      } else {
        reader.skip_value(wire);
      }
    }
    failed_ = failed_ || !reader.ok;
    return kind == 0 ? json::value(whole) : json::value(text);
  }

  bool failed_ = false;
};

}  // namespace

Result<api::Object> parse_protobuf(std::string_view body) {
  const Error broken(ErrorCode::kInvalidArgument, "the protobuf body is broken");
  if (!body.starts_with(kMagic)) return broken;
  // runtime.Unknown {typeMeta {apiVersion, kind}, raw}
  Reader reader{body.substr(kMagic.size())};
  std::string_view type;
  std::string_view raw;
  std::uint32_t number = 0;
  unsigned wire = 0;
  while (reader.next(number, wire)) {
    if (number <= 2 && wire == 2) {
      (number == 1 ? type : raw) = reader.bytes();
    } else {
      reader.skip_value(wire);
    }
  }
  Reader meta{type};
  std::string api_version;
  std::string kind;
  while (meta.next(number, wire)) {
    if (number <= 2 && wire == 2) {
      (number == 1 ? api_version : kind) = meta.bytes();
    } else {
      meta.skip_value(wire);
    }
  }
  if (!reader.ok || !meta.ok) return broken;
  // "apps/v1" → "apps.v1", "v1" → "core.v1", and options of the meta group
  std::string name = kind == "DeleteOptions"                      ? "meta.v1"
                     : api_version.find('/') == std::string::npos ? "core." + api_version
                                                                  : api_version;
  if (const auto slash = name.find('/'); slash != std::string::npos) {
    name = name.substr(0, name.find('.') < slash ? name.find('.') : slash) + "." + name.substr(slash + 1);
  }
  const auto message = messages().find(name + "." + kind);
  if (message == messages().end()) {
    return Error(ErrorCode::kInvalidArgument,
                 "no kind \"" + kind + "\" of version \"" + api_version + "\" is read as protobuf here; send JSON");
  }
  auto object = Decoder().read(message->second, raw, 0);
  if (!object) return object.error();
  json::object out{{"apiVersion", api_version}, {"kind", kind}};
  for (auto& [key, value] : *object) out[key] = std::move(value);
  return out;
}

}  // namespace sedna::apiserver
