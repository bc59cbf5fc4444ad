// What a request to a Kubernetes API is about, read from its method, path and query: which kind, which object, which
// verb. Everything below the HTTP face works on this.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/api/kind.hpp"
#include "sedna/base/result.hpp"

namespace sedna::apiserver {

using api::Kind;

enum class Verb : std::uint8_t { kGet, kList, kWatch, kCreate, kUpdate, kPatch, kDelete, kDeleteCollection };
/// "get", "list", … as in authorisation messages and metrics.
std::string_view verb_name(Verb verb);

/// The query of a URL, decoded; the first value of each name counts.
class Query {
 public:
  Query() = default;
  /// Bytes from outside.
  static Result<Query> parse(std::string_view raw);
  /// "" when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return values_.contains(name); }
  /// "true", "1", "" (present without a value) mean true.
  bool flag(std::string_view name) const;
  /// A number not below zero; nothing when absent, an error otherwise.
  Result<std::optional<std::int64_t>> number(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

struct RequestInfo {
  const Kind* kind = nullptr;
  Verb verb = Verb::kGet;
  std::string ns;           ///< "" for all namespaces and for what has none
  std::string name;         ///< "" for collections
  std::string subresource;  ///< "status", "scale", "log", …
  std::string method;
  Query query;
};

/// `path` without the query, still escaped. Nothing: not the path of a resource that is served.
std::optional<RequestInfo> parse_request(std::string_view method, std::string_view path, const Query& query);

}  // namespace sedna::apiserver
