// sedna-worker infer: serves ONNX models, the cloud side of joint inference.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/base/log.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/inference/model_server.hpp"
#include "sedna/inference/onnx_estimator.hpp"
#include "sedna/worker/context.hpp"

#include "../common/signals.hpp"
#include "checks.hpp"
#include "commands.hpp"
#include "model_flag.hpp"

namespace sedna::worker_program {

namespace {

struct InferFlags {
  std::vector<std::string> models;
  std::string repository;
  std::string json_model;
  std::string host;
  int port = -1;
  std::string tls_cert, tls_key, tls_client_ca, token_file;
  bool plaintext = false;
  int workers = 0, max_batch = 0, io_threads = 1, intra_threads = 1;
  std::size_t queue = 0;
  std::size_t max_body_mb = 256;
  double deadline_s = 60, drain_s = 30;
  bool arena = false, no_inline = false, no_access_log = false;
};

Error wrong_flag(const char* flag, const std::string& message) {
  return {ErrorCode::kInvalidArgument, message, flag};
}

struct NamedModel {
  std::string name, file;
};

/// NAME=FILE, or FILE alone (named after the file), or the environment's MODEL_URL.
std::vector<NamedModel> named_models(const InferFlags& flags, const worker::Context& context) {
  std::vector<NamedModel> out;
  for (const std::string& text : flags.models) {
    auto [name, file] = split_model(text);
    out.push_back({std::move(name), std::move(file)});
  }
  if (out.empty()) {
    if (const auto url = context.get("MODEL_URL"))
      out.push_back({context.get_or("MODEL_NAME", context.job_name()), *url});
  }
  if (out.empty() && flags.repository.empty()) {
    throw wrong_flag("--model", "no model: give --model NAME=FILE.onnx, --model-repository FOLDER, or set MODEL_URL");
  }
  return out;
}

serve::ServerOptions server_options(const InferFlags& flags, const worker::Context& context) {
  serve::ServerOptions o;
  // The variable says that plain HTTP beyond this machine is meant (a Pod): then, as upstream, every address is bound.
  const bool plaintext_pod = context.get_flag("SEDNA_SERVE_PLAINTEXT", false);
  o.host =
      !flags.host.empty() ? flags.host : context.get_or("BIG_MODEL_BIND_IP", plaintext_pod ? "0.0.0.0" : "127.0.0.1");
  o.port = flags.port >= 0 ? static_cast<std::uint16_t>(flags.port)
                           : static_cast<std::uint16_t>(context.get_integer("BIG_MODEL_BIND_PORT", 5000, 0, 65535));
  o.tls.cert_file = flags.tls_cert;
  o.tls.key_file = flags.tls_key;
  o.tls.client_ca_file = flags.tls_client_ca;
  o.token_file = flags.token_file;
  o.plaintext_beyond_loopback = flags.plaintext || plaintext_pod;
  o.io_threads = flags.io_threads;
  o.max_body = flags.max_body_mb << 20;
  o.request_deadline = std::chrono::milliseconds(static_cast<std::int64_t>(flags.deadline_s * 1000));
  o.drain_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(flags.drain_s * 1000));
  o.access_log = !flags.no_access_log;
  return o;
}

inference::OnnxOptions onnx_options(const InferFlags& flags, const std::string& name) {
  inference::OnnxOptions o;
  o.name = name;
  o.intra_threads = flags.intra_threads;
  o.memory_arena = flags.arena;
  o.concurrency = flags.workers;
  o.max_batch_size = flags.max_batch;
  return o;
}

int run_infer(const InferFlags& flags) {
  programs::block_stop_signals();
  const auto context = worker::Context::from_environment();
  const std::vector<NamedModel> wanted = named_models(flags, context);
  metrics::Registry registry;
  inference::ModelServerOptions options;
  options.server = server_options(flags, context);
  options.serving.workers = flags.workers;
  options.serving.max_queue = flags.queue;
  options.serving.allow_inline = !flags.no_inline;
  options.repository = flags.repository;
  options.json_model = flags.json_model;
  options.services = inference::json_services(context.job_name(), context.get_or("SERVICE_NAME", ""));
  options.loader = [flags](const std::string& file, const std::string& name, const std::string& version) {
    inference::OnnxOptions o = onnx_options(flags, name);
    o.version = version;
    return inference::OnnxEstimator::load(file, o);
  };
  inference::ModelServer server(std::move(options), registry);
  std::string names;
  std::set<std::string> given;
  for (const NamedModel& model : wanted) {
    auto estimator = inference::OnnxEstimator::load(model_file(model.file), onnx_options(flags, model.name));
    const std::string& name = estimator->metadata().name;
    if (!given.insert(name).second) throw wrong_flag("--model", "two models are called '" + name + "'");
    names += (names.empty() ? "" : ",") + name;
    log::info("model loaded",
              {{"model", name},
               {"file", model.file},
               {"sha256", estimator->checksum()},
               {"warm_us", std::chrono::duration_cast<std::chrono::microseconds>(estimator->warm_latency()).count()}});
    server.add(std::move(estimator));
  }
  // A repository may bring the model later; without one it will never come.
  if (!flags.json_model.empty() && flags.repository.empty() && !given.contains(flags.json_model)) {
    throw wrong_flag("--json-model", "there is no model '" + flags.json_model + "'; there are " + names);
  }
  server.start();
  // The one line that scripts wait for.
  std::printf("READY %s models=%s\n", server.origin().c_str(), names.c_str());
  std::fflush(stdout);
  const int signal = programs::wait_for_stop_signal();
  log::info("stopping: requests under way are finished", {{"signal", signal}});
  server.drain();
  return kExitOk;
}

}  // namespace

