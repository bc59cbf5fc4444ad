// `sedna explain`: the fields of a kind from the server's OpenAPI document, as kubectl does.
#pragma once

#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"

namespace sedna::cli {

struct ExplainOptions {
  ExplainOptions() {}
  std::string what;  ///< "ji.spec.edgeWorker"; "": the kinds there are
  bool recursive = false;
  Output output;
};

/// The kinds of our own table, without asking a server.
int list_kinds(Console& console, const Output& output);
int explain(Cluster& cluster, Console& console, const ExplainOptions& options);

}  // namespace sedna::cli
