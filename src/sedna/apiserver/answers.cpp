#include "sedna/apiserver/answers.hpp"

#include <utility>

#include "sedna/apiserver/table.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

using serve::Response;
using store::embedded::RawList;
using store::embedded::StoredPtr;

constexpr std::string_view kJson = "application/json";
/// A list is sent in pieces of about this size.
constexpr std::size_t kPiece = 128 * 1024;

Response json_text(int status, std::string text) {
  return Response::json(status, std::move(text));
}

std::string list_metadata(const RawList& list) {
  json::object metadata{{"resourceVersion", std::to_string(list.resource_version)}};
  if (!list.continue_token.empty()) metadata["continue"] = list.continue_token;
  if (list.remaining) metadata["remainingItemCount"] = *list.remaining;
  return json::write(metadata);
}

/// Elements separated by commas, between an opening and a closing text.
class ListBody final : public serve::BodyProducer {
 public:
  ListBody(const api::Kind& kind, RawList list, Wanted wanted, std::string open, std::string close)
      : kind_(kind),
        list_(std::move(list)),
        wanted_(std::move(wanted)),
        open_(std::move(open)),
        close_(std::move(close)) {
    if (wanted_.shape != Shape::kObject) return;
    length_ = open_.size() + close_.size() + (list_.items.empty() ? 0 : list_.items.size() - 1);
    for (const StoredPtr& stored : list_.items) *length_ += stored->text.size();
  }

  net::Task<Bytes> next() override {
    std::string piece;
    if (!done_) {
      piece.reserve(kPiece + 4096);
      if (next_ == 0) piece = open_;
      while (next_ < list_.items.size() && piece.size() < kPiece) {
        if (next_ > 0) piece += ',';
        append(piece, std::exchange(list_.items[next_], nullptr));
        ++next_;
      }
      if (next_ == list_.items.size()) {
        piece += close_;
        done_ = true;
      }
    }
    co_return Bytes::from_string(std::move(piece));
  }
  std::optional<std::uint64_t> content_length() const override { return length_; }

 private:
  void append(std::string& out, const StoredPtr& stored) const {
    switch (wanted_.shape) {
      case Shape::kObject:
        out += stored->text;
        return;
      case Shape::kTable:
        out += table_row(kind_, stored->object(), wanted_.include_object);
        return;
      case Shape::kMetadata:
        out += partial_metadata(stored->object());
        return;
    }
  }

  const api::Kind& kind_;
  RawList list_;
  const Wanted wanted_;
  const std::string open_, close_;
  std::optional<std::uint64_t> length_;
  std::size_t next_ = 0;
  bool done_ = false;
};

std::string opening(const api::Kind& kind, const RawList& list, const Wanted& wanted) {
  std::string out;
  switch (wanted.shape) {
    case Shape::kObject:
      out = R"({"kind":")" + kind.list_kind() + R"(","apiVersion":")" + kind.api_version() + R"(",)";
      break;
    case Shape::kTable:
      return R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":)" + list_metadata(list) +
             R"(,"columnDefinitions":)" + column_definitions(kind) + R"(,"rows":[)";
    case Shape::kMetadata:
      out = R"({"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",)";
      break;
  }
  return out + R"("metadata":)" + list_metadata(list) + R"(,"items":[)";
}

bool parameter_is(std::string_view range, std::string_view name, std::string_view value) {
  std::size_t at = 0;
  while ((at = range.find(name, at)) != std::string_view::npos) {
    const std::string_view rest = range.substr(at + name.size());
    if (at > 0 && (range[at - 1] == ';' || range[at - 1] == ' ') && rest.starts_with('=')) {
      std::string_view found = rest.substr(1, rest.find_first_of(";, ", 1) - 1);
      if (found == value) return true;
    }
    ++at;
  }
  return false;
}

}  // namespace

