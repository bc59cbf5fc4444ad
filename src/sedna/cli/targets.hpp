// What a person names on the command line: "ji", "pods,svc", "deploy/x", "dataset a b".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/kind.hpp"
#include "sedna/cli/cluster.hpp"

namespace sedna::cli {

/// A kind, and one object of it or (name empty) all.
struct Target {
  const api::Kind* kind = nullptr;
  std::string name;
};

/// Also categories: "all", "sedna". Kinds that our table lacks (a Kubernetes server has more) are looked up on the
/// server. Throws Error(kInvalidArgument) with what is known when a word names nothing.
std::vector<Target> parse_targets(Cluster& cluster, const std::vector<std::string>& words);

/// One kind by its apiVersion and kind, from our table or the server's discovery; null when there is none.
const api::Kind* resolve_kind(Cluster& cluster, std::string_view api_version, std::string_view kind);

/// "dataset.sedna.io/x", as kubectl prints an object it changed; core kinds without the group.
std::string qualified_name(const api::Kind& kind, std::string_view name);

/// Which objects: one namespace, all of them, those a selector chooses.
struct Scope {
  std::string ns;  ///< "" with all
  bool all_namespaces = false;
  std::string label_selector;
  std::string field_selector;

  /// The namespace to use in a path of `kind`.
  std::string namespace_for(const api::Kind& kind) const {
    return kind.namespaced && !all_namespaces ? ns : std::string();
  }
};

}  // namespace sedna::cli
