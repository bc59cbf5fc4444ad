#include "sedna/federated/rules.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/federated/algorithms/late.hpp"
#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/fixed_point_mean.hpp"
#include "sedna/federated/mean.hpp"
#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

namespace {

struct Robust {
  std::size_t min_updates = 1;
  CombinationFactory factory;
};

Robust make_robust(Settings& settings) {
  constexpr std::size_t kMany = 1'000'000;
  const std::string& name = settings.name();
  Robust out;
  if (name == "Median") {
    out.factory = [](const Base& base) { return make_median(base); };
  } else if (name == "TrimmedMean") {
    const std::size_t b = settings.count("b", 1, 1, kMany);
    out.min_updates = 2 * b + 1;
    out.factory = [b](const Base& base) { return make_trimmed_mean(base, b); };
  } else if (name == "Krum") {
    const std::size_t f = settings.count("f", 1, 0, kMany);
    out.min_updates = 2 * f + 3;
    out.factory = [f](const Base& base) { return make_krum(base, f); };
  } else if (name == "MultiKrum") {
    const std::size_t f = settings.count("f", 1, 0, kMany);
    const std::size_t m = settings.count("m", 0, 0, kMany);
    out.min_updates = 2 * f + 3;
    out.factory = [f, m](const Base& base) { return make_multi_krum(base, f, m); };
  } else if (name == "Bulyan") {
    const std::size_t f = settings.count("f", 1, 0, kMany);
    out.min_updates = 4 * f + 3;
    out.factory = [f](const Base& base) { return make_bulyan(base, f); };
  } else if (name == "GeometricMedian") {
    const std::size_t iterations = settings.count("iterations", 50, 1, 10000);
    const double nu = settings.number("nu", 1e-6, 1e-300, 1e9);
    out.factory = [iterations, nu](const Base& base) { return make_geometric_median(base, iterations, nu); };
  } else if (name == "FLTrust") {
    std::string root = settings.text("root", "");
    if (root.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "must name the trusted client", "FLTrust.root");
    }
    out.factory = [root](const Base& base) { return make_fltrust(base, root); };
  } else {
    std::string known;
    for (const std::string& rule : robust_names()) known += (known.empty() ? "" : ", ") + rule;
    throw Error(ErrorCode::kNotFound, "no such robust rule; there are " + known, name);
  }
  settings.finish();
  return out;
}

bool finite(const tensor::Tensor& tensor) {
  bool all = true;
  with_float(tensor.dtype, [&](auto zero) {
    for (const auto value : tensor.as<decltype(zero)>()) all &= std::isfinite(value);
  });
  return all;
}

