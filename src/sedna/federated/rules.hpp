// Puts a job's rules together by name: what combines a round's updates (mean, strict mean, a robust rule, with buckets
// and clipping before it) and what the algorithm makes of the result. Called by the aggregation server.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/clip.hpp"
#include "sedna/federated/partial_sum.hpp"
#include "sedna/federated/privacy.hpp"

namespace sedna::federated {

struct RuleOptions {
  RuleOptions() {}
  std::string algorithm = "FedAvg";  ///< "FedAdam,learningRate=0.03"; a robust rule's name means FedAvg with that rule
  std::string robust;                ///< "TrimmedMean,b=2"; empty: the mean
  std::string clip;                  ///< "10", "median"; empty: none
  std::size_t bucket = 1;            ///< updates that are averaged before the robust rule sees them
  bool strict = false;               ///< the mean in 64-bit integers
  std::uint64_t seed = 0;            ///< of the buckets
  std::string late;                  ///< "carry,maxStaleness=3": what comes after its round; empty: counts for nothing
  std::string privacy;               ///< "1.1,delta=1e-6": noise for differential privacy; empty: none
};

/// What an aggregator in the middle of a tree does with its clients' updates, as the one above it says.
struct SiteRules {
  SiteRules() {}
  std::string algorithm = "FedAvg";  ///< as clients are told
  std::vector<ClientParameter> parameters;
  bool strict = false;
  std::string clip;    ///< a number; empty: none
  bool alike = false;  ///< all clients weigh 1 (differential privacy)
};

/// Lives as long as the job. Not thread-safe.
struct Rules {
  std::unique_ptr<Algorithm> algorithm;
  CombinationFactory combination;
  std::optional<NormClip> clip;
  std::optional<PrivacyOptions> privacy;
  std::string robust;           ///< the robust rule's name; empty for the mean
  std::size_t min_updates = 1;  ///< a round with fewer cannot be combined
  bool user_rule = false;       ///< `combination` is user code: what it reports stands
  bool alike = false;           ///< all updates weigh 1
  bool strict = false;
  bool carries_late = false;  ///< an update may count in a later round than its own
  std::string clip_text;

  /// Throws Error(kInvalidArgument, kNotFound) naming the rule and the parameter.
  static Rules make(const RuleOptions& options);
  /// FedAvg around user code.
  static Rules around(AggregationFactory factory);
  /// Of a site: sums that are merged elsewhere.
  static Rules of_site(const SiteRules& options);
  /// Whether sums of sites may stand for their clients' updates; the error names the setting because of which not.
  Result<void> composes() const;
  /// Whether a site is trusted with more than a client: what it sends cannot be held against the rules any more.
  bool trusts_sites() const { return clip.has_value() || privacy.has_value(); }
  /// ε after so many rounds; infinite without privacy.
  double epsilon(std::size_t rounds) const;
  /// Whether a round's updates are kept until its end.
  bool keeps_updates() const { return user_rule || (!robust.empty() && robust != "TrimmedMean"); }
  /// Whether a round needs to know the model it began with.
  bool needs_base() const { return algorithm->needs_base() || clip.has_value() || robust == "FLTrust"; }
};

/// Median, TrimmedMean, Krum, MultiKrum, Bulyan, GeometricMedian, FLTrust.
std::vector<std::string> robust_names();

/// One round's sum under the job's rules. Not thread-safe.
class RoundSum {
 public:
  /// `base` may be null. The rules and the base must outlive it.
  RoundSum(Rules& rules, std::shared_ptr<const Model> base);
  /// What the rules ask beyond check_update(): extra tensors, steps, the range of strict sums.
  Result<void> check(const Update& update) const;
  /// Adds an update that has passed all checks.
  void add(Update update);
  std::size_t count() const { return contributions_.size(); }

  struct End {
    Model model;
    double total_weight = 0;  ///< samples
    bool none = false;        ///< a rule of user code gave no model
    double largest_norm = 0;  ///< of the changes, before clipping; 0 where nobody measured them
    std::size_t clipped = 0;
    std::map<std::string, std::size_t> sites;  ///< how many clients are in the sum of each
  };
  /// `clients`: how many there are in the job. At least min_updates were added. Throws Error.
  End finish(std::size_t clients);
  /// Of a site instead: the sum as it goes up. `end` gets everything but the model.
  PartialSum take_sum(End& end);
  /// See Aggregation.
  double weight_limit() const { return combination_->weight_limit(); }

 private:
  void combine(Update update, std::optional<double> norm, double bound);

  Rules& rules_;
  std::shared_ptr<const Model> base_;
  std::unique_ptr<Aggregation> combination_;
  std::unique_ptr<Aggregation> extra_;
  std::vector<Contribution> contributions_;
  std::vector<double> norms_;
  std::vector<Update> held_;  ///< of a first round whose own median is the bound
  std::size_t clients_ = 0;   ///< that are in the sum, those of sites too
  End end_;
};

}  // namespace sedna::federated
