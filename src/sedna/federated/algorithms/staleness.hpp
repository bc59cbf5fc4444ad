// How much less an update counts whose beginning is t rounds old, for FedBuff and FedAsync:
//   constant    s(t) = 1
//   polynomial  s(t) = (1 + t)^−a                          a = 0.5: FedBuff's 1 / sqrt(1 + t)
//   hinge       s(t) = 1 while t ≤ b, then 1 / (a (t − b) + 1)
// Xie, Koyejo and Gupta, "Asynchronous Federated Optimization", OPT 2020, section 5.2.
#pragma once

#include <cmath>
#include <string>

#include "sedna/federated/settings.hpp"

namespace sedna::federated {

class StalenessWeight {
 public:
  /// Of "staleness" (one of the three names), "a" and "b".
  explicit StalenessWeight(Settings& settings) : kind_(settings.text("staleness", "polynomial")) {
    if (kind_ != "constant" && kind_ != "polynomial" && kind_ != "hinge") {
      throw Error(ErrorCode::kInvalidArgument, "is '" + kind_ + "'; it must be constant, polynomial or hinge",
                  settings.name() + ".staleness");
    }
    a_ = settings.number("a", kind_ == "hinge" ? 10 : 0.5, 0, 1e6);
    b_ = settings.number("b", 4, 0, 1e6);
  }
  double operator()(std::int64_t rounds) const {
    const auto t = static_cast<double>(rounds);
    if (kind_ == "constant") return 1;
    if (kind_ == "polynomial") return std::pow(1 + t, -a_);
    return t <= b_ ? 1 : 1 / (a_ * (t - b_) + 1);
  }

 private:
  std::string kind_;
  double a_ = 0;
  double b_ = 0;
};

}  // namespace sedna::federated
