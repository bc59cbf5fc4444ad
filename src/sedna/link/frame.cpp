#include "sedna/link/frame.hpp"

#include <algorithm>
#include <array>

#include "sedna/base/base64.hpp"
#include "sedna/base/text.hpp"

namespace sedna::link {

namespace {

json::ParseOptions limits() {
  json::ParseOptions options;
  options.duplicates = json::ParseOptions::Duplicates::kLastWins;
  return options;
}

/// A member whatever the case of its name, as Go's decoder finds it.
const json::value* member(const json::object& o, std::string_view name) {
  if (const json::value* exact = o.if_contains(name)) return exact;
  const std::string wanted = to_lower(name);
  for (const auto& [key, value] : o) {
    if (to_lower(key) == wanted) return &value;
  }
  return nullptr;
}

Result<std::string> text_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  if (v == nullptr || v->is_null()) return std::string();
  if (!v->is_string()) return Error(ErrorCode::kInvalidArgument, "must be a string", std::string(name));
  return std::string(v->get_string());
}

/// encoding/json escapes these so that its output can stand in HTML.
std::string go_escaped(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

constexpr std::array<std::string_view, 8> kTypeNames = {"hello", "object", "gone", "synced",
                                                        "fact",  "ack",    "ping", "pong"};

Result<StateKey> read_subject(const json::object& o) {
  StateKey out;
  for (const auto& [name, into] :
       {std::pair{std::string_view("kind"), &out.kind}, {std::string_view("key"), &out.key}}) {
    auto text = json::require_string(o, name);
    if (!text) return text.error();
    constexpr std::size_t kLongest = 512;
    if (text->empty() || text->size() > kLongest) {
      return Error(ErrorCode::kInvalidArgument, "must have 1 to 512 characters", std::string(name));
    }
    *into = std::move(*text);
  }
  return out;
}

Result<void> read_hello(const json::object& o, Message& out) {
  auto node = json::require_string(o, "node");
  if (!node) return node.error();
  auto id = json::require_string(o, "id");
  if (!id) return id.error();
  auto version = json::require_int(o, "version");
  if (!version) return version.error();
  out.node = std::move(*node);
  out.id = std::move(*id);
  out.version = static_cast<int>(std::clamp<std::int64_t>(*version, 0, 1 << 20));
  if (out.node.empty()) return Error(ErrorCode::kInvalidArgument, "must not be empty", "node");
  const json::value* known = o.if_contains("known");
  if (known == nullptr || known->is_null()) return {};
  if (!known->is_array()) return Error(ErrorCode::kInvalidArgument, "must be a list", "known");
  for (const auto& entry : known->get_array()) {
    if (!entry.is_object()) return Error(ErrorCode::kInvalidArgument, "must hold objects", "known");
    auto subject = read_subject(entry.get_object());
    if (!subject) return subject.error().within("known.");
    auto resource_version = json::require_string(entry.get_object(), "resourceVersion");
    if (!resource_version) return resource_version.error().within("known.");
    out.known[std::move(*subject)] = std::move(*resource_version);
  }
  return {};
}

Result<void> read_sequence(const json::object& o, Message& out) {
  auto sequence = json::require_int(o, "sequence");
  if (!sequence) return sequence.error();
  if (*sequence < 0) return Error(ErrorCode::kInvalidArgument, "must not be negative", "sequence");
  out.sequence = static_cast<std::uint64_t>(*sequence);
  return {};
}

Result<void> read_body(const json::object& o, std::string_view name, Message& out) {
  auto body = json::require_object(o, name);
  if (!body) return body.error();
  out.body = **body;
  return {};
}

}  // namespace

Result<UpstreamFrame> decode_upstream(std::string_view text) {
  auto parsed = json::parse(text, limits());
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return Error(ErrorCode::kInvalidArgument, "a frame must be a JSON object", "frame");
  const auto& o = parsed->get_object();
  UpstreamFrame out;
  const json::value* header = member(o, "header");
  if (header == nullptr) return out;  // the bare header with which upstream's LC says hello
  if (!header->is_object()) return Error(ErrorCode::kInvalidArgument, "must be an object", "header");
  for (const auto& [name, into] : {std::pair{std::string_view("namespace"), &out.ns},
                                   {std::string_view("resourceKind"), &out.kind},
                                   {std::string_view("resourceName"), &out.name},
                                   {std::string_view("operation"), &out.operation}}) {
    auto value = text_member(header->get_object(), name);
    if (!value) return value.error().within("header.");
    *into = std::move(*value);
  }
  out.kind = to_lower(out.kind);
  auto content = text_member(o, "content");
  if (!content) return content.error();
  if (content->empty()) return out;
  const auto bytes = base64_decode(*content);
  if (!bytes) return Error(ErrorCode::kInvalidArgument, "is not base64", "content");
  auto inner = json::parse(*bytes, limits());
  if (!inner) return inner.error().within("content: ");
  if (!inner->is_object()) return Error(ErrorCode::kInvalidArgument, "must hold a JSON object", "content");
  out.content = std::move(inner->get_object());
  return out;
}

std::string encode_upstream(const UpstreamFrame& frame) {
  std::string out = "{\"header\":{\"namespace\":";
  json::append_string(out, frame.ns);
  out += ",\"resourceKind\":";
  json::append_string(out, frame.kind);
  out += ",\"resourceName\":";
  json::append_string(out, frame.name);
  out += ",\"operation\":";
  json::append_string(out, frame.operation);
  out += "},\"content\":";
  json::append_string(out, base64_encode(go_escaped(json::write(frame.content))));
  out.push_back('}');
  return out;
}

Result<Message> decode(std::string_view text) {
  auto parsed = json::parse(text, limits());
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return Error(ErrorCode::kInvalidArgument, "a message must be a JSON object", "message");
  const auto& o = parsed->get_object();
  auto type = json::require_string(o, "type");
  if (!type) return type.error();
  const auto* found = std::find(kTypeNames.begin(), kTypeNames.end(), *type);
  if (found == kTypeNames.end()) return Error(ErrorCode::kUnimplemented, "is not known", "type " + *type);
  Message out;
  out.type = static_cast<Message::Type>(found - kTypeNames.begin());
  Result<void> read;
  switch (out.type) {
    case Message::Type::kHello:
      read = read_hello(o, out);
      break;
    case Message::Type::kObject:
    case Message::Type::kGone: {
      auto subject = read_subject(o);
      if (!subject) return subject.error();
      out.subject = std::move(*subject);
      if (out.type == Message::Type::kGone) break;
      auto version = json::require_string(o, "resourceVersion");
      if (!version) return version.error();
      out.resource_version = std::move(*version);
      read = read_body(o, "object", out);
      break;
    }
    case Message::Type::kFact: {
      auto subject = read_subject(o);
      if (!subject) return subject.error();
      out.subject = std::move(*subject);
      auto worker = json::optional_string(o, "worker");
      if (!worker) return worker.error();
      out.worker = worker->value_or("");
      read = read_sequence(o, out);
      if (read) read = read_body(o, "fact", out);
      break;
    }
    case Message::Type::kAck: {
      auto refused = json::optional_string(o, "refused");
      if (!refused) return refused.error();
      out.refused = refused->value_or("");
      read = read_sequence(o, out);
      break;
    }
    case Message::Type::kPing:
    case Message::Type::kPong:
      read = read_sequence(o, out);
      break;
    case Message::Type::kSynced:
      break;
  }
  if (!read) return read.error();
  return out;
}

std::string encode(const Message& message) {
  json::object o{{"type", kTypeNames[static_cast<std::size_t>(message.type)]}};
  const auto put_subject = [](json::object& into, const StateKey& subject) {
    into["kind"] = subject.kind;
    into["key"] = subject.key;
  };
  switch (message.type) {
    case Message::Type::kHello: {
      o["node"] = message.node;
      o["id"] = message.id;
      o["version"] = message.version;
      json::array known;
      for (const auto& [subject, version] : message.known) {
        json::object entry;
        put_subject(entry, subject);
        entry["resourceVersion"] = version;
        known.push_back(std::move(entry));
      }
      o["known"] = std::move(known);
      break;
    }
    case Message::Type::kObject:
      put_subject(o, message.subject);
      o["resourceVersion"] = message.resource_version;
      o["object"] = message.body;
      break;
    case Message::Type::kGone:
      put_subject(o, message.subject);
      break;
    case Message::Type::kFact:
      put_subject(o, message.subject);
      o["sequence"] = static_cast<std::int64_t>(message.sequence);
      if (!message.worker.empty()) o["worker"] = message.worker;
      o["fact"] = message.body;
      break;
    case Message::Type::kAck:
      o["sequence"] = static_cast<std::int64_t>(message.sequence);
      if (!message.refused.empty()) o["refused"] = message.refused;
      break;
    case Message::Type::kPing:
    case Message::Type::kPong:
      o["sequence"] = static_cast<std::int64_t>(message.sequence);
      break;
    case Message::Type::kSynced:
      break;
  }
  return json::write(o);
}

}  // namespace sedna::link
