#include "sedna/inference/lc_reporter.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/json/json.hpp"
#include "sedna/worker/lc_client.hpp"
#include "sedna/worker/per_process.hpp"

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
  options.pod_uid = context.get_or("POD_UID", "");
  return options;
}

std::string lc_report_body(const LcReporterOptions& options, const LcCounts& counts, SystemClock::time_point start,
                           SystemClock::time_point update, std::string_view run) {
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
  std::string body = worker::worker_info_body(info);
  if (options.pod_uid.empty()) return body;
  body.pop_back();
  body += ", \"podUid\": ";
  json::append_string(body, options.pod_uid, true);
  body += ", \"run\": ";
  json::append_string(body, run, true);
  if (!counts.statistics.empty()) body.append(", \"statistics\": ").append(counts.statistics);
  body += '}';
  return body;
}

struct LcReporter::Impl {
  /// One process's thread and its state.
  struct Runner {
    explicit Runner(SystemClock::time_point now) : since(now) {}
    ~Runner() {
      {
        const std::lock_guard lock(mutex);
        stop = true;
      }
      wake.notify_all();
      if (thread.joinable()) thread.join();
    }
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    std::mutex mutex;
    std::condition_variable wake;
    bool stop = false;
    std::mutex source_mutex;                 ///< held while the source is asked
    std::mutex sending;                      ///< one report at a time, the period's or flush()'s; guards what follows
    SystemClock::time_point since;           ///< start of the first period not yet reported
    const std::string name = random_hex(8);  ///< of this process, so that its figures are not taken for the last one's
    bool complained = false;
    std::mutex start_mutex;
    std::thread thread;  ///< last: uses the others
  };

  ~Impl() {
    runner.reset();
    const std::unique_ptr<const Source> last(source.load());
  }

  LcReporterOptions options;
  std::unique_ptr<worker::LcClient> client;  ///< null: nothing is ever sent
  worker::PerProcess<Runner> runner{[this] { return std::make_unique<Runner>(options.clock->wall()); }};
  std::atomic<const Source*> source{nullptr};  ///< owned; without a lock, so that a fork finds it whole
  std::atomic<std::uint64_t> acknowledged{0};  ///< inferences of the last report that the LC took
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> failed{0};

  LcCounts counts(Runner& mine) {
    const std::lock_guard lock(mine.source_mutex);
    const Source* current = source.load();
    return current != nullptr ? (*current)() : LcCounts{};
  }

  /// True when the LC has everything.
  bool report(Runner& mine, Deadline deadline) {
    const std::lock_guard lock(mine.sending);
    const SystemClock::time_point now = options.clock->wall();
    const LcCounts current = counts(mine);
    if (current.inferences <= acknowledged.load(std::memory_order_relaxed)) {
      mine.since = now;
      return true;
    }
    const Result<void> outcome =
        client->post(options.worker_name, lc_report_body(options, current, mine.since, now, mine.name), deadline);
    if (outcome) {
      acknowledged.store(current.inferences, std::memory_order_relaxed);
      mine.since = now;
      sent.fetch_add(1, std::memory_order_relaxed);
      if (mine.complained) log::info("The local controller takes reports again", {{"lc", options.lc_server}});
      mine.complained = false;
      return true;
    }
    failed.fetch_add(1, std::memory_order_relaxed);
    const log::Level level = mine.complained ? log::Level::kDebug : log::Level::kInfo;
    log::write(level, "A report did not reach the local controller; the next one carries the same totals",
               {{"lc", options.lc_server}, {"error", outcome.error().what()}});
    mine.complained = true;
    return false;
  }

  void run(Runner& mine) {
    auto next = SteadyClock::now() + options.period;
    std::unique_lock lock(mine.mutex);
    while (!mine.wake.wait_until(lock, next, [&] { return mine.stop; })) {
      lock.unlock();
      try {
        report(mine, Deadline::after(options.timeout));
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

LcReporter::~LcReporter() = default;

void LcReporter::set_source(Source source) {
  std::unique_ptr<const Source> fresh = source ? std::make_unique<const Source>(std::move(source)) : nullptr;
  const std::unique_ptr<const Source> old(impl_->source.exchange(fresh.release()));
  // The old one may be running: it ends before this returns.
  const std::lock_guard lock(impl_->runner.get().source_mutex);
}

void LcReporter::start() {
  Impl::Runner& mine = impl_->runner.get();
  const std::lock_guard lock(mine.start_mutex);
  if (impl_->client != nullptr && !mine.thread.joinable()) {
    const std::lock_guard reports(mine.sending);
    mine.since = impl_->options.clock->wall();
    mine.thread = std::thread([impl = impl_.get(), &mine] { impl->run(mine); });
  }
  started_for_.store(fork_generation(), std::memory_order_relaxed);
}

bool LcReporter::flush(Deadline deadline) {
  return impl_->client == nullptr || impl_->report(impl_->runner.get(), deadline);
}
std::uint64_t LcReporter::sent() const {
  return impl_->sent.load(std::memory_order_relaxed);
}
std::uint64_t LcReporter::failed() const {
  return impl_->failed.load(std::memory_order_relaxed);
}

}  // namespace sedna::inference
