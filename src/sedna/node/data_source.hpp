// ConfigMaps and Secrets as the agent reads them from the API server. Internal to node.
#pragma once

#include "sedna/node/environment.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::node {

Result<std::optional<Data>> fetch_data(store::ApiServer& server, const std::string& ns, Source source,
                                       const std::string& name);

}  // namespace sedna::node
