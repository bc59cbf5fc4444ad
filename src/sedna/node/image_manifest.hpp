// The documents inside of an image archive: `docker save`'s manifest.json, OCI's index.json and manifests, and the
// image's configuration. Pure parsers of outside bytes, for the image store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/base/result.hpp"

namespace sedna::node {

/// One image of manifest.json; file names as they stand in the archive, not to be trusted.
struct DockerImage {
  DockerImage() {}
  std::string config;
  std::vector<std::string> layers;
  std::vector<std::string> names;  ///< canonical
};
Result<std::vector<DockerImage>> parse_docker_manifest(std::string_view text);

/// A blob by its content: 64 hex digits (SHA-256; others are refused) and size.
struct OciBlob {
  OciBlob() {}
  std::string digest, media_type;
  std::uint64_t size = 0;
  bool is_index() const;
};

/// An entry of an index.
struct OciEntry {
  OciEntry() {}
  OciBlob blob;
  std::string architecture, os;    ///< "" when the index does not say
  std::vector<std::string> names;  ///< canonical
  std::string tag;                 ///< when the archive has nothing but a tag
};
Result<std::vector<OciEntry>> parse_oci_index(std::string_view text);

struct OciManifest {
  OciManifest() {}
  OciBlob config;
  std::vector<OciBlob> layers;
};
Result<OciManifest> parse_oci_manifest(std::string_view text);

/// What an image says about running it.
struct ImageConfig {
  ImageConfig() {}
  std::vector<std::string> entrypoint, cmd;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd, user, architecture, os;
  std::vector<std::string> diff_ids;  ///< SHA-256 of each layer's unpacked tar
};
Result<ImageConfig> parse_image_config(std::string_view text);

/// One spelling for one image: "docker.io/library/nginx", "nginx" and "nginx:latest" are the same. "" when it is none.
std::string canonical_image_name(std::string_view name);

/// "sha256:<64 hex digits>" without its head; an error for anything else.
Result<std::string> sha256_of_digest(std::string_view digest);

}  // namespace sedna::node
