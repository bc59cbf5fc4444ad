// Volumes made of data (ConfigMap, Secret, the Pod's own fields), as folders whose files change all at once. Internal
// to node.
#pragma once

#include <map>
#include <string>

#include "sedna/node/environment.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct DataFile {
  std::string content;
  unsigned mode = 0644;
};
/// Relative path → file.
using DataFiles = std::map<std::string, DataFile>;

/// The files of a configMap, secret, downwardAPI or projected source.
Result<DataFiles> volume_files(const api::Object& pod, std::string_view kind, const json::object& source,
                               const PodFacts& facts, const DataLookup& lookup);

/// Writes them under `folder` the way kubelet does (..data points to the folder in force), so that a reader sees all of
/// the old or all of the new. Nothing is written when nothing changed. Throws Error.
void publish_files(const Path& folder, const DataFiles& files);

}  // namespace sedna::node
