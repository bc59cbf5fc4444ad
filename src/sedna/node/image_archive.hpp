// An image archive that lies unpacked in a folder: which images it has, each with its configuration and its layers,
// checked against their digests. Internal to the image store.
#pragma once

#include <string>
#include <vector>

#include "sedna/node/image_manifest.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct ArchivedImage {
  ArchivedImage() {}
  std::string id;        ///< SHA-256 of the configuration
  std::string manifest;  ///< SHA-256 of the manifest; "" from `docker save`
  std::vector<std::string> names;
  std::string tag;  ///< when there is no name, but a tag
  ImageConfig config;
  std::vector<Path> layers;  ///< files, packed or not, the lowest first; as many as config.diff_ids
};

/// The images for `architecture`. Throws Error naming the file of the archive that is wrong.
std::vector<ArchivedImage> read_image_archive(const Path& folder, const std::string& architecture);

}  // namespace sedna::node
