// The rounds of AggregationServer: commits, sums, publications, restarts.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

namespace {

/// From here on memory between rounds is worth more than the time to have it cleared again.
constexpr std::uint64_t kLargeModel = std::uint64_t{32} << 20;
/// Between two looks whether a full disk has room again. Nobody tells.
constexpr auto kRoomAgain = std::chrono::seconds(1);

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

Weights state_of(const Rules& rules) {
  Weights state = rules.algorithm->state();
  if (rules.clip && rules.clip->adaptive()) {
    const std::vector<double> history(rules.clip->history().begin(), rules.clip->history().end());
    tensor::Tensor tensor;
    tensor.name = kClipHistory;
    tensor.dtype = tensor::DType::kFp64;
    tensor.shape = {static_cast<std::int64_t>(history.size())};
    tensor.data = Bytes::copy_of(std::as_bytes(std::span(history)));
    state.push_back(std::move(tensor));
  }
  return state;
}

}  // namespace

void write_whole(const std::filesystem::path& file, const std::vector<Bytes>& parts) {
  storage::AtomicFile out(file, 0600);
  for (const Bytes& part : parts) out.write(part.span());
  out.commit();
}

Result<void> AggregationServer::Impl::check(Update& update) {
  Manifest known;
  FeatureForm form;
  {
    const std::lock_guard lock(mutex);
    known = manifest;
    form = feature_form;
  }
  if (update.partial) {
    if (const auto may = may_send_sums(update.client); !may) return may;
    if (const auto fits = check_partial_sum(update, known); !fits) return fits;
  } else if (options.features) {
    if (const auto fits = check_features(update, form); !fits) return fits;
  } else {
    conform(update.weights, known);
    conform(update.extra, known);
    if (const auto fits = check_update(update, known); !fits) return fits;
  }
  std::unique_lock lock(mutex);
  // Between a round's close and its model, for a moment, nobody knows what the next one begins with.
  changed.wait(lock, [&] { return open->sum || stopping || over; });
  return open->sum ? open->sum->check(update) : Result<void>();
}

Result<void> AggregationServer::Impl::check_form_locked(const Update& update) const {
  if (options.features) {
    const auto form = FeatureForm::of(update);
    if (!form) return form.error();
    return feature_form.set ? form->same_as(feature_form) : Result<void>();
  }
  auto fits = update.partial ? check_partial_sum_form(update, manifest) : check_form(update, manifest);
  if (!fits || !rules.strict || rules.privacy || rules.alike || !open->sum) return fits;
  // Several may have passed their checks side by side; together they must fit, too.
  double together = update.weight;
  for (const Offer& offer : machine.committed()) together += offer.weight;
  if (together <= open->sum->weight_limit()) return {};
  return Error(ErrorCode::kInvalidArgument, "with those of the others is more than the round was planned for",
               "num_samples");
}

void AggregationServer::Impl::learn_form_locked(const Update& update) {
  if (options.features && !feature_form.set) feature_form = FeatureForm::of(update).value();
  if (options.features || manifest.set) return;
  manifest = update.partial ? update.partial->manifest : Manifest::of(update.weights);
}

RoundMachine::Verdict AggregationServer::Impl::refuse(const std::string& client, const Error& reason) {
  RoundMachine::Verdict verdict;
  verdict.outcome = RoundMachine::Outcome::kRefused;
  verdict.reason = reason.what();
  const std::lock_guard lock(mutex);
  verdict.round = machine.closed_rounds() + 1;
  machine.refused(client, SteadyClock::now());
  changed.notify_all();
  return verdict;
}

