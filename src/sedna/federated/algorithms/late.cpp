#include "sedna/federated/algorithms/late.hpp"

#include <utility>

#include "sedna/federated/algorithms/staleness.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class Carry final : public Algorithm {
 public:
  Carry(std::unique_ptr<Algorithm> inner, Settings& settings)
      : inner_(std::move(inner)),
        scale_(settings),
        rounds_{static_cast<std::int64_t>(settings.count("maxStaleness", 10, 1, 100'000)), 0} {}
  std::string_view name() const override { return inner_->name(); }
  std::vector<ClientParameter> for_clients() const override { return inner_->for_clients(); }
  bool needs_base() const override { return true; }
  double weight(const Update& update) const override { return inner_->weight(update); }
  std::optional<Asynchrony> asynchrony() const override { return rounds_; }
  Weights placed(const Update& update, const Weights& now) const override {
    if (update.staleness == 0 || !update.began_with) return update.weights;
    return moved_to(update, now, scale_(update.staleness));
  }
  Model next(RoundEnd end) override { return inner_->next(std::move(end)); }
  Weights state() const override { return inner_->state(); }
  void restore(const Weights& state) override { inner_->restore(state); }

 private:
  std::unique_ptr<Algorithm> inner_;
  StalenessWeight scale_;
  Asynchrony rounds_;
};

}  // namespace

Weights moved_to(const Update& update, const Weights& now, double scale) {
  Weights out;
  for (std::size_t i = 0; i < now.size(); ++i) {
    out.push_back(map_tensors(update.weights[i], (*update.began_with)[i], now[i],
                              [scale](double w, double then, double x) { return x + scale * (w - then); }));
  }
  return out;
}

std::unique_ptr<Algorithm> with_late_policy(std::unique_ptr<Algorithm> inner, std::string_view policy) {
  Settings settings(policy);
  if (settings.name() == "discard") {
    settings.finish();
    return inner;
  }
  if (settings.name() != "carry") {
    throw Error(ErrorCode::kInvalidArgument, "is '" + settings.name() + "'; it must be discard or carry", "late");
  }
  const std::string name(inner->name());
  if (inner->asynchrony()) {
    throw Error(ErrorCode::kInvalidArgument, "is for rounds; " + name + " counts every update by its age", "late");
  }
  if (!inner->composes()) {
    throw Error(ErrorCode::kInvalidArgument,
                "is for FedAvg, FedProx, FedAvgM, FedAdam, FedYogi and FedAdagrad; what " + name +
                    " is sent belongs to its round",
                "late");
  }
  auto carry = std::make_unique<Carry>(std::move(inner), settings);
  settings.finish();
  return carry;
}

}  // namespace sedna::federated
