// What the server serves, in the documents that clients ask for first: /api, /apis, resource lists (plain and
// aggregated), /version. Internal to module apiserver.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/serve/server.hpp"

namespace sedna::apiserver {

struct GroupVersion {
  std::string group, version;
  /// "api/v1", "apis/apps/v1".
  std::string path() const;
  friend bool operator==(const GroupVersion&, const GroupVersion&) = default;
};
/// All that are served, the core group first.
const std::vector<GroupVersion>& group_versions();

/// The answer when `path` is one of discovery's.
std::optional<serve::Response> discovery_response(std::string_view path, std::string_view accept);

}  // namespace sedna::apiserver
