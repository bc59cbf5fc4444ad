// Bucketing: the updates are shuffled (by a seed and their clients' names), averaged in buckets of s by their samples,
// and the means go into another rule. Uneven data then looks more even to it, and it has fewer updates to look at.
// Karimireddy, He, Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing", ICLR 2022.
#include <algorithm>

#include "sedna/base/sha256.hpp"
#include "sedna/federated/mean.hpp"
#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

namespace {

class Bucketing final : public Collected {
 public:
  Bucketing(std::size_t size, std::uint64_t seed, std::unique_ptr<Aggregation> inner)
      : Collected("Bucketing", 1), size_(size), seed_(seed), inner_(std::move(inner)) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    std::vector<std::pair<std::string, std::size_t>> order;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      order.emplace_back(sha256_hex(std::to_string(seed_) + "/" + updates[i].client), i);
    }
    std::ranges::sort(order);
    for (std::size_t first = 0; first < order.size(); first += size_) {
      WeightedMean mean;
      const std::size_t last = std::min(first + size_, order.size());
      for (std::size_t k = first; k < last; ++k) mean.accumulate(updates[order[k].second]);
      Aggregate bucket = mean.report();
      Update update;
      update.client = "bucket-" + std::to_string(1'000'000 + first);
      update.weight = bucket.total_weight;
      update.weights = std::move(bucket.weights);
      inner_->accumulate(std::move(update));
    }
    return inner_->report().weights;
  }

 private:
  std::size_t size_;
  std::uint64_t seed_;
  std::unique_ptr<Aggregation> inner_;
};

}  // namespace

std::unique_ptr<Aggregation> make_bucketing(std::size_t size, std::uint64_t seed, std::unique_ptr<Aggregation> inner) {
  return std::make_unique<Bucketing>(size, seed, std::move(inner));
}

}  // namespace sedna::federated
