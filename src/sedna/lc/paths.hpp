// Where a local controller finds the node's files and keeps its own; no other code of it spells a path.
//
//   <own>            objects that the node should know, counts, figures of workers (journal used as a map, 0600)
//   <own>.facts      what GM has not acknowledged yet (journal, 0600)
//   <own>.sock       the worker API as a unix socket (0666: as open as the port)
//   <own>.d/         files that are being counted and lie elsewhere
#pragma once

#include <string>

namespace sedna::lc {

struct Paths {
  std::string own;     ///< of the state file
  std::string rootfs;  ///< where the node's "/" is mounted (upstream: /rootfs); "" when it is our own
  std::string sedna;   ///< what /var/lib/sedna of the node is here; "" : <rootfs>/var/lib/sedna

  /// A path on the node, as it is reached from here.
  std::string host(const std::string& path) const {
    constexpr const char* kSedna = "/var/lib/sedna/";
    if (!sedna.empty() && path.starts_with(kSedna)) return sedna + path.substr(std::string(kSedna).size() - 1);
    return rootfs + path;
  }
  std::string facts() const { return own + ".facts"; }
  std::string socket() const { return own + ".sock"; }
  std::string scratch() const { return own + ".d"; }
};

}  // namespace sedna::lc
