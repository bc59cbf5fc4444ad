// sedna-worker aggregate: the aggregation server of a federated job, without Python.
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/base/log.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/federated/job_reporter.hpp"
#include "sedna/federated/server.hpp"
#include "sedna/federated/server_settings.hpp"
#include "sedna/federated/upstream.hpp"
#include "sedna/worker/context.hpp"

#include "../common/signals.hpp"
#include "commands.hpp"

namespace sedna::worker_program {

namespace {

struct AggregateFlags {
  std::string aggregation = "FedAvg";
  std::string host;
  int port = -1;
  int participants = 0, rounds = 0;
  std::map<std::string, std::string> settings;
  std::size_t max_message_mb = 1024;
  std::string tls_cert, tls_key, tls_client_ca, token_file;
  bool plaintext = false;
  std::string upstream, site, upstream_token_file, upstream_tls_ca, upstream_tls_cert, upstream_tls_key;
};

/// The aggregator above, where there is one.
federated::UpstreamOptions upstream_options(const AggregateFlags& flags, const worker::Context& context) {
  auto o = federated::UpstreamOptions::from_context(context);
  const auto set = [](std::string& to, const std::string& flag) {
    if (!flag.empty()) to = flag;
  };
  set(o.url, flags.upstream);
  set(o.site, flags.site);
  set(o.token_file, flags.upstream_token_file);
  set(o.tls_ca, flags.upstream_tls_ca);
  set(o.tls_cert, flags.upstream_tls_cert);
  set(o.tls_key, flags.upstream_tls_key);
  return o;
}

federated::AggregationServerOptions server_options(const AggregateFlags& flags, const worker::Context& context,
                                                   bool site) {
  federated::AggregationServerOptions o;
  const bool plaintext_pod = context.get_flag("SEDNA_SERVE_PLAINTEXT", false);
  o.aggregation = flags.aggregation;
  o.server.host =
      !flags.host.empty() ? flags.host : context.get_or("AGG_BIND_IP", plaintext_pod ? "0.0.0.0" : "127.0.0.1");
  o.server.port = flags.port >= 0 ? static_cast<std::uint16_t>(flags.port)
                                  : static_cast<std::uint16_t>(context.get_integer("AGG_BIND_PORT", 7363, 0, 65535));
  o.server.tls.cert_file = flags.tls_cert;
  o.server.tls.key_file = flags.tls_key;
  o.server.tls.client_ca_file = flags.tls_client_ca;
  o.server.token_file = flags.token_file;
  o.server.plaintext_beyond_loopback = flags.plaintext || plaintext_pod;
  o.server.access_log = false;
  o.server.drain_timeout = std::chrono::seconds(5);
  constexpr std::int64_t kMany = 1'000'000;
  o.rounds.participants = static_cast<std::size_t>(
      flags.participants > 0 ? flags.participants : context.get_integer("PARTICIPANTS_COUNT", 1, 1, kMany));
  o.rounds.exit_round = flags.rounds > 0 ? flags.rounds : context.get_integer("EXIT_ROUND", 1, 1, kMany);
  auto settings = federated::settings_from_environment(context);
  for (const auto& [name, value] : flags.settings) settings[name] = value;
  if (site) federated::Upstream::check_settings(settings);
  federated::apply_settings(o, settings);
  o.max_message = flags.max_message_mb << 20;
  o.on_round = [](const federated::RoundReport& r) {
    // A line that scripts read, as the demo does.
    std::string more = r.by_deadline ? " by=deadline" : "";
    for (const auto& [name, value] : r.metrics) {
      char text[64];
      std::snprintf(text, sizeof text, "=%.6g", value);
      more += " " + name + text;
    }
    if (r.epsilon) {
      char text[48];
      std::snprintf(text, sizeof text, " epsilon=%.6g", *r.epsilon);
      more += text;
    }
    if (r.staleness) {
      char text[48];
      std::snprintf(text, sizeof text, " staleness=%.6g", *r.staleness);
      more += text;
    }
    if (!r.chosen.empty()) more += " chosen=" + std::to_string(r.chosen.size());
    std::string sites;
    for (const auto& [name, clients] : r.sites)
      sites += (sites.empty() ? "" : ",") + name + ":" + std::to_string(clients);
    if (!sites.empty()) more += " sites=" + sites;
    if (r.clipped > 0) more += " clipped=" + std::to_string(r.clipped);
    if (!r.stopped.empty()) more += " stopped=\"" + r.stopped + "\"";
    std::printf("ROUND %lld updates=%zu clients=%zu samples=%.17g seconds=%.6f bytes_received=%llu bytes_sent=%llu%s\n",
                static_cast<long long>(r.round), r.clients.size(), r.connected, r.total_weight, r.seconds,
                static_cast<unsigned long long>(r.bytes_received), static_cast<unsigned long long>(r.bytes_sent),
                more.c_str());
    std::fflush(stdout);
  };
  return o;
}

constexpr long kTurn = 100;  ///< milliseconds

/// A stop signal that has come within the time given, or 0.
int stop_signal_within(long milliseconds) {
  const sigset_t set = programs::stop_signals();
  const timespec timeout{0, milliseconds * 1'000'000};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  return signal > 0 ? signal : 0;
}

int run_aggregate(const AggregateFlags& flags) {
  programs::block_stop_signals();
  const auto context = worker::Context::from_environment();
  metrics::Registry registry;
  federated::JobReporter reporter(federated::JobReporterOptions::from_context(context));
  const auto above = upstream_options(flags, context);
  auto options = server_options(flags, context, !above.url.empty());
  if (!above.url.empty()) {
    options.site = true;
    auto upstream = std::make_shared<federated::Upstream>(above);
    if (federated::site_has_ended(options.state_folder)) {
      // It has the job's last model, and only hands it out.
      upstream->say_goodbye();
    } else {
      log::info("asking the aggregator above", {{"url", above.url}, {"site", above.site}});
      while (!upstream->connect(std::chrono::milliseconds(kTurn))) {
        if (const int signal = stop_signal_within(1)) {
          log::info("stopping", {{"signal", signal}});
          return kExitOk;
        }
      }
      upstream->configure(options);
      options.upstream = std::move(upstream);
    }
  }
  reporter.watch(options);
  federated::AggregationServer server(std::move(options), registry);
  server.start();
  reporter.follow(server);
  std::printf("READY %s/%s\n", server.origin().c_str(), flags.aggregation.c_str());
  std::fflush(stdout);
  // Two things to wait for, a signal and the end of the job, and no call that waits for both.
  while (!server.wait_for(SteadyClock::duration::zero())) {
    if (const int signal = stop_signal_within(kTurn)) {
      log::info("stopping", {{"signal", signal}, {"rounds", server.rounds()}});
      reporter.finish();
      server.stop();
      return kExitOk;
    }
  }
  const std::string failure = server.failure();
  reporter.finish();
  server.stop();
  if (!failure.empty()) throw Error(ErrorCode::kAborted, failure);
  return kExitOk;
}

}  // namespace

void add_aggregate(CLI::App& program, Action& action) {
  auto flags = std::make_shared<AggregateFlags>();
  CLI::App* cmd = program.add_subcommand(
      "aggregate",
      "Aggregates a federated job, for upstream's clients (WebSocket, ws://HOST:PORT/<aggregation>) and for those "
      "that\n"
      "speak HTTP (safetensors under http://HOST:PORT/<aggregation>/), together in one job.\n"
      "Prints 'READY <origin>/<aggregation>', then 'ROUND <n> ...' for each round; ends when the last round's clients\n"
      "have gone (exit code 0), or when the job fails (1, with the reason).\n\n"
      "Environment, where a flag is not given: AGG_BIND_IP, AGG_BIND_PORT, PARTICIPANTS_COUNT, EXIT_ROUND,\n"
      "AGG_UPSTREAM, WORKER_NAME, AGG_UPSTREAM_TOKEN_FILE, SEDNA_AGG_TLS_CA, SEDNA_AGG_TLS_CERT, SEDNA_AGG_TLS_KEY,\n"
      "CONNECT_TIMEOUT (the aggregator above),\n"
      "SEDNA_SERVE_PLAINTEXT=1 (plain HTTP on every address is meant, as in Pods), LOG_LEVEL, SEDNA_LOG_FORMAT, and\n"
      "SEDNA_FL_<NAME> for each flag of the rounds and rules (SEDNA_FL_ROUND_DEADLINE, SEDNA_FL_ALGORITHM, ...).\n\n"
      "Example: sedna-worker aggregate --participants 3 --rounds 10\n"
      "         sedna-worker aggregate --participants 10 --rounds 50 --algorithm FedAdam,learningRate=0.03 --state "
      "job1\n"
      "         sedna-worker aggregate --participants 10 --rounds 50 --select oort --over-select 1.3 --select-pool "
      "100\n"
      "         sedna-worker aggregate --rounds 200 --algorithm FedBuff,buffer=3\n"
      "         sedna-worker aggregate --participants 20 --upstream https://root:7363/FedAvg --site edge0\n"
      "         curl http://127.0.0.1:7363/FedAvg   # who is connected");
  cmd->add_option("--aggregation", flags->aggregation,
                  "The path that clients connect to; also the algorithm, when it is one's name (FedAvg)");
  cmd->add_option("--participants", flags->participants, "Updates that close a round (1)")
      ->check(CLI::Range(1, 1000000));
  cmd->add_option("--rounds", flags->rounds, "Rounds of the job (1)")->check(CLI::Range(1, 1000000));
  for (const federated::SettingHelp& setting : federated::server_settings()) {
    cmd->add_option_function<std::string>(
           "--" + setting.name, [flags, name = setting.name](const std::string& v) { flags->settings[name] = v; },
           setting.help)
        ->type_name("TEXT");
  }
  cmd->add_option(
      "--upstream", flags->upstream,
      "The aggregator above, http(s)://HOST:PORT/<aggregation>: this one is a site of its job, and brings it\n"
      "the sum of its clients' updates (AGG_UPSTREAM)");
  cmd->add_option("--site", flags->site, "What this aggregator is called there (WORKER_NAME)");
  cmd->add_option("--upstream-token-file", flags->upstream_token_file,
                  "Its token there, in the first line (AGG_UPSTREAM_TOKEN_FILE)");
  cmd->add_option("--upstream-tls-ca", flags->upstream_tls_ca, "Authority of the certificate there (SEDNA_AGG_TLS_CA)");
  cmd->add_option("--upstream-tls-cert", flags->upstream_tls_cert, "Its own certificate there (SEDNA_AGG_TLS_CERT)");
  cmd->add_option("--upstream-tls-key", flags->upstream_tls_key, "And the key (SEDNA_AGG_TLS_KEY)");
  cmd->add_option("--max-message-mb", flags->max_message_mb, "Largest message")->check(CLI::Range(1, 65536));
  cmd->add_option("--host", flags->host,
                  "Address to bind (127.0.0.1); beyond loopback TLS and tokens are required, or --plaintext");
  cmd->add_option("--port", flags->port, "Port; 0 takes a free one (7363)")->check(CLI::Range(0, 65535));
  cmd->add_option("--tls-cert", flags->tls_cert, "Certificate chain (PEM)");
  cmd->add_option("--tls-key", flags->tls_key, "Its private key (PEM)");
  cmd->add_option("--tls-client-ca", flags->tls_client_ca, "Clients must show a certificate of this authority (PEM)");
  cmd->add_option("--token-file", flags->token_file,
                  "Bearer tokens, one name:token[:roles] a line, mode 0600; the name is the client's WORKER_NAME");
  cmd->add_flag("--plaintext", flags->plaintext, "Serve beyond loopback without TLS and identity: this is meant");
  cmd->callback([flags, &action] { action = [flags] { return run_aggregate(*flags); }; });
}

}  // namespace sedna::worker_program
