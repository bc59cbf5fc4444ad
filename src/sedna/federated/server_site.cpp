// AggregationServer as a site of a tree: its rounds are those of the aggregator above. A round that closes here goes up
// as one sum and ends with the model that comes down; a round that ends above without this site ends here too.
#include <algorithm>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/server_impl.hpp"
#include "sedna/federated/upstream.hpp"

namespace sedna::federated {

namespace {

constexpr auto kTurn = std::chrono::milliseconds(200);

}  // namespace

Result<void> AggregationServer::Impl::may_send_sums(const std::string& client) const {
  if (const auto may = rules.composes(); !may) return may;
  if (machine.chooses()) {
    return Error(ErrorCode::kInvalidArgument, "chooses clients of one aggregator; a site chooses among its own",
                 "select");
  }
  const bool named = std::ranges::find(options.sites, client) != options.sites.end();
  if (named || (options.sites.empty() && !rules.trusts_sites())) return {};
  return Error(ErrorCode::kInvalidArgument,
               options.sites.empty() ? "must name " + client + ": with " + (rules.privacy ? "privacy" : "clip") +
                                           " an aggregator takes sums of sites that it is told to trust"
                                     : "does not name " + client,
               "sites");
}

void AggregationServer::Impl::offer_upwards(const Weights& weights, const std::string& client) {
  log::info("a client's weights are offered as the job's initial model", {{"client", client}});
  options.upstream->client().offer_initial(weights);
}

void AggregationServer::Impl::follow_upstream() {
  RoundClient& above = options.upstream->client();
  bool finished = false;
  try {
    while (!finished) {
      {
        const std::lock_guard lock(mutex);
        if (stopping || over) break;
      }
      auto task = above.next(kTurn);
      if (const std::string refusal = above.take_refusal(); !refusal.empty()) {
        log::error("the aggregator above has not taken this site's sum", {{"reason", refusal}});
      }
      if (!task) continue;
      finished = task->finished;
      const std::lock_guard lock(mutex);
      news = news_of(std::move(*task));
      changed.notify_all();
    }
  } catch (const Error& error) {
    const std::lock_guard lock(mutex);
    machine.fail(std::string("the aggregator above: ") + error.what());
    changed.notify_all();
    return;
  }
  {
    // Goodbye above only when the last model is on disk here.
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return stopping || over || (published && published->last); });
  }
  above.close();
}

AggregationServer::Impl::News AggregationServer::Impl::news_of(RoundTask task) {
  News out;
  out.round = task.finished ? task.round : task.round - 1;
  out.last = task.finished;
  out.samples = task.samples;
  out.model = std::move(task.model);
  return out;
}

bool AggregationServer::Impl::site_turn(std::unique_lock<std::mutex>& lock) {
  if (news) {
    News next = std::move(*news);
    news.reset();
    lock.unlock();
    take_news(std::move(next), true);
    lock.lock();
    return true;
  }
  if (to_publish.empty() || to_publish.front().sent) return false;
  Publication& closed = to_publish.front();  // only this thread takes from the front
  if (closed.file.empty() && (!closed.open->idle() || !closed.open->sum)) {
    changed.wait(lock, [&] { return stopping || news || (closed.open->idle() && closed.open->sum); });
    return true;
  }
  closed.sent = true;
  lock.unlock();
  try {
    if (closed.file.empty()) close_sum(closed);
    options.upstream->client().submit_file(closed.closed.round, closed.file);
    log::info("this site's sum goes up", {{"round", closed.closed.round}, {"clients", closed.closed.clients.size()}});
    step("site: sent");
    lock.lock();
  } catch (const std::exception& error) {
    lock.lock();
    if (stopping) return true;  // its successor closes the round again
    log::error("the round cannot be closed", {{"round", closed.closed.round}, {"error", error.what()}});
    machine.fail("the sum of round " + std::to_string(closed.closed.round) + " has failed: " + error.what());
  }
  return true;
}

