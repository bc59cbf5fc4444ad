#include "sedna/apiserver/request_info.hpp"

#include <charconv>
#include <vector>

#include "sedna/net/http.hpp"

namespace sedna::apiserver {
namespace {

constexpr std::size_t kMaxSegments = 10;
constexpr std::size_t kMaxQueryFields = 64;

/// The path's segments, decoded; nothing for an empty or a broken one.
std::optional<std::vector<std::string>> segments_of(std::string_view path) {
  std::vector<std::string> out;
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    auto segment = net::percent_decode(path.substr(0, end));
    if (!segment || segment->empty() || out.size() == kMaxSegments) return std::nullopt;
    if (segment->find('/') != std::string::npos || *segment == "." || *segment == "..") return std::nullopt;
    out.push_back(*std::move(segment));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return out;
}

std::optional<Verb> verb_of(std::string_view method, bool one, bool watches) {
  if (method == "GET" || method == "HEAD") return one ? Verb::kGet : watches ? Verb::kWatch : Verb::kList;
  if (method == "POST") return Verb::kCreate;
  if (method == "PUT") return Verb::kUpdate;
  if (method == "PATCH") return Verb::kPatch;
  if (method == "DELETE") return one ? Verb::kDelete : Verb::kDeleteCollection;
  return std::nullopt;
}

}  // namespace

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kList:
      return "list";
    case Verb::kWatch:
      return "watch";
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kPatch:
      return "patch";
    case Verb::kDelete:
      return "delete";
    case Verb::kDeleteCollection:
      return "deletecollection";
  }
  return "get";
}

Result<Query> Query::parse(std::string_view raw) {
  Query query;
  std::size_t count = 0;
  while (!raw.empty()) {
    const std::string_view field = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(field.size() + 1, raw.size()));
    if (field.empty()) continue;
    if (++count > kMaxQueryFields) return Error(ErrorCode::kInvalidArgument, "the query has too many fields");
    const std::size_t equals = field.find('=');
    auto name = net::percent_decode(field.substr(0, equals), true);
    if (!name) return name.error();
    auto value = net::percent_decode(equals == std::string_view::npos ? "" : field.substr(equals + 1), true);
    if (!value) return value.error();
    query.values_.emplace(*std::move(name), *std::move(value));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? std::string_view{} : std::string_view(it->second);
}

bool Query::flag(std::string_view name) const {
  const auto it = values_.find(name);
  return it != values_.end() && (it->second.empty() || it->second == "true" || it->second == "1");
}

Result<std::optional<std::int64_t>> Query::number(std::string_view name) const {
  const std::string_view text = get(name);
  if (text.empty()) return std::optional<std::int64_t>();
  std::int64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size() || value < 0) {
    return Error(ErrorCode::kInvalidArgument, "expected a number not below zero, found \"" + std::string(text) + "\"",
                 std::string(name));
  }
  return std::optional<std::int64_t>(value);
}

std::optional<RequestInfo> parse_request(std::string_view method, std::string_view path, const Query& query) {
  const auto segments = segments_of(path);
  if (!segments || segments->size() < 2) return std::nullopt;
  const std::vector<std::string>& s = *segments;
  std::size_t at = 0;
  std::string group;
  std::string version;
  if (s[0] == "api") {
    version = s[1];
    at = 2;
  } else if (s[0] == "apis" && s.size() >= 3) {
    group = s[1];
    version = s[2];
    at = 3;
  } else {
    return std::nullopt;
  }
  RequestInfo info;
  info.method = method;
  info.query = query;
  // /namespaces/{ns}/{resource}…; /namespaces/{name} itself is an object, and so is /namespaces/{name}/status.
  const std::size_t left = s.size() - at;
  if (left >= 3 && s[at] == "namespaces" && s[at + 2] != "status" && s[at + 2] != "finalize") {
    info.ns = s[at + 1];
    at += 2;
  }
  if (at >= s.size() || s.size() - at > 3) return std::nullopt;
  info.kind = api::find_resource(group, version, s[at]);
  if (info.kind == nullptr || (!info.ns.empty() && !info.kind->namespaced)) return std::nullopt;
  if (s.size() - at > 1) info.name = s[at + 1];
  if (s.size() - at > 2) info.subresource = s[at + 2];
  if (!info.name.empty() && info.kind->namespaced && info.ns.empty()) return std::nullopt;
  const auto verb = verb_of(method, !info.name.empty(), query.flag("watch"));
  if (!verb) return std::nullopt;
  info.verb = *verb;
  return info;
}

}  // namespace sedna::apiserver
