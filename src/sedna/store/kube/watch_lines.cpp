#include "sedna/store/kube/watch_lines.hpp"

#include <array>
#include <utility>

namespace sedna::store {
namespace {

constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";
constexpr std::array<std::pair<std::string_view, WatchEvent::Type>, 5> kTypes{
    {{"ADDED", WatchEvent::Type::kAdded},
     {"MODIFIED", WatchEvent::Type::kModified},
     {"DELETED", WatchEvent::Type::kDeleted},
     {"BOOKMARK", WatchEvent::Type::kBookmark},
     {"ERROR", WatchEvent::Type::kError}}};

Error malformed(std::string message) {
  return Error(ErrorCode::kDataLoss, std::move(message), "watch event");
}

}  // namespace

bool WatchLines::feed(std::span<const std::byte> bytes) {
  if (begin_ > 0) {
    text_.erase(0, begin_);
    looked_ -= begin_;
    begin_ = 0;
  }
  // What is used once for a large object need not stay for every small one after it.
  if (text_.empty() && text_.capacity() > 256 * 1024) text_ = std::string();
  text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text_.size() <= max_line_) return true;
  // Too much: unless there is a whole line in it that next() can hand out.
  const std::size_t end = text_.find('\n', looked_);
  return end != std::string::npos && end <= max_line_;
}

std::optional<std::string_view> WatchLines::next() {
  while (true) {
    const std::size_t end = text_.find('\n', std::max(begin_, looked_));
    if (end == std::string::npos) {
      looked_ = text_.size();
      return std::nullopt;
    }
    std::string_view line = std::string_view(text_).substr(begin_, end - begin_);
    begin_ = looked_ = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) return line;
  }
}

Result<WatchEvent> parse_watch_event(std::string_view line) {
  json::ParseOptions options;
  options.limits.max_depth = 128;
  auto tree = json::parse(line, options);
  if (!tree) return malformed("not JSON: " + tree.error().message());
  if (!tree->is_object()) return malformed("expected an object, found " + std::string(json::kind_name(*tree)));
  json::object& envelope = tree->get_object();
  const json::value* type = envelope.if_contains("type");
  json::value* object = envelope.if_contains("object");
  if (type == nullptr || !type->is_string() || object == nullptr || !object->is_object()) {
    return malformed("expected a type and an object");
  }
  WatchEvent event;
  bool known = false;
  for (const auto& [word, value] : kTypes) {
    if (type->get_string() != word) continue;
    event.type = value;
    known = true;
  }
  if (!known) return malformed("unknown type " + json::write(*type));
  event.object = std::move(object->get_object());
  if (event.type == WatchEvent::Type::kError) {
    event.status = Status::from_json(event.object, 500);
    event.object = Object();
  } else if (event.type == WatchEvent::Type::kBookmark) {
    event.initial_events_end = api::annotation(event.object, kInitialEventsEnd) == "true";
  }
  return event;
}

}  // namespace sedna::store