void AggregationServer::Impl::close_sum(Publication& closed) {
  RoundSum::End end;
  const PartialSum sum = closed.open->sum->take_sum(end);
  closed.report.total_weight = end.total_weight;
  closed.report.clipped = end.clipped;
  closed.report.sites = end.sites;
  const std::int64_t round = closed.closed.round;
  closed.file = write_partial_sum({round, end.total_weight, 0, closed.closed.metrics, {}}, sum);
  if (!journal) return;
  // Whatever is killed from here on, the same bytes go up again: the one above counts them once.
  const auto file = layout.update(round, 0);
  Sha256 sha;
  for (const Bytes& part : closed.file) sha.update(part.span());
  Record record;
  record.kind = Record::Kind::kRelayed;
  record.round = round;
  record.digest = sha.finish();
  record.samples = end.total_weight;
  record.file = file.filename().string();
  record.clients = closed.closed.clients;
  record.metrics = closed.closed.metrics;
  when_there_is_room("this site's sum", [&] {
    step("site: before the sum");
    write_whole(file, closed.file);
    step("site: before the record");
    const std::lock_guard lock(mutex);
    journal->append(record);
  });
  step("site: after the record");
}

void AggregationServer::Impl::restore_sum(const Record& record) {
  Publication sent;
  sent.closed.round = record.round;
  sent.closed.clients = record.clients;
  sent.closed.metrics = record.metrics;
  sent.report.round = record.round;
  sent.report.clients = record.clients;
  sent.report.metrics = record.metrics;
  sent.report.total_weight = record.samples;
  const auto path = layout.updates() / record.file;
  const Bytes file = map_file(path);
  if (sha256_hex(file.text()) != record.digest) {
    throw Error(ErrorCode::kDataLoss, "is not the sum that was sent", path.string());
  }
  sent.file = {file};
  sent.open = std::make_shared<OpenRound>();
  sent.open->round = record.round;
  to_publish.push_back(std::move(sent));
}

void AggregationServer::Impl::take_news(News next, bool tell) {
  RoundReport report;
  json::object last_envelope;
  std::shared_ptr<OpenRound> round;
  bool took_part = false;
  {
    const std::lock_guard lock(mutex);
    const bool none = !published && next.round == 0;
    if (next.round < model_round || (!next.model && next.round > 0)) {
      machine.fail("the aggregator above has begun again: its newest model is that of round " +
                   std::to_string(next.round) + ", this site's of round " + std::to_string(model_round) +
                   "; begin again here too, with an empty state folder");
      return;
    }
    const bool fresh = next.model && (next.round > model_round || none);
    if (!fresh && !(next.last && published && !published->last)) return;
    report.round = next.round;
    while (!to_publish.empty() && to_publish.front().closed.round <= next.round) {
      if (to_publish.front().closed.round == next.round) {
        took_part = true;
        report = std::move(to_publish.front().report);
        last_envelope = std::move(to_publish.front().envelope);
      }
      to_publish.pop_front();
    }
    if (!took_part) last_envelope = envelope;
    report.last = next.last;
    const bool passed = machine.closed_rounds() < next.round;
    const std::size_t dropped = passed ? machine.updates() : 0;
    machine.pass_to(next.round, next.last, report.clients, SteadyClock::now());
    if (passed) open_round_locked();
    if (next.round == 0) open->sum.reset();  // nothing was added: see take_update()
    if (tell && !took_part && next.round > 0) {
      log::warning("a round has ended above without this site", {{"round", next.round}, {"updates", dropped}});
    }
    before.reset();
  }
  RoundReport of_model = report;
  of_model.total_weight = next.samples;
  try {
    Model model = next.model ? std::move(*next.model) : Model(*published->model);
    model.round = next.round;
    step("publish: before the model");
    install(std::move(model), of_model, false, true);
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex);
    if (stopping) return;  // its successor fetches it again
    log::error("the model from above cannot be kept", {{"round", next.round}, {"error", error.what()}});
    machine.fail("the model of round " + std::to_string(next.round) + " cannot be kept: " + error.what());
    return;
  }
  if ((tell || took_part) && next.round > 0) {
    announce(last_envelope, std::move(report));
    return;
  }
  {
    const std::lock_guard lock(mutex);
    round = after_newest_locked();
    changed_locked();
  }
  if (round) add_waiting(round);
}

}  // namespace sedna::federated
