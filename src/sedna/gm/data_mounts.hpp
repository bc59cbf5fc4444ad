// Where a worker finds its files: upstream's rewriting of URLs to container paths, the volumes and the storage
// initializer that bring them there. Called by build_template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/gm/worker_builder.hpp"

namespace sedna::gm {

inline constexpr std::string_view kDataPrefix = "/home/data";
inline constexpr std::string_view kDownloads = "/downloads";

/// What becomes of one mount.
struct PlacedMount {
  enum class How { kHostPath, kDownload, kUrl };
  How how = How::kUrl;
  std::string env_value;  ///< path in the container, or the URL
  // kHostPath
  std::string host_folder;  ///< "/models/big/"
  // kDownload
  std::string target_folder;  ///< "/downloads/bucket/model/"
};

/// Throws Error(kInvalidArgument) for a scheme that nobody fetches; its subject is the URL.
PlacedMount place_mount(const Mount& mount);

/// A volume name made of a host path: lower case, runs of other characters become one '-', at most 63 characters.
std::string volume_name(std::string_view host_path);

/// Adds volumes, volumeMounts and the init container to a Pod's spec, and returns the environment that goes before the
/// worker's own (DATA_PATH_PREFIX, S3 access) and one variable per mount.
struct MountEnv {
  json::array before;
  std::vector<EnvVar> paths;
};
MountEnv add_mounts(json::object& pod_spec, const std::vector<Mount>& mounts, const WorkerOptions& options);

}  // namespace sedna::gm