RoundMachine::Verdict AggregationServer::Impl::commit(Update update, Offer offer, Staging* staged) {
  std::shared_ptr<OpenRound> round;
  RoundMachine::Verdict verdict;
  {
    std::unique_lock lock(mutex);
    // A round must not close while the model that it begins with is on its way.
    changed.wait(lock, [&] { return !installing_initial || stopping; });
    const auto now = SteadyClock::now();
    verdict = machine.preview(offer, now);
    if (verdict.outcome == RoundMachine::Outcome::kCommitted) {
      // Another client's first update may have said meanwhile what the model looks like.
      update.staleness = verdict.staleness;
      if (asynchronous()) update.began_with = beginning_locked(verdict.round - verdict.staleness);
      if (verdict.staleness > 0 && !update.began_with) {
        verdict.outcome = RoundMachine::Outcome::kLate;
        verdict.reason = "the model that it began with is not kept any more";
        return verdict;
      }
      if (const auto fits = check_form_locked(update); !fits) {
        verdict.outcome = RoundMachine::Outcome::kRefused;
        verdict.reason = fits.error().what();
        machine.refused(offer.client, now);
        return verdict;
      }
      if (journal) {
        Record record;
        record.kind = Record::Kind::kCommitted;
        record.round = verdict.round;
        record.client = offer.client;
        record.digest = offer.digest;
        record.samples = offer.weight;
        record.steps = update.steps;
        record.metrics = offer.metrics;
        if (verdict.staleness > 0) record.trained = verdict.round - verdict.staleness;
        if (options.durability == Durability::kUpdate) {
          const auto file = layout.update(verdict.round, machine.updates() + 1);
          if (staged != nullptr && staged->in_file()) {
            staged->keep_as(file);
          } else {
            UpdateInfo info{verdict.round - verdict.staleness, update.weight, update.steps, offer.metrics, {}};
            write_whole(file, update.partial ? write_partial_sum(info, *update.partial)
                                             : write_update_file(info, update.weights, update.extra));
          }
          record.file = file.filename().string();
        }
        step("commit: before the record");
        journal->append(record);
        stall_locked("an update", "");
        step("commit: after the record");
      }
    }
    verdict = machine.commit(offer, now);
    if (verdict.outcome == RoundMachine::Outcome::kCommitted) {
      learn_form_locked(update);
      round = open;
      round->waiting.push_back({std::move(update), !round->sum});
      collect_closed_locked();
    }
  }
  changed.notify_all();
  if (round) add_waiting(round);
  return verdict;
}

std::optional<RoundMachine::Verdict> AggregationServer::Impl::commit_or_park(Update update, Offer offer) {
  try {
    return commit(update, offer, nullptr);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kResourceExhausted) throw;
    const std::lock_guard lock(mutex);
    stall_locked("an update", error.what());
    if (!offer.round) offer.round = machine.closed_rounds() + 1;
    parked_not_before = SteadyClock::now() + kRoomAgain;
    std::string client = offer.client;
    parked.insert_or_assign(std::move(client), Parked{std::move(update), std::move(offer)});
    changed.notify_all();
    return std::nullopt;
  }
}

void AggregationServer::Impl::add_waiting(const std::shared_ptr<OpenRound>& round) {
  std::unique_lock lock(mutex);
  if (round->adding || !round->sum) return;
  round->adding = true;
  while (!round->waiting.empty()) {
    auto next = std::move(round->waiting.front());
    round->waiting.pop_front();
    lock.unlock();
    if (const auto fits = next.unchecked ? round->sum->check(next.update) : Result<void>(); fits) {
      round->sum->add(std::move(next.update));
    } else {
      log::warning("an update is left out of the sum",
                   {{"client", next.update.client}, {"round", round->round}, {"reason", fits.error().what()}});
    }
    lock.lock();
  }
  round->adding = false;
  changed.notify_all();
}

void AggregationServer::Impl::open_round_locked() {
  open = std::make_shared<OpenRound>();
  open->round = machine.closed_rounds() + 1;
  chosen.clear();
  parked.clear();
  if (asynchronous()) {
    // What is on its way counts in whichever round it arrives.
    const std::int64_t oldest = open->round - *machine.options().max_staleness;
    std::erase_if(uploads, [&](const auto& entry) { return entry.second->round < oldest; });
  } else {
    uploads.clear();
  }
  rejections.clear();
  round_gauge.set(static_cast<double>(open->round));
}

