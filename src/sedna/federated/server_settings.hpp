// A job's settings as text, by name: how flags, SEDNA_FL_* variables, resources and Python's keywords reach the
// aggregation server. One list, so that they all know the same.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sedna/federated/server.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::federated {

struct SettingHelp {
  std::string name;  ///< "soft-deadline"; the variable is SEDNA_FL_SOFT_DEADLINE
  std::string help;
};

/// All settings, in the order in which help shows them.
const std::vector<SettingHelp>& server_settings();
/// Sets what `settings` names. An aggregation that is called as an algorithm or robust rule is that one unless
/// "algorithm" says otherwise. Throws Error(kInvalidArgument) naming the setting.
void apply_settings(AggregationServerOptions& options, const std::map<std::string, std::string>& settings);
/// What SEDNA_FL_* say.
std::map<std::string, std::string> settings_from_environment(const worker::Context& context);

}  // namespace sedna::federated
