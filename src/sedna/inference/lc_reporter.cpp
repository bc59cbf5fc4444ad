#include "sedna/inference/lc_reporter.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/json/json.hpp"
#include "sedna/worker/lc_client.hpp"

namespace sedna::inference {
namespace {

constexpr double kLongestPeriod = 7 * 24 * 3600.0;

}  // namespace

LcReporterOptions LcReporterOptions::from_context(const worker::Context& context) {
  LcReporterOptions options;
  options.lc_server = context.lc_server();
  const double seconds = context.get_number("LC_PERIOD", 30, 0.001, kLongestPeriod);
  options.period = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  options.worker_name = context.worker_name();
  options.namespace_name = context.namespace_name();
  options.job_name = context.job_name();
  return options;
}

std::string lc_report_body(const LcReporterOptions& options, const LcCounts& counts, SystemClock::time_point start,
                           SystemClock::time_point update) {
  std::string owner = "{\"startTime\": ";
  json::append_string(owner, format_local_time(start), true);
  owner += ", \"updateTime\": ";
  json::append_string(owner, format_local_time(update), true);
  owner += ", \"inferenceNumber\": ";
  json::append_number(owner, static_cast<std::int64_t>(counts.inferences));
  owner += ", \"hardExampleNumber\": ";
  json::append_number(owner, static_cast<std::int64_t>(counts.hard));
  owner += ", \"uploadCloudRatio\": ";
  const double ratio =
      counts.inferences == 0 ? 0 : static_cast<double>(counts.uploaded) / static_cast<double>(counts.inferences);
  json::append_number(owner, ratio);
  owner += '}';
  worker::WorkerInfo info;
  info.name = options.worker_name;
  info.namespace_name = options.namespace_name;
  info.owner_name = options.job_name;
  info.owner_kind = "jointinferenceservice";
  info.kind = "inference";
  info.results = "[]";
  info.owner_info = std::move(owner);
  return worker::worker_info_body(info);
}

struct LcReporter::Impl {
  /// One process's thread and its state. A forked child leaves the parent's behind (its mutex may be held by a thread
  /// that does not exist there) and makes its own.
  struct Runner {
    std::mutex mutex;
    std::condition_variable wake;
    bool stop = false;
    std::thread thread;
    std::mutex sending;  ///< one report at a time: the period's and flush()'s
  };

  LcReporterOptions options;
  std::unique_ptr<worker::LcClient> client;  ///< null: nothing is ever sent
  std::unique_ptr<Runner> runner = std::make_unique<Runner>();
  std::mutex source_mutex;
  Source source;
  std::mutex start_mutex;
  std::uint64_t acknowledged = 0;  ///< inferences of the last report that the LC took; guarded by Runner::sending
  SystemClock::time_point since;   ///< start of the first period not yet reported; guarded by Runner::sending
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> failed{0};
  bool complained = false;  ///< guarded by Runner::sending

  LcCounts counts() {
    const std::lock_guard lock(source_mutex);
    return source ? source() : LcCounts{};
  }

  /// True when the LC has everything.
  bool report(Deadline deadline) {
    const std::lock_guard lock(runner->sending);
    const SystemClock::time_point now = options.clock->wall();
    const LcCounts current = counts();
    if (current.inferences <= acknowledged) {
      since = now;
      return true;
    }
    const Result<void> outcome =
        client->post(options.worker_name, lc_report_body(options, current, since, now), deadline);
    if (outcome) {
      acknowledged = current.inferences;
      since = now;
      sent.fetch_add(1, std::memory_order_relaxed);
      if (complained) log::info("The local controller takes reports again", {{"lc", options.lc_server}});
      complained = false;
      return true;
    }
    failed.fetch_add(1, std::memory_order_relaxed);
    const log::Level level = complained ? log::Level::kDebug : log::Level::kInfo;
    log::write(level, "A report did not reach the local controller; the next one carries the same totals",
               {{"lc", options.lc_server}, {"error", outcome.error().what()}});
    complained = true;
    return false;
  }

  void run() {
    Runner& mine = *runner;
    auto next = SteadyClock::now() + options.period;
    std::unique_lock lock(mine.mutex);
    while (!mine.wake.wait_until(lock, next, [&] { return mine.stop; })) {
      lock.unlock();
      try {
        report(Deadline::after(options.timeout));
      } catch (const std::exception& failure) {  // out of memory and the like: the totals stay for the next period
        log::warning("A report to the local controller could not be made", {{"error", failure.what()}});
      }
      lock.lock();
      // Periods are counted from the start; those that a slow LC ate are left out.
      while (next <= SteadyClock::now()) next += options.period;
    }
  }
};

LcReporter::LcReporter(LcReporterOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  if (!impl_->options.lc_server.empty()) {
    impl_->client = std::make_unique<worker::LcClient>(impl_->options.lc_server);
  }
}

LcReporter::~LcReporter() {
  const std::uint64_t started = started_for_.load(std::memory_order_relaxed);
  if (started != 0 && started != worker::fork_generation()) {
    impl_->runner.release();  // NOLINT(bugprone-unused-return-value): the parent's thread, not ours to join
    return;
  }
  {
    const std::lock_guard lock(impl_->runner->mutex);
    impl_->runner->stop = true;
  }
  impl_->runner->wake.notify_all();
  if (impl_->runner->thread.joinable()) impl_->runner->thread.join();
}

void LcReporter::set_source(Source source) {
  const std::lock_guard lock(impl_->source_mutex);
  impl_->source = std::move(source);
}

void LcReporter::start() {
  const std::uint64_t generation = worker::fork_generation();
  const std::lock_guard lock(impl_->start_mutex);
  const std::uint64_t started = started_for_.load(std::memory_order_relaxed);
  if (started == generation) return;
  if (started != 0) {
    impl_->runner.release();  // NOLINT(bugprone-unused-return-value): leaked on purpose, see Runner
    impl_->runner = std::make_unique<Impl::Runner>();
  }
  if (impl_->client != nullptr) {
    impl_->since = impl_->options.clock->wall();
    impl_->runner->thread = std::thread([impl = impl_.get()] { impl->run(); });
  }
  started_for_.store(generation, std::memory_order_relaxed);
}

bool LcReporter::flush(Deadline deadline) { return impl_->client == nullptr || impl_->report(deadline); }
std::uint64_t LcReporter::sent() const { return impl_->sent.load(std::memory_order_relaxed); }
std::uint64_t LcReporter::failed() const { return impl_->failed.load(std::memory_order_relaxed); }

}  // namespace sedna::inference