Wanted wanted_shape(std::string_view accept, std::string_view include_object) {
  Wanted wanted;
  if (!include_object.empty()) wanted.include_object = include_object;
  if (accept.empty()) return wanted;
  wanted.acceptable = false;
  // The first range that we can serve counts: clients list what they like most first.
  while (!accept.empty()) {
    std::string_view range = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(range.size() + 1, accept.size()));
    while (range.starts_with(' ')) range.remove_prefix(1);
    const std::string_view type = range.substr(0, range.find_first_of("; "));
    if (type != kJson && type != "*/*" && type != "application/*") continue;
    wanted.acceptable = true;
    if (range.find("as=") == std::string_view::npos) return wanted;
    const bool v1 = parameter_is(range, "v", "v1");
    if (v1 && parameter_is(range, "as", "Table")) {
      wanted.shape = Shape::kTable;
      return wanted;
    }
    if (v1 && (parameter_is(range, "as", "PartialObjectMetadata") ||
               parameter_is(range, "as", "PartialObjectMetadataList"))) {
      wanted.shape = Shape::kMetadata;
      return wanted;
    }
    wanted.acceptable = false;
  }
  return wanted;
}

Response json_response(int status, const json::value& body) {
  return json_text(status, json::write(body));
}

Response status_response(const store::Status& status) {
  Response response = json_response(status.code, status.to_json());
  if (status.retry_after_seconds) response.headers.set("Retry-After", std::to_string(*status.retry_after_seconds));
  return response;
}

Response core_error(int status, const Error& error) {
  store::Status out;
  switch (status) {
    case 401:
      out = store::statuses::unauthorized();
      break;
    case 413:
      out = store::statuses::too_large(error.message());
      break;
    case 503:
      out = store::statuses::unavailable(error.message());
      break;
    default:
      out = store::Status::from_json({}, status);
      out.message = error.what();
  }
  out.code = status;
  return status_response(out);
}

std::string partial_metadata(const api::Object& object) {
  const json::object* metadata = api::object_at(object, {"metadata"});
  std::string out = R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)";
  json::append(out, metadata == nullptr ? json::object() : *metadata);
  return out + "}";
}

std::string shaped_text(const api::Kind& kind, const StoredPtr& stored, const Wanted& wanted, bool columns) {
  switch (wanted.shape) {
    case Shape::kObject:
      break;
    case Shape::kMetadata:
      return partial_metadata(stored->object());
    case Shape::kTable:
      return R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":")" +
             std::to_string(stored->resource_version) + R"("},"columnDefinitions":)" +
             (columns ? column_definitions(kind) : "[]") + R"(,"rows":[)" +
             table_row(kind, stored->object(), wanted.include_object) + "]}";
  }
  return stored->text;
}

Response object_response(int status, const StoredPtr& stored, const Wanted& wanted) {
  if (wanted.shape != Shape::kObject) return json_text(status, shaped_text(*stored->kind, stored, wanted, true));
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::string(kJson));
  response.body.push_back(store::embedded::text_of(stored));
  return response;
}

Response success_response(const api::Kind& kind, std::string_view name, std::string_view uid) {
  json::object details{{"name", name}};
  if (!kind.group.empty()) details["group"] = kind.group;
  details["kind"] = kind.plural;
  if (!uid.empty()) details["uid"] = uid;
  return json_response(200, json::object{{"kind", "Status"},
                                         {"apiVersion", "v1"},
                                         {"metadata", json::object()},
                                         {"status", "Success"},
                                         {"details", std::move(details)}});
}

void add_warnings(Response& response, const std::vector<std::string>& warnings) {
  for (const std::string& text : warnings) {
    std::string quoted;
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
    response.headers.add("Warning", "299 - \"" + quoted + "\"");
  }
}

Response list_response(const api::Kind& kind, RawList list, const Wanted& wanted) {
  std::string open = opening(kind, list, wanted);
  Response response;
  response.headers.add("Content-Type", std::string(kJson));
  response.producer = std::make_shared<ListBody>(kind, std::move(list), wanted, std::move(open), "]}");
  return response;
}

}  // namespace sedna::apiserver
