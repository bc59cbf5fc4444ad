#include <cstdio>

#include "sedna/base/log.hpp"
#include "sedna/base/process_metrics.hpp"
#include "sedna/cluster/loops.hpp"

#include "../common/signals.hpp"
#include "commands.hpp"

namespace sedna::apiserver_program {

int serve(ServeOptions options) {
  programs::block_stop_signals();
  metrics::Registry registry;
  apiserver::Daemon daemon(options.daemon, registry);
  daemon.start();
  std::unique_ptr<cluster::Loops> loops;
  if (options.loops) {
    cluster::LoopsOptions loop_options;
    loop_options.service_cidr = options.service_cidr;
    loop_options.registry = &registry;
    loops = std::make_unique<cluster::Loops>(daemon.server(), loop_options);
    loops->start();
  }
  std::printf("READY %s\n", daemon.url().c_str());
  std::fflush(stdout);
  log::info("stopping", {{"signal", programs::wait_for_stop_signal()}});
  if (loops) loops->stop();
  daemon.stop();
  return 0;
}

}  // namespace sedna::apiserver_program
