// How AggregationServer takes up where its records end.
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/server_impl.hpp"
#include "sedna/federated/upstream.hpp"

namespace sedna::federated {

namespace {

constexpr auto kPredecessorEnds = std::chrono::seconds(10);

std::string rules_text(const RuleOptions& rules, bool user_rule) {
  if (user_rule) return "user code";
  std::string text = rules.algorithm;
  if (!rules.robust.empty()) text += " robust=" + rules.robust;
  if (!rules.clip.empty()) text += " clip=" + rules.clip;
  if (rules.bucket > 1) text += " bucket=" + std::to_string(rules.bucket);
  if (rules.strict) text += " strict";
  if (!rules.privacy.empty()) text += " privacy=" + rules.privacy;
  return text;
}

}  // namespace

void AggregationServer::Impl::restore() {
  const auto begin = [this] {
    if (options.site) {
      wants_initial = options.upstream && options.upstream->wants_initial();
    } else if (!options.initial_model.empty()) {
      Model model = read_model_file(map_file(options.initial_model));
      model.round = 0;
      open->sum.reset();
      install(std::move(model), {}, false, false);
    } else {
      wants_initial = rules.needs_base() || !codec.none();
    }
  };
  if (options.state_folder.empty()) {
    // Nothing tells it which run this is but the time.
    epoch = std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock::now().time_since_epoch()).count();
    staging_folder = std::filesystem::temp_directory_path();
    open_round_locked();
    open->sum = std::make_unique<RoundSum>(rules, nullptr);
    begin();
    begin_with_upstream();
    return;
  }
  layout.root = options.state_folder;
  staging_folder = layout.staging();
  for (const auto& folder : {layout.root, layout.models(), layout.updates(), layout.staging()}) {
    storage::make_folder(folder);
  }
  folder_lock = std::make_unique<FolderLock>(layout.root, kPredecessorEnds);
  for (const auto& entry : std::filesystem::directory_iterator(staging_folder)) std::filesystem::remove(entry.path());
  journal = std::make_unique<Journal>(layout.journal());
  // What a site's rules are is said above, each time it begins.
  const std::string text =
      options.site ? std::string("a site") : rules_text(options.rules, static_cast<bool>(options.factory));
  RoundMachine::Restored from;
  const Record* newest = nullptr;
  std::vector<const Record*> commits;
  std::map<std::int64_t, const Record*> choices;
  std::map<std::int64_t, const Record*> relayed;
  for (const Record& record : journal->records()) {
    switch (record.kind) {
      case Record::Kind::kOpened:
        epoch = std::max(epoch, record.epoch + 1);
        if (record.rules != text) {
          throw Error(ErrorCode::kConflict,
                      "holds a job of " + record.rules + "; this one is " + text + ": give it a folder of its own",
                      options.state_folder);
        }
        break;
      case Record::Kind::kCommitted:
        if (record.round > from.closed_rounds) commits.push_back(&record);
        break;
      case Record::Kind::kPublished:
        from.closed_rounds = record.round;
        if (record.round > 0) from.metrics.push_back(record.metrics);
        from.ended = record.last;
        from.known = record.histories;
        newest = &record;
        break;
      case Record::Kind::kChosen:
        choices[record.round] = &record;
        break;
      case Record::Kind::kRelayed:
        relayed[record.round] = &record;
        break;
    }
  }
  // Closed here, and under way to the aggregator above.
  for (const auto& [number, record] : relayed) {
    if (number != from.closed_rounds + 1) continue;
    restore_sum(*record);
    from.closed_rounds = number;
  }
  // The open round's; what came for one behind it, while that one's close was not in the records, is sent again.
  std::erase_if(commits, [&](const Record* record) { return record->round != from.closed_rounds + 1; });
  if (const auto it = choices.find(from.closed_rounds + 1); it != choices.end()) {
    from.chosen = {it->second->round, it->second->attempt, it->second->clients};
  }
  Record opened;
  opened.kind = Record::Kind::kOpened;
  opened.epoch = epoch;
  opened.rules = text;
  open_round_locked();
  if (newest != nullptr) {
    auto fresh = std::make_shared<Published>();
    fresh->none = newest->digest.empty();
    Model model;
    if (!fresh->none) {
      const Bytes file = map_file(layout.model(newest->round));
      if (sha256_hex(file.text()) != newest->digest) {
        throw Error(ErrorCode::kDataLoss, "is not the model that was published", layout.model(newest->round).string());
      }
      model = read_model_file(file);
      fresh->parts = {file};
      fresh->size = file.size();
      fresh->digest = newest->digest;
      manifest = Manifest::of(model.weights);
    }
    fresh->model = std::make_shared<const Model>(std::move(model));
    fresh->total_weight = newest->samples;
    fresh->last = newest->last;
    if (std::filesystem::exists(layout.state(newest->round))) {
      const auto state = tensor::read_safetensors(map_file(layout.state(newest->round))).value();
      Weights own;
      for (const auto& tensor : state.tensors) {
        if (tensor.name != kClipHistory) {
          own.push_back(tensor);
        } else if (rules.clip) {
          const auto lengths = tensor.as<double>();
          rules.clip->restore({lengths.begin(), lengths.end()});
        }
      }
      rules.algorithm->restore(own);
    }
    published = fresh;
    model_round = newest->round;
    if (asynchronous()) restore_history(newest->round);
  }
  open->round = from.closed_rounds + 1;
  if (to_publish.empty()) {
    open->sum = std::make_unique<RoundSum>(rules, published && !published->none ? published->model : nullptr);
  }
  std::vector<Update> updates;
  for (const Record* record : commits) {
    // An update that is not here is sent again by its client: it keeps it until the round's model is out.
    if (record->file.empty()) break;
    auto update = read_update(map_file(layout.updates() / record->file), record->client);
    if (!update) throw Error(ErrorCode::kDataLoss, update.error().what(), record->file);
    if (!options.features && !update->partial) conform(update->weights, manifest);
    if (!options.features && !update->partial) conform(update->extra, manifest);
    learn_form_locked(*update);
    const std::int64_t trained = record->trained != 0 ? record->trained : record->round;
    if (asynchronous()) {
      update->staleness = record->round - trained;
      update->began_with = beginning_locked(trained);
    }
    from.committed.push_back({record->client, record->samples, record->digest, trained, record->metrics});
    updates.push_back(std::move(*update));
  }
  journal->append(opened);
  const auto round = open;
  for (Update& update : updates) round->waiting.push_back({std::move(update), !round->sum});
  if (from.chosen) chosen = from.chosen->clients;
  machine.restore(from, SteadyClock::now());
  add_waiting(round);
  collect_closed_locked();
  if (newest == nullptr && updates.empty() && to_publish.empty()) begin();
  if (newest != nullptr || !updates.empty()) {
    log::info("the job goes on", {{"round", machine.closed_rounds() + 1},
                                  {"updates", machine.updates()},
                                  {"epoch", epoch},
                                  {"folder", options.state_folder}});
  }
  begin_with_upstream();
}

void AggregationServer::Impl::begin_with_upstream() {
  if (!options.upstream) return;
  if (auto first = options.upstream->take_first()) take_news(news_of(std::move(*first)), false);
}

}  // namespace sedna::federated
