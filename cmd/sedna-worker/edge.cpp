// sedna-worker edge: the edge side of joint inference without user code. Streams the samples of a file through the
// small model, or serves it on a port, and asks the cloud for the hard ones.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/inference/cloud_client.hpp"
#include "sedna/inference/joint_estimator.hpp"
#include "sedna/inference/joint_inference.hpp"
#include "sedna/inference/lc_reporter.hpp"
#include "sedna/inference/model_server.hpp"
#include "sedna/inference/offload_stream.hpp"

#include "../common/signals.hpp"
#include "checks.hpp"
#include "commands.hpp"
#include "edge_options.hpp"
#include "edge_report.hpp"
#include "samples.hpp"

namespace sedna::worker_program {
namespace {

using inference::JointInference;

/// True once SIGINT or SIGTERM waits to be taken.
bool stop_requested() {
  sigset_t pending;
  return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

int stream_samples(const EdgeFlags& flags, JointInference& joint,
                   const std::shared_ptr<inference::LcReporter>& reporter) {
  const Samples samples = read_samples("--source", flags.source, flags.array, flags.labels, joint.edge()->metadata());
  EdgeReport report(flags.report, samples.labels);
  inference::OffloadStreamOptions options;
  options.wait_for_cloud = !flags.keep_rate;
  inference::OffloadStream stream(joint, options);
  const auto started = SteadyClock::now();
  for (std::int64_t i = 0; i < samples.count && !stop_requested(); ++i) {
    while (stream.full()) report.add(*stream.next());
    stream.submit(inference::take_sample(samples.inputs, i, samples.count));
    while (auto result = stream.try_next()) report.add(*result);
  }
  stream.close();
  while (auto result = stream.next()) report.add(*result);
  report.finish(joint.counts(), SteadyClock::now() - started);
  if (reporter) reporter->flush(Deadline::after(std::chrono::seconds(2)));
  return stop_requested() ? kExitInterrupted : kExitOk;
}

int serve_samples(const EdgeFlags& flags, const worker::Context& context, std::shared_ptr<JointInference> joint,
                  metrics::Registry& registry) {
  inference::ModelServerOptions options;
  // As `infer`: a Pod is reached on its own address.
  const bool plaintext_pod = context.get_flag("SEDNA_SERVE_PLAINTEXT", false);
  options.server.host =
      !flags.host.empty() ? flags.host : context.get_or("EDGE_BIND_IP", plaintext_pod ? "0.0.0.0" : "127.0.0.1");
  options.server.port =
      static_cast<std::uint16_t>(flags.bind >= 0 ? flags.bind : context.get_integer("EDGE_BIND_PORT", 5001, 0, 65535));
  options.server.plaintext_beyond_loopback = plaintext_pod;
  options.services = inference::json_services(context.job_name(), context.get_or("SERVICE_NAME", ""));
  inference::ModelServer server(std::move(options), registry);
  auto estimator = std::make_shared<inference::JointEstimator>(std::move(joint));
  const std::string name = estimator->metadata().name;
  server.add(std::move(estimator));
  server.start();
  std::printf("READY %s models=%s\n", server.origin().c_str(), name.c_str());
  std::fflush(stdout);
  const int signal = programs::wait_for_stop_signal();
  log::info("stopping: requests under way are finished", {{"signal", signal}});
  server.drain();
  return kExitOk;
}

int run_edge(const EdgeFlags& flags) {
  programs::block_stop_signals();
  const auto context = worker::Context::from_environment();
  const auto model = load_edge_model(flags, context);
  std::shared_ptr<const algo::HardExampleFilter> filter = make_edge_filter(flags, context, model->checksum());
  metrics::Registry registry;
  const inference::CloudClientOptions cloud_options =
      flags.cloud == "none" ? inference::CloudClientOptions() : make_cloud_options(flags, context);
  std::shared_ptr<inference::CloudClient> cloud;
  if (flags.cloud != "none") cloud = std::make_shared<inference::CloudClient>(cloud_options, registry);
  // LC_SERVER set and empty means that there is no local controller; unset means upstream's default.
  const char* lc_server = std::getenv("LC_SERVER");
  std::shared_ptr<inference::LcReporter> reporter;
  if (lc_server == nullptr || *lc_server != '\0') {
    try {
      reporter = std::make_shared<inference::LcReporter>(inference::LcReporterOptions::from_context(context));
    } catch (const Error& error) {
      if (error.subject() == context.lc_server()) throw Error(error.code(), error.what(), "LC_SERVER");
      throw;
    }
  }
  auto joint = std::make_shared<JointInference>(make_joint_options(flags, context, cloud_options), model, filter, cloud,
                                                registry, reporter);
  log::info(
      "edge model loaded",
      {{"model", model->metadata().name},
       {"sha256", model->checksum()},
       {"filter", std::string(filter->name())},
       {"cloud", flags.cloud == "none" ? "none" : cloud_options.host + ":" + std::to_string(cloud_options.port)}});
  if (!flags.source.empty()) {
    const int code = stream_samples(flags, *joint, reporter);
    if (!flags.stay || code != kExitOk) return code;
  }
  return serve_samples(flags, context, std::move(joint), registry);
}

}  // namespace

void add_edge(CLI::App& program, Action& action) {
  auto flags = std::make_shared<EdgeFlags>();
  CLI::App* cmd = program.add_subcommand(
      "edge",
      "Joint inference at the edge: the small model answers, hard samples go to the cloud, and the edge answer stays\n"
      "when the cloud has none in time. With --source it streams a file's samples and ends; without, it serves the\n"
      "model (Open Inference Protocol and JSON) and prints 'READY <origin> models=<name>'; with --stay first the one,\n"
      "then the other.\n\n"
      "Environment, where a flag is not given: MODEL_URL, MODEL_NAME, BIG_MODEL_IP, BIG_MODEL_PORT, HEM_NAME,\n"
      "HEM_PARAMETERS, MINING_MODE, SEDNA_CALIBRATION, SEDNA_CLOUD_*, SEDNA_TOKEN_FILE, EDGE_BIND_IP, EDGE_BIND_PORT,\n"
      "LC_SERVER (empty: no reports), LC_PERIOD, WORKER_NAME, NAMESPACE, JOB_NAME, SERVICE_NAME.\n\n"
      "Example: sedna-worker edge --model small=small.onnx --cloud 127.0.0.1:5000 --filter MSP \\\n"
      "           --calibration calibration.json --source npz:samples.npz --report answers.jsonl");
  cmd->add_option("--model", flags->model, "The small model")->type_name("NAME=FILE");
  cmd->add_option("--cloud", flags->cloud, "The big model's server; none: every sample stays")->type_name("HOST:PORT");
  cmd->add_option("--cloud-model", flags->cloud_model, "The model's name there; needed when it serves several");
  cmd->add_option("--filter", flags->filter, "Hard-example filter (MSP, Entropy, IBT, CloudOnly, EdgeOnly, …)");
  cmd->add_option("--param", flags->parameters, "A parameter of the filter; repeat for more")->type_name("KEY=VALUE");
  cmd->add_option("--calibration", flags->calibration, "What sedna-worker calibrate wrote for this very model file");
  cmd->add_option("--score-output", flags->score_output, "The model's output that the filter reads");
  cmd->add_option("--mining-mode", flags->mining_mode, "inference-then-mining (default) or mining-then-inference");
  cmd->add_option("--source", flags->source, "Samples to stream")->type_name("npz:FILE");
  cmd->add_flag("--stay", flags->stay,
                "After the samples of --source go on serving, as a worker in a Deployment has to");
  cmd->add_option("--array", flags->array,
                  "The array of samples (the input's name, else \"input\", else the only one)");
  cmd->add_option("--labels", flags->labels, "The array of true labels, for the summary (\"label\" if there is one)");
  cmd->add_option("--report", flags->report, "Where to write one JSON object a sample; - is standard output")
      ->type_name("FILE");
  cmd->add_option("--bind", flags->bind, "Port to serve on when there is no --source; 0 takes a free one (5001)")
      ->check(CLI::Range(0, 65535));
  cmd->add_option("--host", flags->host, "Address to bind (127.0.0.1)");
  cmd->add_option("--deadline-ms", flags->deadline_ms, "Time for one sample, edge and cloud together (1000)")
      ->check(number_between(0.1, 3.6e6));
  cmd->add_option("--budget", flags->budget_requests, "Most samples to send a second; 0: no bound")
      ->check(number_between(0, 1e15));
  cmd->add_option("--budget-bytes", flags->budget_bytes, "Most bytes to send a second; 0: no bound")
      ->check(number_between(0, 1e15));
  cmd->add_option("--target-ratio", flags->target_ratio, "Share to send; the threshold follows it")
      ->check(number_between(0.0, 1.0));
  cmd->add_option("--in-flight", flags->in_flight, "Samples under way to the cloud at once (16)")
      ->check(CLI::Range(1, 1024));
  cmd->add_flag("--keep-rate", flags->keep_rate,
                "A camera: hard samples beyond --in-flight keep the edge answer instead of waiting");
  cmd->callback([flags, &action] { action = [flags] { return run_edge(*flags); }; });
}

}  // namespace sedna::worker_program
