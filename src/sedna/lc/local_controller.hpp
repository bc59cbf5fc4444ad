// The LocalController of one node: datasets and models, worker reports, the link to GM. What cmd/sedna-lc runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sedna/base/metrics.hpp"
#include "sedna/lc/data_monitor.hpp"
#include "sedna/lc/paths.hpp"
#include "sedna/link/client.hpp"

namespace sedna::lc {

struct LocalControllerOptions {
  LocalControllerOptions() {}
  std::string node;
  Paths paths;
  std::string bind = "0.0.0.0";  ///< Pods reach it at the node's address
  std::uint16_t port = 9100;     ///< 0: any
  bool unix_socket = true;
  link::LinkClientOptions link;  ///< gm_address, token_file, tls; the node is set here
  DataMonitorOptions data;
};

class LocalController {
 public:
  /// Opens (or makes) its files. Throws Error: a disk that is full, read-only or damaged, an address that is none.
  LocalController(LocalControllerOptions options, metrics::Registry& registry);
  ~LocalController();
  LocalController(const LocalController&) = delete;
  LocalController& operator=(const LocalController&) = delete;

  /// Listens, then connects to GM in the background. Throws Error when it cannot listen.
  void start();
  void stop();
  std::uint16_t port() const;
  bool connected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::lc
