// The daemon's inside: engine, face, listeners, loops, from one state folder. cmd/sedna-apiserver parses flags and runs
// it; end-to-end tests may run it in process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::apiserver {

struct DaemonOptions {
  DaemonOptions() {}
  std::string state;               ///< folder; made when absent
  std::uint16_t port = 0;          ///< 0: the one used last time, or any
  std::vector<std::string> binds;  ///< addresses beside 127.0.0.1 (the Pod network's bridge)
  int listen_fd = -1;              ///< a listening socket that was handed over, instead of 127.0.0.1
  std::vector<std::string> nodes;  ///< kubeconfigs for their agents and local controllers are made
  bool access_log = false;
};

/// Life: construct (opens the database, throws Error when it can't) → start() → stop().
class Daemon {
 public:
  Daemon(DaemonOptions options, metrics::Registry& registry);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Serves from here on.
  void start();
  /// For loops that run in this process; lives as long as the daemon.
  store::ApiServer& server();
  /// https://127.0.0.1:port, and for daemons inside the Pod network.
  std::string url() const;
  std::string inside_url() const;
  /// Lets requests under way finish, ends watches, closes the database. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::apiserver
