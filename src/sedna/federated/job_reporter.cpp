#include "sedna/federated/job_reporter.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/json/json.hpp"
#include "sedna/worker/lc_client.hpp"

namespace sedna::federated {

namespace {

constexpr std::size_t kMostNames = 64;

}  // namespace

JobReporterOptions JobReporterOptions::from_context(const worker::Context& context) {
  JobReporterOptions options;
  options.pod_uid = context.get_or("POD_UID", "");
  options.lc_server = context.get_or("LC_SERVER", "");
  options.worker_name = context.worker_name();
  options.namespace_name = context.namespace_name();
  options.job_name = context.job_name();
  return options;
}

struct JobReporter::Impl {
  explicit Impl(JobReporterOptions o) : options(std::move(o)), run(random_hex(8)) {
    if (enabled()) client = std::make_unique<worker::LcClient>(options.lc_server);
  }

  bool enabled() const { return !options.pod_uid.empty() && !options.lc_server.empty(); }

  void add(const RoundReport& report) {
    const std::lock_guard lock(mutex);
    bytes_received += report.bytes_received;
    bytes_sent += report.bytes_sent;
    epsilon = report.epsilon;
    stopped = report.stopped;
    if (!report.metrics.empty()) round_metrics = report.metrics;
  }

  /// What is the case now, as the members of statistics.federated.
  std::string progress(const AggregationServer& of) {
    const JobProgress now = of.progress();
    json::object o{{"round", now.round}, {"rounds", rounds}};
    o["arrived"] = static_cast<std::int64_t>(now.arrived);
    o["selected"] = static_cast<std::int64_t>(now.selected);
    o["connected"] = static_cast<std::int64_t>(now.connected);
    if (now.arrived > 0 && !now.missing.empty()) {
      json::array names;
      for (const auto& name : now.missing) {
        if (names.size() < kMostNames) names.push_back(json::value(name));
      }
      o["stragglers"] = std::move(names);
    }
    if (!now.stalled.empty()) o["stalled"] = now.stalled;
    const std::lock_guard lock(mutex);
    o["bytesReceived"] = static_cast<std::int64_t>(bytes_received);
    o["bytesSent"] = static_cast<std::int64_t>(bytes_sent);
    if (!round_metrics.empty()) {
      json::object values;
      for (const auto& [name, value] : round_metrics) values[name] = value;
      o["metrics"] = std::move(values);
    }
    if (epsilon) o["epsilon"] = *epsilon;
    if (!stopped.empty()) o["stopped"] = stopped;
    return json::write(o);
  }

  std::string body(const std::string& federated, const char* status) const {
    worker::WorkerInfo info;
    info.name = options.worker_name;
    info.namespace_name = options.namespace_name;
    info.owner_name = options.job_name;
    info.owner_kind = "federatedlearningjob";
    info.kind = "aggregation";
    info.status = status;
    std::string out = worker::worker_info_body(info);
    out.pop_back();
    out += ", \"podUid\": ";
    json::append_string(out, options.pod_uid, true);
    out += ", \"run\": ";
    json::append_string(out, run, true);
    out.append(", \"statistics\": {\"federated\": ").append(federated).append("}}");
    return out;
  }

  /// True when the local controller has it.
  bool send(const std::string& text, const char* status) {
    const auto sent = client->post(options.worker_name, body(text, status), Deadline::after(options.timeout));
    if (!sent && !std::exchange(complained, true)) {
      log::warning("the local controller does not take reports of the job; they are tried again",
                   {{"server", options.lc_server}, {"reason", sent.error().what()}});
    }
    if (sent) complained = false;
    return static_cast<bool>(sent);
  }

  void work(const AggregationServer* of) {
    std::string last;
    while (true) {
      std::string text = progress(*of);
      if (text != last && send(text, "running")) last = std::move(text);
      std::unique_lock lock(mutex);
      if (wake.wait_for(lock, options.period, [this] { return stop; })) break;
    }
    send(progress(*of), of->failure().empty() ? "completed" : "failed");
  }

  const JobReporterOptions options;
  const std::string run;
  std::int64_t rounds = 0;
  std::unique_ptr<worker::LcClient> client;
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false, complained = false;
  std::uint64_t bytes_received = 0, bytes_sent = 0;
  std::map<std::string, double> round_metrics;
  std::optional<double> epsilon;
  std::string stopped;
  std::thread thread;
};

JobReporter::JobReporter(JobReporterOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

JobReporter::~JobReporter() {
  finish();
}

bool JobReporter::enabled() const {
  return impl_->enabled();
}

void JobReporter::watch(AggregationServerOptions& options) {
  if (!enabled()) return;
  impl_->rounds = options.rounds.exit_round;
  options.on_round = [impl = impl_, next = std::move(options.on_round)](const RoundReport& report) {
    impl->add(report);
    if (next) next(report);
  };
}

void JobReporter::follow(const AggregationServer& server) {
  if (!enabled() || impl_->thread.joinable()) return;
  impl_->thread = std::thread([impl = impl_.get(), &server] { impl->work(&server); });
}

void JobReporter::finish() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace sedna::federated