bool is_robust(const std::string& name) {
  const auto names = robust_names();
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::vector<std::string> robust_names() {
  return {"Bulyan", "FLTrust", "GeometricMedian", "Krum", "Median", "MultiKrum", "TrimmedMean"};
}

Rules Rules::make(const RuleOptions& options) {
  Rules rules;
  Settings algorithm(options.algorithm);
  std::string robust = options.robust;
  if (is_robust(algorithm.name())) {
    if (!robust.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "is a robust rule, and so is " + robust, options.algorithm);
    }
    robust = options.algorithm;
    algorithm = Settings("FedAvg");
  }
  rules.algorithm = make_algorithm(algorithm);
  if (!options.late.empty()) {
    rules.algorithm = with_late_policy(std::move(rules.algorithm), options.late);
    rules.carries_late = rules.algorithm->asynchrony().has_value();
    if (rules.carries_late && options.strict) {
      throw Error(ErrorCode::kInvalidArgument,
                  "carry does not go with strict: which round an update counts in depends on when it comes", "late");
    }
  }
  if (rules.algorithm->asynchrony() && options.strict) {
    throw Error(ErrorCode::kInvalidArgument,
                "is for rules of which the order of arrival does not change the result; " +
                    std::string(rules.algorithm->name()) + " is not one",
                "strict");
  }
  if (!options.clip.empty()) rules.clip.emplace(options.clip);
  rules.clip_text = options.clip;
  rules.strict = options.strict;
  if (!options.privacy.empty()) {
    rules.privacy.emplace(options.privacy);
    if (!rules.clip || rules.clip->adaptive()) {
      throw Error(ErrorCode::kInvalidArgument, "needs clip as a number: the noise is a multiple of it", "privacy");
    }
    if (!robust.empty() || rules.algorithm->needs_extra() || rules.algorithm->needs_steps()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "is for the mean of updates; " + (robust.empty() ? std::string(rules.algorithm->name()) : robust) +
                      " makes something else of them",
                  "privacy");
    }
  }
  if (robust.empty()) {
    if (options.bucket > 1) throw Error(ErrorCode::kInvalidArgument, "buckets are for robust rules", "bucket");
    if (options.strict) {
      rules.combination = [](const Base& base) {
        return std::make_unique<FixedPointMean>(base.get(), FixedPointOptions());
      };
    } else {
      rules.combination = [](const Base&) { return std::make_unique<WeightedMean>(); };
    }
    return rules;
  }
  if (options.strict) throw Error(ErrorCode::kInvalidArgument, "is for the mean; robust rules sort", "strict");
  Settings settings(robust);
  Robust made = make_robust(settings);
  rules.robust = settings.name();
  if (options.bucket > 1) {
    if (rules.robust == "FLTrust") throw Error(ErrorCode::kInvalidArgument, "buckets hide the root client", "bucket");
    rules.min_updates = options.bucket * (made.min_updates - 1) + 1;
    rules.combination = [size = options.bucket, seed = options.seed, factory = made.factory](const Base& base) {
      return make_bucketing(size, seed, factory(base));
    };
  } else {
    rules.min_updates = made.min_updates;
    rules.combination = made.factory;
  }
  return rules;
}

Rules Rules::around(AggregationFactory factory) {
  Rules rules = make(RuleOptions());
  rules.combination = [factory = std::move(factory)](const Base&) { return factory(); };
  rules.user_rule = true;
  return rules;
}

namespace {

/// What clients are told is the root's, what becomes of the sum too.
class OfSite final : public Algorithm {
 public:
  explicit OfSite(const SiteRules& options) : name_(options.algorithm), parameters_(options.parameters) {}
  std::string_view name() const override { return name_; }
  std::vector<ClientParameter> for_clients() const override { return parameters_; }
  bool composes() const override { return true; }

 private:
  std::string name_;
  std::vector<ClientParameter> parameters_;
};

}  // namespace

Rules Rules::of_site(const SiteRules& options) {
  RuleOptions plain;
  plain.strict = options.strict;
  plain.clip = options.clip;
  Rules rules = make(plain);
  rules.algorithm = std::make_unique<OfSite>(options);
  rules.alike = options.alike;
  return rules;
}

Result<void> Rules::composes() const {
  const auto no = [](std::string why, std::string setting) {
    return Error(ErrorCode::kInvalidArgument,
                 why + "; sums of sites are for FedAvg, FedProx, FedAvgM, FedAdam, FedYogi and FedAdagrad",
                 std::move(setting));
  };
  if (user_rule) return no("is user code, which looks at each client's update", "aggregation");
  if (!robust.empty()) return no(robust + " compares each client's update with the others", "robust");
  if (clip && clip->adaptive()) return no("median needs the length of each client's update", "clip");
  if (carries_late) return no("carry needs each client's update and the model that it began with", "late");
  if (algorithm->asynchrony()) return no(std::string(algorithm->name()) + " has no rounds to close", "algorithm");
  if (!algorithm->composes()) {
    return no(std::string(algorithm->name()) + " looks at more than the mean of the clients' updates", "algorithm");
  }
  return {};
}

double Rules::epsilon(std::size_t rounds) const {
  return gaussian_epsilon(privacy ? privacy->noise : 0, rounds, privacy ? privacy->delta : 0.5);
}

RoundSum::RoundSum(Rules& rules, std::shared_ptr<const Model> base)
    : rules_(rules),
      base_(std::move(base)),
      combination_(rules.combination(base_ ? Base(base_, &base_->weights) : nullptr)) {}

