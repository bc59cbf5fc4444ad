// `sedna apply -f`: every document of the files, one line each, and if wanted the wait until services run.
#pragma once

#include <chrono>
#include <vector>

#include "sedna/cli/apply.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"

namespace sedna::cli {

struct ApplyFilesOptions {
  ApplyFilesOptions() {}
  std::vector<Manifest> manifests;
  ApplyOptions apply;
  Output output;
  bool wait = false;
  std::chrono::seconds timeout{120};
};

/// 0 when all were applied (and run). A document that fails does not keep the others from being applied.
int apply_files(Cluster& cluster, Console& console, ApplyFilesOptions options);

}  // namespace sedna::cli
