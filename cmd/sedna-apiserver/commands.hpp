// The commands of sedna-apiserver. Exit codes: 0 done or stopped by a signal, 1 a file, port or the database is wrong,
// 2 a flag is wrong.
#pragma once

#include <string>
#include <vector>

#include "sedna/apiserver/apiserver.hpp"

namespace sedna::apiserver_program {

struct ServeOptions {
  ServeOptions() {}
  apiserver::DaemonOptions daemon;
  std::string service_cidr = "10.96.0.0/16";
  bool loops = true;
};

/// Serves until SIGTERM or SIGINT.
int serve(ServeOptions options);
/// Makes the kubeconfig of somebody new; prints its path.
int make_kubeconfig(const std::string& state, const std::string& name, const std::string& server);
/// Puts a backup in the database's place, after it has been looked at; what was there is kept beside it.
int restore(const std::string& state, const std::string& backup);

}  // namespace sedna::apiserver_program
