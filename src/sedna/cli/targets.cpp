#include "sedna/cli/targets.hpp"

#include <algorithm>
#include <deque>

#include "sedna/api/object.hpp"
#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"

namespace sedna::cli {
namespace {

/// A kind that only the server told us of. Lives as long as the process, as every Kind does.
struct DiscoveredKind {
  std::string group, version, kind, plural, singular;
  std::vector<std::string> short_names_text;
  std::vector<std::string_view> short_names;
  api::Kind value;
};

const api::Kind* remember(std::string_view group, std::string_view version, const json::object& resource) {
  static std::deque<DiscoveredKind> known;  // commands run in one thread
  const std::string_view plural = api::string_at(resource, {"name"});
  for (const auto& k : known) {
    if (k.group == group && k.version == version && k.plural == plural) return &k.value;
  }
  DiscoveredKind& k = known.emplace_back();
  k.group = group;
  k.version = version;
  k.kind = api::string_at(resource, {"kind"});
  k.plural = plural;
  k.singular = api::string_at(resource, {"singularName"}, plural);
  if (k.singular.empty()) {
    k.singular = k.kind;
    std::transform(k.singular.begin(), k.singular.end(), k.singular.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  }
  if (const auto* names = api::array_at(resource, {"shortNames"})) {
    for (const auto& n : *names) {
      if (n.is_string()) k.short_names_text.emplace_back(n.as_string());
    }
  }
  for (const auto& n : k.short_names_text) k.short_names.emplace_back(n);
  const json::value* namespaced = resource.if_contains("namespaced");
  k.value = {k.group,
             k.version,
             k.kind,
             k.plural,
             k.singular,
             k.short_names,
             namespaced != nullptr && namespaced->is_bool() && namespaced->as_bool(),
             true,
             true,
             false,
             {}};
  return &k.value;
}

/// The resources of one group version, as the server lists them.
std::vector<const api::Kind*> discover(Cluster& cluster, std::string_view group, std::string_view version) {
  std::string path = group.empty() ? "/api/" : "/apis/" + std::string(group) + "/";
  path += version;
  std::vector<const api::Kind*> out;
  const auto body = cluster.get(path, "application/json");
  if (!body) return out;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return out;
  const auto* resources = api::array_at(parsed->as_object(), {"resources"});
  if (resources == nullptr) return out;
  for (const auto& r : *resources) {
    if (!r.is_object()) continue;
    if (api::string_at(r.as_object(), {"name"}).find('/') != std::string_view::npos) continue;  // a subresource
    out.push_back(remember(group, version, r.as_object()));
  }
  return out;
}

/// Every group with its preferred version, the core group first.
std::vector<std::pair<std::string, std::string>> groups_of(Cluster& cluster) {
  std::vector<std::pair<std::string, std::string>> out{{"", "v1"}};
  const auto body = cluster.get("/apis", "application/json");
  if (!body) return out;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return out;
  const auto* groups = api::array_at(parsed->as_object(), {"groups"});
  if (groups == nullptr) return out;
  for (const auto& g : *groups) {
    if (!g.is_object()) continue;
    out.emplace_back(api::string_at(g.as_object(), {"name"}),
                     api::string_at(g.as_object(), {"preferredVersion", "version"}));
  }
  return out;
}

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

const api::Kind* find_word(Cluster& cluster, std::string_view word) {
  if (const api::Kind* kind = api::find_kind_by_word(word)) return kind;
  const std::size_t dot = word.find('.');
  const std::string_view head = word.substr(0, dot);
  const std::string_view group = dot == std::string_view::npos ? std::string_view{} : word.substr(dot + 1);
  for (const auto& [name, version] : groups_of(cluster)) {
    if (dot != std::string_view::npos && name != group) continue;
    for (const api::Kind* kind : discover(cluster, name, version)) {
      const bool is_short = std::any_of(kind->short_names.begin(), kind->short_names.end(),
                                        [&](std::string_view s) { return same_word(s, head); });
      if (is_short || same_word(head, kind->plural) || same_word(head, kind->singular)) return kind;
    }
  }
  return nullptr;
}

std::string known_words() {
  std::string out;
  for (const api::Kind* kind : api::all_kinds()) {
    if (!out.empty()) out += ", ";
    out += kind->plural;
    if (!kind->short_names.empty()) out += " (" + std::string(kind->short_names.front()) + ")";
  }
  return out;
}

std::vector<const api::Kind*> kinds_of(Cluster& cluster, std::string_view words) {
  std::vector<const api::Kind*> out;
  std::size_t from = 0;
  while (from <= words.size()) {
    std::size_t comma = words.find(',', from);
    if (comma == std::string_view::npos) comma = words.size();
    const std::string_view word = words.substr(from, comma - from);
    from = comma + 1;
    if (word == "all" || word == "sedna") {
      for (const api::Kind* kind : api::all_kinds()) {
        if (kind->category == "sedna" || (word == "all" && kind->category == "all")) out.push_back(kind);
      }
      continue;
    }
    const api::Kind* kind = find_word(cluster, word);
    if (kind == nullptr) {
      throw Error(ErrorCode::kInvalidArgument,
                  "there is no kind of that name; known are " + known_words() + ", and the groups all and sedna",
                  "'" + std::string(word) + "'");
    }
    out.push_back(kind);
  }
  return out;
}

}  // namespace

std::vector<Target> parse_targets(Cluster& cluster, const std::vector<std::string>& words) {
  std::vector<Target> out;
  if (words.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "say what: a kind, kind/name, or a kind and names (sedna get ji)");
  }
  const bool slashed = words.front().find('/') != std::string::npos;
  if (slashed) {
    for (const auto& word : words) {
      const std::size_t slash = word.find('/');
      if (slash == std::string::npos || slash == 0 || slash + 1 == word.size()) {
        throw Error(ErrorCode::kInvalidArgument, "expected kind/name, as the first one is", "'" + word + "'");
      }
      for (const api::Kind* kind : kinds_of(cluster, std::string_view(word).substr(0, slash))) {
        out.push_back({kind, word.substr(slash + 1)});
      }
    }
    return out;
  }
  for (const api::Kind* kind : kinds_of(cluster, words.front())) {
    if (words.size() == 1) out.push_back({kind, {}});
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i].find('/') != std::string::npos) {
        throw Error(ErrorCode::kInvalidArgument, "a kind was named before: give names only, or kind/name everywhere",
                    "'" + words[i] + "'");
      }
      out.push_back({kind, words[i]});
    }
  }
  return out;
}

const api::Kind* resolve_kind(Cluster& cluster, std::string_view api_version, std::string_view kind) {
  if (const api::Kind* known = api::find_kind(api_version, kind)) return known;
  const std::size_t slash = api_version.find('/');
  const std::string_view group = slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
  const std::string_view version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  if (version.empty() || kind.empty()) return nullptr;
  for (const api::Kind* k : discover(cluster, group, version)) {
    if (k->kind == kind) return k;
  }
  return nullptr;
}

std::string qualified_name(const api::Kind& kind, std::string_view name) {
  std::string out(kind.singular);
  if (!kind.group.empty()) out.append(".").append(kind.group);
  return out.append("/").append(name);
}

}  // namespace sedna::cli
