#include "sedna/store/embedded/stored.hpp"

#include <array>

#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"

namespace sedna::store::embedded {
namespace {

namespace kinds = api::kinds;

constexpr std::array<std::string_view, 9> kPodFields{
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",  "spec.hostNetwork",
    "status.phase",  "status.podIP",       "status.podIPs",      "status.nominatedNodeName",
};
constexpr std::array<std::string_view, 11> kEventFields{
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
};
constexpr std::array<std::string_view, 1> kNodeFields{"spec.unschedulable"}, kNamespaceFields{"status.phase"},
    kSecretFields{"type"};

constexpr std::size_t kVersionDigits = 20;      // of the largest resourceVersion
constexpr std::size_t kKeptBuffer = 64 * 1024;  // a thread keeps no larger one after a large object

std::string scalar(const json::value* v) {
  if (v == nullptr) return {};
  if (v->is_string()) return std::string(v->get_string());
  if (v->is_bool()) return v->get_bool() ? "true" : "false";
  if (v->is_number()) return json::write(*v);
  return {};
}

bool is_flag(std::string_view path) {
  return path.ends_with("hostNetwork") || path.ends_with("unschedulable");
}

std::string field_value(const Object& object, std::string_view path) {
  // Of lists and of what is derived Kubernetes makes a text of its own.
  if (path == "source") return std::string(api::string_at(object, {"source", "component"}));
  if (path == "status.podIPs") return std::string(api::string_at(object, {"status", "podIP"}));
  const json::object* at = &object;
  for (;;) {
    const auto dot = path.find('.');
    const json::value* v = at->if_contains(path.substr(0, dot));
    if (dot == std::string_view::npos) {
      std::string out = scalar(v);
      return out.empty() && is_flag(path) ? "false" : out;
    }
    if (v == nullptr || !v->is_object()) return is_flag(path) ? "false" : "";
    at = &v->get_object();
    path = path.substr(dot + 1);
  }
}

void index_fields(Stored& stored, const Object& object) {
  const json::object* labels = api::object_at(object, {"metadata", "labels"});
  if (labels != nullptr) stored.labels = *labels;
  for (const std::string_view path : selectable_fields(*stored.kind)) {
    stored.fields.emplace_back(path, field_value(object, path));
  }
  stored.deleting = api::is_deleting(object);
}

/// {"apiVersion":…,"kind":…,"metadata":{"resourceVersion":"
std::string opening(const Kind& kind) {
  std::string out = R"({"apiVersion":)";
  json::append_string(out, kind.api_version());
  out += R"(,"kind":)";
  json::append_string(out, kind.kind);
  out += R"(,"metadata":{"resourceVersion":")";
  return out;
}

}  // namespace

std::span<const std::string_view> selectable_fields(const Kind& kind) {
  if (&kind == &kinds::kPod) return kPodFields;
  if (&kind == &kinds::kEvent) return kEventFields;
  if (&kind == &kinds::kNode) return kNodeFields;
  if (&kind == &kinds::kNamespace) return kNamespaceFields;
  if (&kind == &kinds::kSecret) return kSecretFields;
  return {};
}

std::string_view Stored::ns() const {
  const auto slash = key.find('/');
  return slash == std::string::npos ? std::string_view{} : std::string_view(key).substr(0, slash);
}

std::string_view Stored::name() const {
  const auto slash = key.find('/');
  return slash == std::string::npos ? std::string_view(key) : std::string_view(key).substr(slash + 1);
}

std::string_view Stored::field(std::string_view path) const {
  if (path == "metadata.name") return name();
  if (path == "metadata.namespace") return ns();
  for (const auto& [known, value] : fields) {
    if (known == path) return value;
  }
  return {};
}

Object Stored::object() const {
  auto parsed = json::parse(text);
  if (!parsed) throw Error(ErrorCode::kDataLoss, "a stored object is damaged: " + parsed.error().message(), key);
  if (!parsed->is_object()) throw Error(ErrorCode::kDataLoss, "a stored object is damaged: it is no object", key);
  return std::move(parsed->get_object());
}

Bytes text_of(const StoredPtr& stored) {
  return {stored, std::as_bytes(std::span(stored->text.data(), stored->text.size()))};
}

std::shared_ptr<Stored> make_stored(const Kind& kind, const Object& object) {
  auto out = std::make_shared<Stored>();
  out->kind = &kind;
  out->key = api::key_of(object);
  // Written into a buffer that has grown already, kept with as much room as it needs.
  thread_local std::string text;
  text = opening(kind);
  out->version_offset = text.size();
  text += '"';
  if (const json::object* metadata = api::object_at(object, {"metadata"})) {
    for (const auto& [key, value] : *metadata) {
      if (key == "resourceVersion") continue;
      text += ',';
      json::append_string(text, key);
      text += ':';
      json::append(text, value);
    }
  }
  text += '}';
  for (const auto& [key, value] : object) {
    if (key == "apiVersion" || key == "kind" || key == "metadata") continue;
    text += ',';
    json::append_string(text, key);
    text += ':';
    json::append(text, value);
  }
  text += '}';
  out->text.reserve(text.size() + kVersionDigits);
  out->text = text;
  if (text.capacity() > kKeptBuffer) std::string().swap(text);
  index_fields(*out, object);
  return out;
}

void number_version(Stored& stored, std::uint64_t resource_version) {
  stored.resource_version = resource_version;
  stored.text.insert(stored.version_offset, std::to_string(resource_version));
}

void leave_without_version(Stored& stored) {
  constexpr std::string_view kField = R"("resourceVersion":")";
  const std::size_t begin = stored.version_offset - kField.size();
  std::size_t size = kField.size() + 1;
  if (stored.text[begin + size] == ',') ++size;
  stored.text.erase(begin, size);
}

StoredPtr with_version(const Stored& stored, std::uint64_t resource_version) {
  auto out = std::make_shared<Stored>(stored);
  out->text.erase(out->version_offset, std::to_string(stored.resource_version).size());
  number_version(*out, resource_version);
  return out;
}

std::shared_ptr<Stored> load_stored(const Kind& kind, std::int64_t row, std::uint64_t resource_version,
                                    std::string text) {
  auto out = std::make_shared<Stored>();
  out->kind = &kind;
  out->row = row;
  out->resource_version = resource_version;
  out->text = std::move(text);
  const Object object = out->object();
  out->key = api::key_of(object);
  const std::string start = opening(kind);
  if (!out->text.starts_with(start) || api::name_of(object).empty()) {
    throw Error(ErrorCode::kDataLoss, "a stored object is damaged: it does not begin as one", out->key);
  }
  out->version_offset = start.size();
  index_fields(*out, object);
  return out;
}

}  // namespace sedna::store::embedded
