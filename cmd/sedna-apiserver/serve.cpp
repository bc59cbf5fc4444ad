#include <csignal>
#include <cstdio>

#include "sedna/base/log.hpp"
#include "sedna/base/process_metrics.hpp"
#include "sedna/cluster/loops.hpp"

#include "commands.hpp"

namespace sedna::apiserver_program {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

int serve(ServeOptions options) {
  // Taken by this thread alone: blocked before any other exists.
  const sigset_t stop = stop_signals();
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
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
  int signal = 0;
  while (sigwait(&stop, &signal) != 0) {
  }
  log::info("stopping", {{"signal", signal}});
  if (loops) loops->stop();
  daemon.stop();
  return 0;
}

}  // namespace sedna::apiserver_program
