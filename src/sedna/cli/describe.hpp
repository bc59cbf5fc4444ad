// `sedna describe`: an object for a person. Sedna kinds with their workers, figures, conditions and events, and what to
// do when something is wrong; Pods and Nodes likewise; any other kind by its fields.
#pragma once

#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {

struct DescribeOptions {
  DescribeOptions() {}
  std::vector<std::string> words;
  Scope scope;
  Output output;  ///< json and yaml print the object with its workers and events
};

int describe(Cluster& cluster, Console& console, const DescribeOptions& options);

/// One object's text.
std::string describe_text(Cluster& cluster, const Console& console, const api::Kind& kind, const api::Object& object);

/// A tree as indented "Title Cased: value" lines, as kubectl describes what it has no words for.
std::string describe_tree(const json::value& value, int indent);

}  // namespace sedna::cli
