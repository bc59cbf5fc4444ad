// What FedAdam, FedYogi and FedAdagrad share. With d = mean_i(x_i) − x, element by element:
//   m' = beta1 m + (1 − beta1) d,   v' = (each its own),   x' = x + eta m' / (sqrt(v') + tau),   v_0 = tau².
// Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2.
#pragma once

#include <cmath>

#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

/// `Second` makes v' from v and d².
template <class Second>
class Adaptive final : public Algorithm {
 public:
  Adaptive(std::string_view name, Settings& settings, double rate, double beta1, Second second)
      : name_(name),
        rate_(settings.number("learningRate", rate, 0, 1e9)),
        beta1_(settings.number("beta1", beta1, 0, 1)),
        tau_(settings.number("tau", 1e-3, 1e-300, 1e9)),
        second_(std::move(second)) {}

  std::string_view name() const override { return name_; }
  bool composes() const override { return true; }
  bool needs_base() const override { return true; }

  Model next(RoundEnd end) override {
    if (end.base == nullptr) return Algorithm::next(std::move(end));
    if (m_.empty()) {
      m_ = zeros_like(end.base->weights);
      v_ = zeros_like(end.base->weights, tau_ * tau_);
    }
    Model model;
    for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
      double* const m = m_[i].data();
      double* const v = v_[i].data();
      model.weights.push_back(
          map_tensors(end.base->weights[i], end.combined.weights[i], [&](std::size_t k, double x, double mean) {
            const double d = mean - x;
            m[k] = beta1_ * m[k] + (1 - beta1_) * d;
            v[k] = second_(v[k], d * d);
            return x + rate_ * m[k] / (std::sqrt(v[k]) + tau_);
          }));
    }
    return model;
  }

  Weights state() const override {
    Weights out = moments_to_tensors(m_, "m");
    for (auto& tensor : moments_to_tensors(v_, "v")) out.push_back(std::move(tensor));
    return out;
  }
  void restore(const Weights& state) override {
    m_ = moments_from_tensors(state, "m");
    v_ = moments_from_tensors(state, "v");
    if (m_.size() != v_.size()) throw Error(ErrorCode::kDataLoss, "m and v do not belong together", std::string(name_));
  }

 private:
  std::string_view name_;
  double rate_;
  double beta1_;
  double tau_;
  Second second_;
  Moments m_;
  Moments v_;
};

}  // namespace sedna::federated