void AggregationServer::Impl::conduct() {
  std::unique_lock lock(mutex);
  while (!stopping && !over) {
    const auto now = SteadyClock::now();
    machine.tick(now);
    expire_members_locked(now);
    collect_closed_locked();
    if (options.site) {
      if (site_turn(lock)) continue;
    } else if (!to_publish.empty()) {
      if (!to_publish.front().open->idle()) {
        changed.wait(lock, [&] { return to_publish.front().open->idle() || stopping; });
        continue;
      }
      Publication next = std::move(to_publish.front());
      to_publish.pop_front();
      lock.unlock();
      publish(std::move(next));
      lock.lock();
      continue;
    }
    if (auto update = take_parked_locked()) {
      lock.unlock();
      const std::string client = update->offer.client;
      if (const auto usable = options.site ? check(update->update) : Result<void>(); !usable) {
        count_update(refuse(client, usable.error()), client);
        lock.lock();
        continue;
      }
      const auto verdict = commit_or_park(std::move(update->update), std::move(update->offer));
      if (verdict) count_update(*verdict, client);
      lock.lock();
      continue;
    }
    const auto phase = machine.phase();
    if (phase == RoundMachine::Phase::kDone || phase == RoundMachine::Phase::kFailed) {
      end_locked();
      break;
    }
    // In slices: a steady clock's far future overflows in some libraries' waits.
    auto wake = std::min(machine.next_wakeup().value_or(now + std::chrono::hours(1)), now + std::chrono::hours(1));
    for (const auto& [name, member] : members) wake = std::min(wake, member.expires);
    if (!parked.empty() && parked_not_before > now) wake = std::min(wake, parked_not_before);
    changed.wait_until(lock, wake);
  }
}

void AggregationServer::Impl::collect_closed_locked() {
  while (auto closed = machine.take_closed()) {
    Publication next{std::move(*closed), open, envelope, {}, machine.clients()};
    next.report.round = next.closed.round;
    next.report.last = next.closed.last;
    next.report.by_deadline = next.closed.by_deadline;
    next.report.clients = next.closed.clients;
    next.report.metrics = next.closed.metrics;
    next.report.stopped = next.closed.stopped;
    next.report.chosen = chosen;
    if (asynchronous()) {
      double sum = 0;
      for (const std::int64_t age : next.closed.staleness) sum += static_cast<double>(age);
      next.report.staleness = sum / static_cast<double>(std::max<std::size_t>(next.closed.staleness.size(), 1));
    }
    if (next.closed.by_deadline) {
      log::warning("the round's deadline has passed", {{"round", next.closed.round},
                                                       {"updates", next.closed.clients.size()},
                                                       {"missing", joined(next.closed.missing)}});
    }
    to_publish.push_back(std::move(next));
    open_round_locked();
  }
  collect_chosen_locked();
}

void AggregationServer::Impl::collect_chosen_locked() {
  auto choice = machine.take_chosen();
  if (!choice) return;
  chosen = choice->clients;
  if (journal) {
    Record record;
    record.kind = Record::Kind::kChosen;
    record.round = choice->round;
    record.attempt = choice->attempt;
    record.clients = choice->clients;
    try {
      journal->append(record);
    } catch (const Error& error) {
      // The round goes on; a server that begins again would choose again.
      log::error("who is chosen could not be written down", {{"round", choice->round}, {"error", error.what()}});
    }
  }
  log::info("clients are chosen",
            {{"round", choice->round}, {"clients", choice->clients.size()}, {"draw", choice->attempt}});
  changed_locked();
}

std::shared_ptr<AggregationServer::Impl::OpenRound> AggregationServer::Impl::after_newest_locked() const {
  for (const Publication& publication : to_publish) {
    if (publication.open->round == model_round + 1) return publication.open;
  }
  return open && open->round == model_round + 1 ? open : nullptr;
}

std::optional<AggregationServer::Impl::Parked> AggregationServer::Impl::take_parked_locked() {
  if (options.site && wants_initial) return std::nullopt;  // the model to begin with is on its way
  if (SteadyClock::now() < parked_not_before) return std::nullopt;
  for (auto& [client, update] : parked) {
    if (machine.standing(client) != RoundMachine::Standing::kExpected) continue;
    std::optional<Parked> out(std::move(update));
    parked.erase(client);
    return out;
  }
  return std::nullopt;
}

