// The images of a home: archives of `docker save` and OCI archives, unpacked once for all nodes. `sedna image` writes
// it through sedna-node, agents look into it when they start a container.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/node/images.hpp"
#include "sedna/node/paths.hpp"
#include "sedna/node/rootfs.hpp"

namespace sedna::node {

struct StoredImage {
  StoredImage() {}
  std::string id;                  ///< SHA-256 of its configuration, 64 hex digits
  std::vector<std::string> names;  ///< canonical; may be empty
  std::string manifest;            ///< SHA-256 of its manifest, what "name@sha256:…" means; "" from `docker save`
  std::uint64_t size = 0;          ///< bytes, unpacked
  std::string loaded_at;           ///< RFC 3339
  ImageEntry entry;                ///< what a container runs; its rootfs is where it lies here
};

/// Each call looks at the disk anew: several processes share a store. Changes are made under a lock and by rename.
class ImageStore {
 public:
  explicit ImageStore(const Path& state, RootfsLimits limits = {})
      : folder_(state / "images"), state_(state), limits_(limits) {}

  /// Unpacks the archive's images. `name`: what to call it besides (or, when it has none, at all). Throws Error, with
  /// nothing changed: no image archive, damaged, a digest that does not fit, for another machine, unsafe, too big.
  std::vector<StoredImage> load(const Path& archive, const std::string& name) const;
  /// By name.
  std::vector<StoredImage> list() const;
  /// Takes a name away (or, by id, all of them), and the files with the last one. Throws Error: not there, or used by a
  /// Pod, unless `force`.
  void remove(const std::string& name_or_id, bool force) const;
  /// What a Pod's "image" means; nothing when it was not loaded.
  std::optional<StoredImage> find(std::string_view image) const;

 private:
  std::optional<StoredImage> read(const std::string& id) const;
  json::object names() const;
  void write_names(const json::object& names) const;
  /// Pods of this home (namespace/name) whose containers use it.
  std::vector<std::string> users(const StoredImage& image) const;

  Path folder_, state_;
  RootfsLimits limits_;
};

/// As Go and OCI call this machine ("amd64", "arm64").
std::string machine_architecture();

/// uid and gid that an image's "User" means ("", "1000", "1000:1000", "app", "app:staff"), looked up in its /etc/passwd
/// and /etc/group.
struct ImageUser {
  ImageUser() {}
  std::optional<unsigned> uid, gid;
};
Result<ImageUser> image_user(const Path& rootfs, std::string_view user);

}  // namespace sedna::node
