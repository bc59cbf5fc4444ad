// What `sedna up` was told and chose, kept in <state>/home.json for the next one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/cli/home/paths.hpp"
#include "sedna/json/json.hpp"

namespace sedna::cli::home {

struct NodeSpec {
  std::string name;
  std::string role;  ///< "cloud" or "edge"
  bool operator==(const NodeSpec&) const = default;
};

/// "cloud0:cloud,edge0:edge". Throws Error(kInvalidArgument) with subject --nodes: a name that is no DNS label, a role
/// that is neither, a name twice, no node.
std::vector<NodeSpec> parse_nodes(std::string_view text);
std::string to_text(const std::vector<NodeSpec>& nodes);

inline constexpr int kSchemaVersion = 1;

struct HomeFile {
  int schema_version = kSchemaVersion;
  std::uint16_t port = 0;       ///< of the API server, on the host's loopback
  bool port_given = false;      ///< by --port: no other is taken when it is in use
  std::uint16_t link_port = 0;  ///< of the GlobalManager's link
  std::vector<NodeSpec> nodes;
  std::string images;         ///< absolute path of the image file, or ""
  std::string service_range;  ///< plain mode: where its Services have addresses on the host's loopback

  /// Nothing when there is no home yet. Throws Error: a newer schema (says which program made it), damaged.
  static std::optional<HomeFile> read(const Paths& paths);
  void write(const Paths& paths) const;
};

/// Makes the folder with mode 0700, or checks an existing one: ours, not open to others, a home or empty. Throws Error.
void prepare_state_folder(const Paths& paths);

/// Addresses for the Services of a home in plain mode, apart from other homes' as far as 11 bits of a hash go.
std::string loopback_range(const Paths& paths);

/// `wanted` when it is free on loopback, or another that is when `fixed` is false. Throws Error when it is taken.
std::uint16_t choose_port(std::uint16_t wanted, bool fixed, std::string_view flag);

}  // namespace sedna::cli::home