void add_infer(CLI::App& program, Action& action) {
  auto flags = std::make_shared<InferFlags>();
  CLI::App* cmd = program.add_subcommand(
      "infer",
      "Serves ONNX models: Open Inference Protocol v2 (/v2/...) and upstream's JSON routes (/sedna/predict).\n"
      "Prints 'READY <origin> models=<names>' when requests are taken; SIGTERM and SIGINT finish what is under way.\n\n"
      "Environment, where a flag is not given: MODEL_URL, MODEL_NAME, BIG_MODEL_BIND_IP, BIG_MODEL_BIND_PORT, JOB_NAME "
      "and\n"
      "SERVICE_NAME (names of JSON routes beside /sedna), SEDNA_SERVE_PLAINTEXT=1 (plain HTTP on every address is\n"
      "meant, as in Pods), SEDNA_ONNXRUNTIME (the library's "
      "file),\n"
      "LOG_LEVEL, SEDNA_LOG_FORMAT.\n\n"
      "Example: sedna-worker infer --model digits=cloud.onnx --port 5000\n"
      "         curl -d '{\"data\": [[0.1, 0.2]]}' -H 'Content-Type: application/json' "
      "http://127.0.0.1:5000/sedna/predict");
  cmd->add_option("--model", flags->models, "NAME=FILE.onnx; repeat for more. The first one answers the JSON routes")
      ->type_name("NAME=FILE");
  cmd->add_option("--model-repository", flags->repository,
                  "Folder with <model>/<version>/model.onnx; turns on /v2/repository (index, load, unload)");
  cmd->add_option("--json-model", flags->json_model, "The model that answers the JSON routes");
  cmd->add_option("--host", flags->host,
                  "Address to bind (127.0.0.1); beyond loopback TLS and tokens are required, or --plaintext");
  cmd->add_option("--port", flags->port, "Port; 0 takes a free one (5000)")->check(CLI::Range(0, 65535));
  cmd->add_option("--tls-cert", flags->tls_cert, "Certificate chain (PEM)");
  cmd->add_option("--tls-key", flags->tls_key, "Its private key (PEM)");
  cmd->add_option("--tls-client-ca", flags->tls_client_ca, "Clients must show a certificate of this authority (PEM)");
  cmd->add_option("--token-file", flags->token_file, "Bearer tokens, one name:token[:roles] a line, mode 0600");
  cmd->add_flag("--plaintext", flags->plaintext, "Serve beyond loopback without TLS and identity: this is meant");
  cmd->add_option("--workers", flags->workers, "Runs of a model at once; 0: the cores this process may use")
      ->check(CLI::Range(0, 1024));
  cmd->add_option(
         "--max-batch", flags->max_batch,
         "Join waiting requests to batches of up to this many rows; 0: never. Measure first: it costs on small CNNs")
      ->check(CLI::Range(0, 65536));
  cmd->add_option("--queue", flags->queue,
                  "Requests that may wait for a model; more get 503. 0: 4 x batch x workers, at least 64")
      ->check(number_between(0, 1e9));
  cmd->add_option("--io-threads", flags->io_threads, "Threads that serve connections")->check(CLI::Range(1, 256));
  cmd->add_option("--intra-threads", flags->intra_threads, "Threads inside one run of a model")
      ->check(CLI::Range(1, 256));
  cmd->add_option("--max-body-mb", flags->max_body_mb, "Largest request body, also after inflating")
      ->check(CLI::Range(1, 65536));
  cmd->add_option("--deadline", flags->deadline_s, "Seconds a request may take")->check(number_between(0.001, 86400.0));
  cmd->add_option("--drain", flags->drain_s, "Seconds that requests under way get at the end")
      ->check(number_between(0.0, 86400.0));
  cmd->add_flag("--arena", flags->arena, "Let ONNX Runtime keep the memory of its largest run");
  cmd->add_flag("--no-inline", flags->no_inline, "Hand even the quickest models to another thread");
  cmd->add_flag("--no-access-log", flags->no_access_log, "No log line for each request");
  cmd->callback([flags, &action] { action = [flags] { return run_infer(*flags); }; });
}

}  // namespace sedna::worker_program
