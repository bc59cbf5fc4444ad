#include "sedna/algo/wanted_share.hpp"

namespace sedna::algo {

bool WantedShare::record(bool wanted, bool allowed) {
  allowed = allowed && wanted;
  const std::lock_guard lock(mutex_);
  wanted_count_ += (wanted ? 1 : 0);
  wanted_count_ -= (wanted_[next_] ? 1 : 0);
  allowed_count_ += (allowed ? 1 : 0);
  allowed_count_ -= (allowed_[next_] ? 1 : 0);
  wanted_[next_] = wanted;
  allowed_[next_] = allowed;
  next_ = next_ + 1 == kWindow ? 0 : next_ + 1;
  if (seen_ < kWindow) ++seen_;
  return exceeded_locked();
}

bool WantedShare::exceeded_locked() const {
  return seen_ == kWindow && static_cast<double>(wanted_count_) > factor_ * static_cast<double>(allowed_count_);
}

double WantedShare::wanted_ratio() const {
  const std::lock_guard lock(mutex_);
  return seen_ == 0 ? 0 : static_cast<double>(wanted_count_) / static_cast<double>(seen_);
}

double WantedShare::allowed_ratio() const {
  const std::lock_guard lock(mutex_);
  return seen_ == 0 ? 0 : static_cast<double>(allowed_count_) / static_cast<double>(seen_);
}

bool WantedShare::exceeded() const {
  const std::lock_guard lock(mutex_);
  return exceeded_locked();
}

}  // namespace sedna::algo
