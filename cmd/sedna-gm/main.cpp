// sedna-gm: the GlobalManager. Parses flags and the configuration file, and runs gm::Manager until it is told to end.
#include "../common/main.hpp"

#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "sedna/base/log.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/control/leader.hpp"
#include "sedna/gm/config.hpp"
#include "sedna/gm/manager.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/store/kube/kube_client.hpp"

#include "../common/signals.hpp"
#include "identity.hpp"

namespace {

using namespace sedna;

struct Flags {
  std::string kubeconfig, context, config, ns;
  std::string link_host, link_tokens, link_tls_cert, link_tls_key;
  std::optional<std::uint16_t> link_port;
  std::string http_host = "127.0.0.1";
  std::uint16_t http_port = 0;
  int workers = 32;
  bool no_election = false;
  std::string lease_namespace, identity;
  std::string verbosity;
};

void add_flags(CLI::App& program, Flags& flags) {
  program.add_option("--kubeconfig", flags.kubeconfig,
                     "API server and identity (KUBECONFIG, ~/.kube/config, the Pod's account)");
  program.add_option("--context", flags.context, "Context of the kubeconfig");
  program.add_option("--config", flags.config, "Configuration file, upstream's keys and ours; flags stand above it");
  program.add_option("--namespace", flags.ns, "Look after this namespace only");
  program.add_option("--link-host", flags.link_host, "Address of the port for local controllers (0.0.0.0)");
  program.add_option("--link-port", flags.link_port, "The port (9000); 0 takes a free one");
  program.add_option("--link-tokens", flags.link_tokens,
                     "Who may speak for which node: name:token:roles a line, name is NODE or lc-NODE; mode 0600");
  program.add_option("--link-tls-cert", flags.link_tls_cert, "Certificate chain of that port (PEM)");
  program.add_option("--link-tls-key", flags.link_tls_key, "Its private key (PEM)");
  program.add_option("--http-host", flags.http_host, "Address of /healthz, /readyz and /metrics");
  program.add_option("--http-port", flags.http_port, "Its port; 0 takes a free one");
  program.add_option("--workers", flags.workers, "Services that are worked on at once")->check(CLI::Range(1, 256));
  program.add_flag("--no-election", flags.no_election, "Work without a Lease: there is no other GM");
  program.add_option("--lease-namespace", flags.lease_namespace, "Namespace of the Lease sedna-gm");
  program.add_option("--identity", flags.identity, "This process's name in the Lease");
  program.add_option("-v", flags.verbosity, "Upstream's log verbosity; 4 and above mean LOG_LEVEL=DEBUG");
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

/// Answers while GM works or stands by; says what is wrong otherwise.
void add_health(serve::Server& server, const gm::Manager& manager) {
  serve::RouteOptions open;
  open.anonymous = true;
  open.uncounted = true;
  server.route(
      "GET", "/gm/status",
      [&manager](serve::Request&) -> net::Task<serve::Response> {
        const std::string problem = manager.problem();
        std::string text = manager.leading() ? "leading\n" : manager.ready() ? "standing by\n" : "starting\n";
        if (!problem.empty()) text += problem + "\n";
        co_return serve::Response::text(200, std::move(text));
      },
      open);
}

int run(const Flags& flags) {
  sigset_t stop_signals = programs::stop_signals();
  sigaddset(&stop_signals, SIGUSR1);  // from the elector's thread: the Lease is lost
  programs::block_stop_signals(stop_signals);

  gm::Config config;
  if (!flags.config.empty()) config = gm::load_config(flags.config);
  for (const auto& warning : config.warnings)
    log::warning("configuration", {{"file", flags.config}, {"about", warning}});

  store::KubeConfigOptions where;
  where.file = !flags.kubeconfig.empty() ? flags.kubeconfig : config.kube_config;
  where.context = flags.context;
  store::KubeConfig kube = store::load_kube_config(where);
  if (!config.master.empty()) kube.server = config.master;
  const gm_program::Identity identity(kube.source == "in-cluster" ? std::string() : kube.source);

  store::KubeClientOptions client_options;
  client_options.user_agent = "sedna-gm/0.1.0";
  client_options.max_idle_connections = static_cast<std::size_t>(flags.workers) + 8;
  store::KubeClient client(kube, client_options);
  // A server that hangs must not keep GM leading longer than its Lease says.
  client_options.timeout = control::kLeaseTimeout;
  client_options.max_idle_connections = 1;
  store::KubeClient lease_client(kube, client_options);

  metrics::Registry registry;
  gm::ManagerOptions options;
  options.ns = !flags.ns.empty() ? flags.ns : config.ns;
  options.workers.lc_server = config.lc_server;
  options.workers.storage_initializer_image = config.storage_initializer_image;
  options.workers.plaintext = !config.security_required;
  options.link.host = !flags.link_host.empty() ? flags.link_host : config.link_address;
  options.link.port = flags.link_port.value_or(config.link_port);
  options.link.token_file = !flags.link_tokens.empty() ? flags.link_tokens : config.link_token_file;
  options.link.tls.cert_file = !flags.link_tls_cert.empty() ? flags.link_tls_cert : config.link_tls_cert;
  options.link.tls.key_file = !flags.link_tls_key.empty() ? flags.link_tls_key : config.link_tls_key;
  // Upstream's local controllers have no identity: they are served where upstream's configuration file is used.
  options.link.legacy = config.legacy_allow.value_or(!flags.config.empty());
  options.worker_threads = flags.workers;
  options.elect = !flags.no_election;
  options.pod_name = environment("POD_NAME");
  options.pod_namespace = environment("POD_NAMESPACE");
  options.lease_namespace = !flags.lease_namespace.empty()   ? flags.lease_namespace
                            : !options.pod_namespace.empty() ? options.pod_namespace
                                                             : "default";
  options.identity = !flags.identity.empty() ? flags.identity : identity.name();
  const pthread_t main_thread = pthread_self();
  std::atomic<bool> lost{false};
  options.lease_server = &lease_client;
  options.on_lost = [&lost, main_thread] {
    lost = true;
    pthread_kill(main_thread, SIGUSR1);
  };
  if (config.security_required && options.link.token_file.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "security: required needs --link-tokens (or websocket.tokenFile)",
                "configuration");
  }
  gm::Manager manager(client, std::move(options), registry);

  serve::ServerOptions http;
  http.host = flags.http_host;
  http.port = flags.http_port;
  http.plaintext_beyond_loopback = true;  // health and figures, no secrets
  http.access_log = false;
  http.server_name = "sedna-gm";
  serve::Server server(http, registry);
  add_health(server, manager);
  server.set_ready(false, "starting");
  server.start();
  manager.start();
  // Told to end while the API server is not there yet: that is a good end, too.
  const timespec turn{0, 200'000'000};
  int signal = -1;
  bool ready = false;
  while (signal <= 0 && !lost) {
    if (!ready && manager.wait_ready(Deadline(SteadyClock::time_point::min()))) {
      ready = true;
      server.set_ready(true);
      std::printf("READY %s link=%d\n", server.origin().c_str(),
                  manager.leading() ? static_cast<int>(manager.link_port()) : 0);
      std::fflush(stdout);
    }
    if (ready) {
      signal = sigwaitinfo(&stop_signals, nullptr);
    } else {
      signal = sigtimedwait(&stop_signals, nullptr, &turn);
      if (const std::string why = manager.failure(); !why.empty()) throw Error(ErrorCode::kUnavailable, why);
      if (!manager.problem().empty() && manager.problem() != "waiting for the API server") {
        server.set_ready(false, manager.problem());
      }
    }
  }
  server.set_ready(false, "ending");
  if (lost) {
    // Another may lead from now on: nothing that is under way may go on, however long the server takes to answer it.
    std::fprintf(stderr, "sedna-gm: no longer leading; ends, so that it can be started again\n");
    std::_Exit(programs::kFailure);
  }
  // The Lease is given back, if the API server is there; if it is not, nothing waits for it.
  std::promise<void> ended;
  std::thread hurry([&client, &lease_client, done = ended.get_future()] {
    static_cast<void>(done.wait_for(std::chrono::seconds(4)));
    client.shutdown();
    lease_client.shutdown();
  });
  manager.stop();
  ended.set_value();
  hurry.join();
  server.drain();
  return programs::kOk;
}

}  // namespace

int main(int argc, char** argv) {
  // Many threads that wait: one arena each would cost more than all objects together.
  static_cast<void>(mallopt(M_ARENA_MAX, 2));
  CLI::App program("The GlobalManager of Sedna: keeps workers, Services and status as the custom resources say.",
                   "sedna-gm");
  program.set_version_flag("--version", "sedna-gm 0.1.0");
  Flags flags;
  add_flags(program, flags);
  return programs::run(program, argc, argv, flags.verbosity, [&flags] { return run(flags); });
}
