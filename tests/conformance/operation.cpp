#include "tests/conformance/operation.hpp"

#include <algorithm>
#include <regex>
#include <tuple>

#include "sedna/base/error.hpp"

namespace sedna::conformance {
namespace {

using store::FieldValidation;
using store::PatchType;

std::string text_in(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

const json::object& options_of(const json::object& operation) {
  static const json::object kNone;
  const json::value* v = operation.if_contains("options");
  return v != nullptr ? v->as_object() : kNone;
}

store::WriteOptions write_options(const json::object& o, std::vector<std::string>& warnings) {
  store::WriteOptions out;
  out.warnings = &warnings;
  out.dry_run = o.contains("dryRun");
  const std::string validation = text_in(o, "fieldValidation");
  if (validation == "Strict") out.field_validation = FieldValidation::kStrict;
  if (validation == "Ignore") out.field_validation = FieldValidation::kIgnore;
  return out;
}

PatchType patch_type(const json::object& operation) {
  const std::string type = text_in(operation, "type");
  return type == "json" ? PatchType::kJson : type == "strategic" ? PatchType::kStrategic : PatchType::kMerge;
}

bool holds_list(const json::value& v) {
  if (v.is_array()) return true;
  if (!v.is_object()) return false;
  for (const auto& member : v.get_object()) {
    if (holds_list(member.value())) return true;
  }
  return false;
}

struct Target {
  const api::Kind& kind;
  std::string name;
};

Target target(const std::string& text) {
  const std::size_t slash = text.find('/');
  return {kind_named(std::string_view(text).substr(0, slash)),
          slash == std::string::npos ? "" : text.substr(slash + 1)};
}

/// Kubernetes finds faults of custom resources in the order of a hash table.
void sort_causes(store::Status& status) {
  const std::size_t open = status.message.find(" is invalid: [");
  if (status.code != 422 || status.causes.size() < 2 || open == std::string::npos) return;
  std::sort(status.causes.begin(), status.causes.end(),
            [](const auto& a, const auto& b) { return std::tie(a.field, a.message) < std::tie(b.field, b.message); });
  std::vector<std::string> texts;
  for (const auto& cause : status.causes) texts.push_back(cause.field + ": " + cause.message);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  status.message.resize(open + std::string_view(" is invalid: [").size());
  for (const std::string& text : texts) status.message += (text == texts.front() ? "" : ", ") + text;
  status.message += "]";
}

}  // namespace

const api::Kind& kind_named(std::string_view word) {
  const api::Kind* kind = api::find_kind_by_word(word);
  if (kind == nullptr) throw Error(ErrorCode::kInvalidArgument, "no such kind in a script", std::string(word));
  return *kind;
}

bool Player::needs_face(const json::object& operation) {
  if (!operation.contains("patch")) return false;
  const json::value* body = operation.if_contains("body");
  if (body == nullptr || !body->is_object() || patch_type(operation) != PatchType::kMerge) return true;
  // In process a list needs a version with it: the type makes sure.
  return holds_list(*body) && api::resource_version_of(body->get_object()).empty();
}

std::string Player::substitute_text(std::string_view text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      out += text[at++];
      continue;
    }
    static constexpr std::string_view kEnds = " ,\"'";
    const std::size_t end = std::min(text.find_first_of(kEnds, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (word == "$ns") {
      out += ns_;
    } else if (word == "$continue") {
      out += continue_;
    } else if (const auto found = known_.find(word); found != known_.end()) {
      out += found->second;
    } else if (word.starts_with("$rv:")) {
      out += "1";  // never seen
    } else if (word.starts_with("$uid:")) {
      out += "00000000-0000-0000-0000-000000000000";
    } else {
      out += word;
    }
    at = end;
  }
  return out;
}

json::value Player::substitute(const json::value& v) const {
  if (v.is_string()) return json::value(substitute_text(v.get_string()));
  if (v.is_array()) {
    json::array out;
    for (const json::value& element : v.get_array()) out.push_back(substitute(element));
    return out;
  }
  if (v.is_object()) {
    json::object out;
    for (const auto& member : v.get_object()) out.emplace(substitute_text(member.key()), substitute(member.value()));
    return out;
  }
  return v;
}

void Player::remember(const api::Object& object) {
  const std::string which = std::string(api::kind_of(object)) + "/" + std::string(api::name_of(object));
  const std::string version(api::resource_version_of(object));
  if (!version.empty()) {
    known_["$rv:" + which] = version;
    known_.emplace("$rv:" + which + "@first", version);
  }
  if (!api::uid_of(object).empty()) known_["$uid:" + which] = std::string(api::uid_of(object));
}

std::string Player::cleaned_text(std::string text) const {
  for (std::size_t at = 0; (at = text.find(ns_, at)) != std::string::npos;) text.replace(at, ns_.size(), "$ns");
  static const std::regex uid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::regex version("resource ?[vV]ersion: [0-9]+( \\([0-9]+\\)|, current: [0-9]+)?");
  static const std::regex precondition(
      R"(the precondition \([0-9]+\) does not match the ResourceVersion in record \([0-9]+\))");
  // What differs, shown as Go prints its structures.
  if (const std::size_t at = text.find("\n@@ "); at != std::string::npos) text.resize(at);
  // etcd's own words around a precondition.
  static const std::regex etcd(
      "StorageError: invalid object, Code: 4, Key: [^ ]*, ResourceVersion: 0, AdditionalErrorMsg: ");
  // A status is validated on its own there.
  static const std::regex own_status("status\\.([^ ]+ in body )");
  static const std::regex token("(continue key is not valid: ).*");
  // A patch that makes no object is told with the whole object in the message.
  static const std::regex whole(R"(patch: Invalid value: "\{.*\}": )");
  static const std::regex whole_cause(R"(^Invalid value: "\{.*\}": )");
  static const std::regex suffix("(generated-[A-Za-z-]*)[0-9a-z]{5}");
  text = std::regex_replace(text, uid, "<uid>");
  text = std::regex_replace(text, version, "resource version: <version>");
  text = std::regex_replace(text, precondition, "the precondition does not match the ResourceVersion in record");
  text = std::regex_replace(text, etcd, "");
  text = std::regex_replace(text, own_status, "$1");
  text = std::regex_replace(text, token, "$1<why>");
  text = std::regex_replace(text, whole, "patch: Invalid value: ");
  text = std::regex_replace(text, whole_cause, "Invalid value: ");
  return std::regex_replace(text, suffix, "$1<suffix>");
}

json::value Player::cleaned_value(const json::value& v) const {
  if (v.is_string()) return json::value(cleaned_text(std::string(v.get_string())));
  if (v.is_array()) {
    json::array out;
    for (const json::value& element : v.get_array()) out.push_back(cleaned_value(element));
    return out;
  }
  if (!v.is_object()) return v;
  json::object out;
  for (const auto& member : v.get_object()) out.emplace(cleaned_text(member.key()), cleaned_value(member.value()));
  return out;
}

json::object Player::cleaned(api::Object object) const {
  if (json::value* metadata = object.if_contains("metadata"); metadata != nullptr && metadata->is_object()) {
    json::object& fields = metadata->get_object();
    fields.erase("managedFields");
    for (const std::string_view key : {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"}) {
      if (json::value* v = fields.if_contains(key)) *v = "<" + std::string(key) + ">";
    }
    if (json::value* owners = fields.if_contains("ownerReferences"); owners != nullptr && owners->is_array()) {
      for (json::value& owner : owners->get_array()) {
        if (owner.is_object() && owner.get_object().contains("uid")) owner.get_object()["uid"] = "<uid>";
      }
    }
  }
  return cleaned_value(object).get_object();
}

json::object Player::failure(const store::Status& status) const {
  // In process nothing has filled in what a missing reason means.
  store::Status filled = store::Status::from_json(status.to_json(), status.code);
  // Kubernetes validates metadata twice on some ways and tells the same cause twice.
  std::vector<store::Status::Cause> causes;
  for (const auto& cause : filled.causes) {
    const bool said = std::any_of(causes.begin(), causes.end(), [&cause](const auto& other) {
      return other.field == cause.field && other.message == cause.message;
    });
    if (!said) causes.push_back(cause);
  }
  filled.causes = std::move(causes);
  sort_causes(filled);
  json::object body = filled.to_json();
  for (const std::string_view key : {"kind", "apiVersion", "metadata", "status"}) body.erase(key);
  return {{"failure", cleaned_value(body)}};
}

json::object Player::answer(const store::Outcome<api::Object>& outcome, const std::vector<std::string>& warnings) {
  json::object out;
  if (outcome) {
    remember(*outcome);
    out["object"] = cleaned(*outcome);
  } else {
    out = failure(outcome.status());
  }
  json::array texts;
  for (const std::string& warning : warnings) {
    // Ours looks into pod templates too.
    if (warning.find("(kept as written; ") == std::string::npos) texts.emplace_back(cleaned_text(warning));
  }
  if (outcome && !texts.empty()) out["warnings"] = std::move(texts);
  return out;
}

std::string difference(const json::value& wanted, const json::value& got, const std::string& where) {
  if (wanted == got) return {};
  if (wanted.is_object() && got.is_object()) {
    std::string out;
    for (const auto& member : wanted.get_object()) {
      const std::string path = where + "." + std::string(member.key());
      const json::value* other = got.get_object().if_contains(member.key());
      out += other != nullptr ? difference(member.value(), *other, path)
                              : path + ": wanted " + json::write(member.value()) + ", found nothing\n";
    }
    for (const auto& member : got.get_object()) {
      if (wanted.get_object().contains(member.key())) continue;
      out += where + "." + std::string(member.key()) + ": wanted nothing, found " + json::write(member.value()) + "\n";
    }
    return out;
  }
  if (wanted.is_array() && got.is_array() && wanted.get_array().size() == got.get_array().size()) {
    std::string out;
    for (std::size_t i = 0; i < wanted.get_array().size(); ++i) {
      out += difference(wanted.get_array()[i], got.get_array()[i], where + "[" + std::to_string(i) + "]");
    }
    return out;
  }
  return where + ":\n  wanted " + json::write(wanted) + "\n  found  " + json::write(got) + "\n";
}

json::object Player::run(const json::object& sketch) {
  json::object out = ask(sketch);
  if (json::value* object = out.if_contains("object"); object != nullptr && options_of(sketch).contains("dryRun")) {
    api::make_object(object->get_object(), {"metadata"}).erase("resourceVersion");
  }
  json::value* failed = out.if_contains("failure");
  if (failed != nullptr && sketch.contains("loosely")) {
    const json::object& whole = failed->get_object();
    *failed = json::object{{"code", whole.at("code")}, {"reason", whole.at("reason")}};
  }
  return out;
}

json::object Player::ask(const json::object& sketch) {
  const json::object operation = substitute(sketch).get_object();
  const json::object& options = options_of(operation);
  std::vector<std::string> warnings;
  const store::WriteOptions write = write_options(options, warnings);
  const bool status = operation.contains("status");
  for (const std::string_view verb : {"create", "update"}) {
    const json::value* whole = operation.if_contains(verb);
    if (whole == nullptr) continue;
    api::Object object = whole->as_object();
    const api::Kind& kind = kind_named(api::kind_of(object));
    json::object& metadata = api::make_object(object, {"metadata"});
    if (kind.namespaced && !metadata.contains("namespace")) metadata["namespace"] = ns_;
    if (verb == "create") return answer(home_.api().create(kind, object, write), warnings);
    return answer(status ? home_.api().update_status(kind, object, write) : home_.api().update(kind, object, write),
                  warnings);
  }
  if (operation.contains("patch")) {
    const auto [kind, name] = target(text_in(operation, "patch"));
    const std::string ns = kind.namespaced ? ns_ : "";
    const json::value& body = operation.at("body");
    if (home_.client() != nullptr) {
      return answer(home_.client()->patch(kind, ns, name, status ? "status" : "", patch_type(operation), body, write),
                    warnings);
    }
    const store::MergePatch patch(body.as_object());
    return answer(status ? home_.api().merge_patch_status(kind, ns, name, patch, write)
                         : home_.api().merge_patch(kind, ns, name, patch, write),
                  warnings);
  }
  if (operation.contains("get")) {
    const auto [kind, name] = target(text_in(operation, "get"));
    return answer(home_.api().get(kind, kind.namespaced ? ns_ : "", name), warnings);
  }
  if (operation.contains("delete")) {
    const auto [kind, name] = target(text_in(operation, "delete"));
    store::DeleteOptions how;
    how.uid = text_in(options, "uid");
    how.resource_version = text_in(options, "resourceVersion");
    how.dry_run = options.contains("dryRun");
    if (const json::value* grace = options.if_contains("gracePeriodSeconds"))
      how.grace_period_seconds = grace->as_int64();
    const auto outcome = home_.api().remove(kind, kind.namespaced ? ns_ : "", name, how);
    if (!outcome) return failure(outcome.status());
    if (api::is_deleting(*outcome)) remember(*outcome);
    return {{"deleted", json::object{{"name", api::name_of(*outcome)}, {"under way", api::is_deleting(*outcome)}}}};
  }
  if (operation.contains("list")) {
    const api::Kind& kind = kind_named(text_in(operation, "list"));
    store::ListOptions what;
    what.ns = kind.namespaced ? ns_ : "";
    what.label_selector = text_in(options, "labelSelector");
    what.field_selector = text_in(options, "fieldSelector");
    what.continue_token = text_in(options, "continue");
    if (const json::value* limit = options.if_contains("limit"))
      what.limit = static_cast<std::size_t>(limit->as_int64());
    const auto outcome = home_.api().list(kind, what);
    if (!outcome) return failure(outcome.status());
    continue_ = outcome->continue_token;
    json::array items;
    for (const api::Object& item : outcome->items) items.emplace_back(cleaned(item));
    json::object list{{"items", std::move(items)}};
    // With a selector Kubernetes may send an empty last page; ours knows that nothing is left.
    const bool selects = !what.label_selector.empty() || !what.field_selector.empty();
    if (!selects) list["continues"] = !outcome->continue_token.empty();
    if (outcome->remaining) list["remaining"] = *outcome->remaining;
    return {{"list", std::move(list)}};
  }
  throw Error(ErrorCode::kInvalidArgument, "no verb in a script's step", json::write(operation));
}

}  // namespace sedna::conformance
