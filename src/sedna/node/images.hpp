// What an image means on this machine: images are not pulled, so a container needs a command, or its image an entry in
// the image-to-command file (`sedna up --images FILE`).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::node {

struct ImageEntry {
  ImageEntry() {}
  std::vector<std::string> command;  ///< the image's entrypoint
  std::vector<std::string> args;     ///< used when the container has neither command nor args
  std::string cwd;
  std::string venv;    ///< a Python virtual environment: its bin goes first in PATH, VIRTUAL_ENV is set
  std::string rootfs;  ///< an unpacked image: the container's root instead of the host's
  std::map<std::string, std::string> env;
  std::optional<unsigned> uid, gid;  ///< of a loaded image's user
};

/// Immutable. Names match with and without tag: "repo/name:tag" before "repo/name".
class ImageMap {
 public:
  ImageMap() = default;
  /// {image: {command: [...], args, cwd, env, venv}} or {image: ["command", "arg"]}, JSON or YAML. Relative paths are
  /// seen from `folder`. Errors name the image and the field.
  static Result<ImageMap> parse(std::string_view text, const std::string& folder);
  /// Throws Error. An empty path: an empty map.
  static ImageMap load(const std::string& path);
  const ImageEntry* find(std::string_view image) const;
  void add(std::string image, ImageEntry entry) { entries_[std::move(image)] = std::move(entry); }
  std::size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, ImageEntry, std::less<>> entries_;
};

/// What a container runs: its own command and args over the image's, as Kubernetes combines them.
struct Invocation {
  Invocation() {}
  std::vector<std::string> argv;
  std::string cwd;
  std::map<std::string, std::string> env;  ///< of the image; the container's own wins
  std::string venv, rootfs;
  std::vector<std::string> host_paths;  ///< of the image-to-command file: what the container must be able to see
  std::optional<unsigned> uid, gid;
};
/// kNotFound: ImageNeedsCommand, with a message that shows what to do.
Result<Invocation> resolve_invocation(const json::object& container, const ImageMap& images);

/// kubeedge/sedna-storage-initializer, with any registry and tag.
bool is_storage_initializer(std::string_view image);

}  // namespace sedna::node
