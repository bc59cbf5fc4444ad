// FLTrust: one client, the root, trains on data that the server's owner trusts. Another update counts by how much it
// points the root's way, and as long as the root's is: with changes g_i = x_i − x and the root's g_0,
//   t_i = max(0, cos(g_i, g_0)),   x' = x + sum_i t_i (|g_0| / |g_i|) g_i / sum_i t_i.
// The root's own update counts with t = 1 here, so that there is a result when nobody agrees with it.
// Cao et al., "FLTrust: Byzantine-robust Federated Learning via Trust Bootstrapping", NDSS 2021.
#include <algorithm>
#include <cmath>

#include "sedna/federated/robust/gram.hpp"

namespace sedna::federated {

namespace {

class FlTrust final : public Collected {
 public:
  FlTrust(Base base, std::string root) : Collected("FLTrust", 1), base_(std::move(base)), root_(std::move(root)) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    const auto root = std::ranges::find(updates, root_, &Update::client);
    if (root == updates.end()) {
      throw Error(ErrorCode::kInvalidArgument, "the round has no update of the root client " + root_, "FLTrust");
    }
    const auto r = static_cast<std::size_t>(root - updates.begin());
    std::vector<double> coefficients(updates.size(), 0.0);
    coefficients[r] = 1;
    if (base_ == nullptr) return linear_combination(updates, coefficients, nullptr);  // no change to compare yet
    const Gram gram(updates, base_.get());
    const double length = std::sqrt(gram.dot(r, r));
    double total = 1;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      const double own = std::sqrt(gram.dot(i, i));
      if (i == r || !(own > 0) || !(length > 0) || !std::isfinite(own)) continue;
      const double trust = std::max(0.0, gram.dot(i, r) / (own * length));
      coefficients[i] = trust * length / own;
      total += trust;
    }
    for (double& c : coefficients) c /= total;
    return linear_combination(updates, coefficients, base_.get());
  }

 private:
  Base base_;
  std::string root_;
};

}  // namespace

std::unique_ptr<Aggregation> make_fltrust(const Base& base, std::string root) {
  return std::make_unique<FlTrust>(base, std::move(root));
}

}  // namespace sedna::federated
