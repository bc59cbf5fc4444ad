// Ditto: beside the shared model w, which is trained and averaged as ever, each client trains a model v of its own that
// stays near it:
//   min_v  F_i(v) + (lambda/2) |v − w|²,   v ← v − eta (∇F_i(v) + lambda (v − w)),   v = w at first.
// v never leaves the client. lambda = 0 is training alone; the larger it is, the nearer v is to w.
// Li et al., "Ditto: Fair and Robust Federated Learning Through Personalization", ICML 2021, algorithm 1.
#include <utility>

#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/personal.hpp"

namespace sedna::federated {

Ditto::Ditto(double lambda, std::filesystem::path file)
    : lambda_(lambda), file_(std::move(file)), own_(load_own_tensors(file_)) {
  if (!(lambda >= 0)) throw Error(ErrorCode::kInvalidArgument, "must be 0 or more", "Ditto.lambda");
}

const Weights& Ditto::begin(const Weights& shared) {
  if (own_.empty()) own_ = shared;
  if (own_.size() != shared.size()) {
    throw Error(ErrorCode::kDataLoss, "holds a personal model of another shape", "Ditto " + file_.string());
  }
  return own_;
}

tensor::Tensor Ditto::gradient(const tensor::Tensor& g, const tensor::Tensor& v, const tensor::Tensor& w) const {
  return map_tensors(g, v, w, [this](double a, double b, double c) { return gradient(a, b, c); });
}

void Ditto::keep(Weights trained) {
  own_ = std::move(trained);
  save_own_tensors(file_, own_);
}

}  // namespace sedna::federated