Result<void> RoundSum::check(const Update& update) const {
  const std::string name(rules_.algorithm->name());
  if (update.partial) {
    if (const auto may = rules_.composes(); !may) return may;
    const PartialSum& sum = *update.partial;
    const bool alike = rules_.privacy || rules_.alike;
    if (sum.total + sum.total_low != (alike ? static_cast<double>(sum.clients) : update.weight)) {
      return Error(ErrorCode::kInvalidArgument,
                   alike ? "must be the number of clients: they weigh alike" : "must be num_samples",
                   "__metadata__.sum.weight");
    }
    return combination_->check_sum(sum);
  }
  if (rules_.algorithm->needs_extra() && update.extra.size() != update.weights.size()) {
    return Error(ErrorCode::kInvalidArgument, name + " needs a change of the control variate beside the weights",
                 "extra");
  }
  if (rules_.algorithm->needs_steps() && !(update.steps > 0)) {
    return Error(ErrorCode::kInvalidArgument, name + " needs the number of local steps", "steps");
  }
  if ((rules_.privacy || rules_.alike) && !base_) {
    return Error(ErrorCode::kInvalidArgument, "cannot be cut: the round does not know what it began with", "weights");
  }
  return combination_->check(update);
}

void RoundSum::add(Update update) {
  if (base_ && rules_.algorithm->asynchrony()) {
    update.weights = rules_.algorithm->placed(update, base_->weights);
    update.began_with.reset();
  }
  contributions_.push_back({update.client, update.weight, update.steps});
  end_.total_weight += update.weight;
  if (update.partial) {
    end_.sites[update.client] = update.partial->clients;
    clients_ += update.partial->clients;
    combination_->merge_sum(*update.partial);
    return;
  }
  ++clients_;
  if (!update.extra.empty() && rules_.algorithm->needs_extra()) {
    if (!extra_) extra_ = std::make_unique<WeightedMean>();
    extra_->accumulate({update.client, 1, std::exchange(update.extra, {})});
  }
  update.weight = rules_.privacy || rules_.alike ? 1 : rules_.algorithm->weight(update);
  if (!rules_.clip || !base_) {
    combine(std::move(update), std::nullopt, 0);
    return;
  }
  const double norm = distance(update.weights, &base_->weights);
  norms_.push_back(norm);
  end_.largest_norm = std::max(end_.largest_norm, norm);
  if (const auto bound = rules_.clip->bound()) {
    combine(std::move(update), norm, *bound);
  } else {
    held_.push_back(std::move(update));
  }
}

void RoundSum::combine(Update update, std::optional<double> norm, double bound) {
  if (norm && *norm > bound) {
    update.weights = NormClip::clipped(update.weights, base_->weights, *norm, bound);
    ++end_.clipped;
  }
  combination_->accumulate(std::move(update));
}

RoundSum::End RoundSum::finish(std::size_t clients) {
  if (!held_.empty()) {
    const double bound = rules_.clip->bound_of(norms_);
    for (std::size_t i = 0; i < held_.size(); ++i) combine(std::move(held_[i]), norms_[i], bound);
    held_.clear();
  }
  if (rules_.clip) rules_.clip->remember(norms_);
  RoundEnd round;
  round.base = base_.get();
  round.combined = combination_->report();
  combination_.reset();
  if (rules_.privacy) {
    // One update moves the sum by the bound at most; the noise is a multiple of that, seen from the mean.
    const auto n = static_cast<double>(clients_);
    add_gaussian_noise(round.combined.weights, rules_.privacy->noise * *rules_.clip->bound() / n);
  }
  if (extra_) round.extra_mean = extra_->report().weights;
  round.contributions = std::move(contributions_);
  round.clients = clients;
  End out = std::move(end_);
  out.none = round.combined.none;
  // A rule of user code says itself what its updates weigh together.
  if (rules_.user_rule) out.total_weight = round.combined.total_weight;
  out.model = rules_.algorithm->next(std::move(round));
  for (const auto& tensor : out.model.weights) {
    if (!rules_.user_rule && !finite(tensor)) {
      throw Error(ErrorCode::kAborted, "the round's model is not finite: the algorithm diverges", tensor.name);
    }
  }
  return out;
}

PartialSum RoundSum::take_sum(End& end) {
  end = std::move(end_);
  return combination_->take_sum();
}

}  // namespace sedna::federated