void AggregationServer::Impl::publish(Publication publication) {
  RoundReport& report = publication.report;
  {
    // The model before last has been fetched by whoever wanted it; a model takes its place.
    const std::lock_guard lock(mutex);
    before.reset();
    if (published && published->size >= kLargeModel) budget->let_go();
  }
  try {
    RoundSum::End end = publication.open->sum->finish(publication.clients);
    publication.open.reset();
    report.total_weight = end.total_weight;
    report.clipped = end.clipped;
    report.sites = std::move(end.sites);
    if (rules.privacy) report.epsilon = rules.epsilon(static_cast<std::size_t>(report.round));
    end.model.round = report.round;
    step("publish: before the model");
    install(std::move(end.model), report, end.none, true, std::move(publication.closed.known));
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex);
    if (stopping) return;  // its successor closes the round again
    log::error("the aggregation has failed", {{"round", report.round}, {"error", error.what()}});
    machine.fail("the aggregation of round " + std::to_string(report.round) + " has failed: " + error.what());
    return;
  }
  announce(publication.envelope, std::move(report));
}

void AggregationServer::Impl::announce(const json::object& like, RoundReport report) {
  std::shared_ptr<OpenRound> next;
  {
    const std::lock_guard lock(mutex);
    model_text = Bytes();
    if (!peers.empty()) {
      Aggregate model;
      model.weights = published->model->weights;
      model.total_weight = published->total_weight;
      model.none = published->none;
      try {
        model_text = Bytes::from_string(write_model(like, model, report.round, report.last));
      } catch (const Error& error) {
        machine.fail("the model of round " + std::to_string(report.round) + " cannot be sent: " + error.what());
        return;
      }
      for (const auto& [name, peer] : peers) {
        // Who still trains would find it before the answer to its update: it gets the one that is newest then.
        if (asynchronous() && !peer->waiting && !report.last) continue;
        peer->waiting = false;
        peer->model_round = model_round;
        peer->send(model_text);
        sent_bytes.add(model_text.size());
        round_bytes_sent += model_text.size();
      }
    }
    report.connected = machine.connected().size();
    report.bytes_received = std::exchange(round_bytes, 0);
    report.bytes_sent = std::exchange(round_bytes_sent, 0);
    report.seconds = std::chrono::duration<double>(SteadyClock::now() - round_began).count();
    round_began = SteadyClock::now();
    next = after_newest_locked();
    changed_locked();
  }
  // Updates that came for the next round before its model was out.
  if (next) add_waiting(next);
  rounds_total.add();
  log::info("round published", {{"round", report.round},
                                {"updates", report.clients.size()},
                                {"clients", report.connected},
                                {"samples", report.total_weight},
                                {"seconds", report.seconds}});
  if (!report.stopped.empty()) log::info("the job ends early", {{"reason", report.stopped}});
  if (options.on_round) options.on_round(report);
}

void AggregationServer::Impl::install(Model model, const RoundReport& report, bool none, bool patient,
                                      std::map<std::string, ClientHistory> known) {
  auto fresh = std::make_shared<Published>();
  fresh->total_weight = report.total_weight;
  fresh->last = report.last;
  fresh->none = none;
  const std::int64_t round = model.round;
  if (!none) {
    fresh->parts = write_model_file(model, {{"round", std::to_string(round)}, {"aggregation", options.aggregation}});
    Sha256 sha;
    for (const Bytes& part : fresh->parts) {
      sha.update(part.span());
      fresh->size += part.size();
    }
    fresh->digest = sha.finish();
  }
  fresh->model = std::make_shared<const Model>(std::move(model));
  offer_model(*fresh);
  if (journal) {
    const Weights state = state_of(rules);
    Record record;
    record.kind = Record::Kind::kPublished;
    record.round = round;
    record.digest = fresh->digest;
    record.samples = report.total_weight;
    record.last = report.last;
    record.metrics = report.metrics;
    record.histories = std::move(known);
    const auto write = [&] {
      if (!state.empty()) write_whole(layout.state(round), tensor::write_safetensors(state, {}));
      if (!none) write_whole(layout.model(round), fresh->parts);
      step("publish: before the record");
      const std::lock_guard lock(mutex);
      journal->append(record);
    };
    if (patient) {
      when_there_is_room("a model", write);
    } else {
      write();
    }
    step("publish: after the record");
    {
      const std::lock_guard lock(mutex);
      journal->compact();
    }
    prune_models(round);
  }
  const std::lock_guard lock(mutex);
  before = std::exchange(published, fresh);
  if (asynchronous()) keep_history_locked();
  model_round = round;
  wants_initial = false;
  if (!manifest.set && !none) manifest = Manifest::of(fresh->model->weights);
  // Rounds may have closed meanwhile: this model is what the oldest of those that wait begins with.
  if (const auto next = after_newest_locked(); next && !next->sum) {
    next->sum = std::make_unique<RoundSum>(rules, none ? nullptr : fresh->model);
  }
  changed.notify_all();
}

