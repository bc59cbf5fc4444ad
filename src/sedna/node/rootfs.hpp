// The file system of an image as a folder of this machine: built from its layers, and looked into as a process whose
// root it is would. Symbolic links in it may say anything; nothing here follows one out of the folder.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "sedna/node/paths.hpp"

namespace sedna::storage {
struct ArchiveMember;
class ArchiveReader;
}  // namespace sedna::storage

namespace sedna::node {

/// `inside` ("/etc/hosts") without symbolic links, still seen from the root; what does not exist stays as written.
/// `follow_last`: also when the last name is a link itself. Nothing when links go in circles.
std::optional<Path> resolve_in_rootfs(const Path& rootfs, const Path& inside, bool follow_last);

struct RootfsLimits {
  RootfsLimits() {}
  std::uint64_t total_size = std::uint64_t{32} << 30;  ///< of all layers, unpacked
  std::size_t members = 2'000'000;
};

/// Puts layers one over the other, whiteouts honoured. Throws Error naming the member that is refused: names that lead
/// out, devices and pipes (but below /dev, which each container gets anew), anything beyond the limits. Owners, set-uid
/// bits, attributes and times are not taken over. Only this object may write to the folder meanwhile.
class RootfsBuilder {
 public:
  /// `root`: there and empty.
  RootfsBuilder(Path root, RootfsLimits limits) : root_(std::move(root)), limits_(limits) {}
  /// `tar`: a layer, not packed any more.
  void apply(const Path& tar);
  std::uint64_t size() const { return size_; }

 private:
  void take(storage::ArchiveReader& reader, const storage::ArchiveMember& member);
  /// Where a member goes: the folder it lies in is made when missing, links on the way lead inside.
  Path place(const std::string& name);
  void whiteout(const Path& folder, const std::string& hidden);
  void file(storage::ArchiveReader& reader, const storage::ArchiveMember& member, const Path& path);
  void hard_link(const storage::ArchiveMember& member, const Path& path);
  /// Removes what lower layers put there, and leaves what this one did.
  void remove_lower(const Path& path);
  void make_way(const Path& path, bool for_folder);
  void count(std::uint64_t bytes);

  Path root_, tar_;
  RootfsLimits limits_;
  std::uint64_t size_ = 0;
  std::size_t members_ = 0;
  std::set<Path> made_;  ///< by the present layer
};

}  // namespace sedna::node
