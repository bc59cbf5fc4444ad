// Asynchronous rules at AggregationServer: the models that updates under way may have begun with.
#include <utility>

#include "sedna/base/sha256.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

std::shared_ptr<const Weights> AggregationServer::Impl::beginning_locked(std::int64_t round) const {
  std::shared_ptr<const Published> found;
  if (published && published->model->round == round - 1) found = published;
  if (const auto it = history.find(round - 1); it != history.end()) found = it->second;
  if (!found || found->none) return nullptr;
  return {found->model, &found->model->weights};
}

void AggregationServer::Impl::keep_history_locked() {
  const std::int64_t newest = published->model->round;
  // With a state folder the older ones lie there, mapped: they cost no memory that the system could not take back.
  if (journal && before && !before->none) {
    if (const auto it = history.find(before->model->round); it != history.end()) {
      if (auto mapped = from_disk(before->model->round, before->digest)) it->second = before = std::move(mapped);
    }
  }
  history[newest] = published;
  std::erase_if(history, [&](const auto& entry) { return entry.first < newest - *machine.options().max_staleness; });
}

std::shared_ptr<const AggregationServer::Impl::Published> AggregationServer::Impl::from_disk(
    std::int64_t round, const std::string& digest) const {
  const auto path = layout.model(round);
  if (!std::filesystem::exists(path)) return nullptr;
  const Bytes file = map_file(path);
  auto out = std::make_shared<Published>();
  out->digest = digest.empty() ? sha256_hex(file.text()) : digest;
  out->model = std::make_shared<const Model>(read_model_file(file));
  out->parts = {file};
  out->size = file.size();
  return out;
}

void AggregationServer::Impl::restore_history(std::int64_t newest) {
  for (std::int64_t round = newest - *machine.options().max_staleness; round < newest; ++round) {
    if (round < 0) continue;
    if (auto model = from_disk(round, {})) history[round] = std::move(model);
  }
  history[newest] = published;
}

}  // namespace sedna::federated