void AggregationServer::Impl::stall_locked(const char* what, std::string reason) {
  if (reason == stalled) return;
  stalled = std::move(reason);
  if (stalled.empty()) {
    log::info("there is room again: the job goes on", {{"folder", options.state_folder}});
  } else {
    log::error("nothing can be written down; what was acknowledged stays, and it is tried again",
               {{"what", what}, {"error", stalled}});
  }
  changed_locked();
}

void AggregationServer::Impl::when_there_is_room(const char* what, const std::function<void()>& write) {
  const auto give_up = SteadyClock::now() + machine.options().idle_limit;
  while (true) {
    std::optional<Error> full;
    try {
      write();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kResourceExhausted || SteadyClock::now() >= give_up) throw;
      full = error;
    }
    std::unique_lock lock(mutex);
    stall_locked(what, full ? full->what() : "");
    if (!full) return;
    changed.wait_for(lock, kRoomAgain, [this] { return stopping; });
    if (stopping) throw Error(ErrorCode::kUnavailable, "the server is going away");
  }
}

void AggregationServer::Impl::prune_models(std::int64_t newest) const {
  std::error_code ignored;  // what cannot be removed costs room, not correctness
  const auto oldest = newest - static_cast<std::int64_t>(std::max<std::size_t>(options.keep_models, 1)) + 1 -
                      (asynchronous() ? *machine.options().max_staleness : 0);
  for (const auto& [folder, prefix, limit] : {std::tuple(layout.models(), std::string("round-"), oldest),
                                              {layout.models(), std::string("state-"), newest},
                                              {layout.updates(), std::string(), newest + 1}}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      long long number = -1;
      if (!name.starts_with(prefix) || std::sscanf(name.c_str() + prefix.size(), "%lld", &number) != 1) continue;
      if (number < limit) std::filesystem::remove(entry.path(), ignored);
    }
  }
}

void AggregationServer::Impl::end_locked() {
  over = true;
  const bool failed = machine.phase() == RoundMachine::Phase::kFailed;
  if (failed) log::error("the job has failed", {{"reason", machine.failure()}});
  for (const auto& [name, peer] : peers) {
    // An upstream client whose connection ends raises; one whose connection stays would wait for ever.
    if (failed) peer->close(1011, machine.failure());
    if (!failed) peer->close(1000, "the job is over");
  }
  changed_locked();
  changed.notify_all();
}

void AggregationServer::Impl::send_model_locked(const std::shared_ptr<Peer>& peer) {
  // A newer model than this one may be in the making: then everybody connected is about to get it.
  if (model_round == 0 || model_round != machine.closed_rounds() || !published || peer->model_round == model_round) {
    return;
  }
  if (model_text.empty()) {
    Aggregate model;
    model.weights = published->model->weights;
    model.total_weight = published->total_weight;
    model.none = published->none;
    model_text = Bytes::from_string(write_model(envelope, model, model_round, published->last));
  }
  peer->model_round = model_round;
  peer->waiting = false;
  if (peer->send(model_text)) {
    sent_bytes.add(model_text.size());
    round_bytes_sent += model_text.size();
  }
}

void AggregationServer::Impl::broadcast_locked(const Bytes& text, const Peer* except) {
  for (const auto& [name, peer] : peers) {
    if (peer.get() != except) peer->send(text);
  }
}

}  // namespace sedna::federated
