#include "sedna/control/leader.hpp"

#include <algorithm>
#include <cstdio>

#include "sedna/base/log.hpp"

namespace sedna::control {

namespace {

std::int64_t seconds_of(SteadyClock::duration d) {
  return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}

}  // namespace

std::string format_micro_time(SystemClock::time_point t) {
  std::string text = api::format_time(t);  // …:59Z
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
  constexpr std::int64_t kMillion = 1'000'000;
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06lldZ",
                static_cast<long long>(((micros % kMillion) + kMillion) % kMillion));
  text.pop_back();
  return text + fraction;
}

LeaderElector::LeaderElector(store::ApiServer& server, LeaderOptions options)
    : server_(server), options_(std::move(options)) {
  SEDNA_CHECK(!options_.name.empty() && !options_.identity.empty());
}

LeaderElector::~LeaderElector() {
  stop();
}

std::string LeaderElector::holder() const {
  const std::lock_guard lock(mutex_);
  return holder_;
}

bool LeaderElector::write(api::Object lease, bool create) {
  const auto answer = create ? server_.create(api::kinds::kLease, lease) : server_.update(api::kinds::kLease, lease);
  if (!answer) {
    if (!answer.status().is_conflict() && !answer.status().already_exists()) {
      log::warning("the lease was not written", {{"lease", options_.name}, {"reason", answer.status().message}});
    }
    return false;
  }
  seen_version_ = api::resource_version_of(*answer);
  seen_at_ = options_.clock->now();
  return true;
}

bool LeaderElector::overdue() const {
  return leading_ && options_.clock->now() - renewed_ >= options_.renew;
}

SteadyClock::duration LeaderElector::pause() const {
  if (!leading_) return options_.interval;
  const auto left = renewed_ + options_.renew - options_.clock->now();
  return std::clamp<SteadyClock::duration>(left, SteadyClock::duration::zero(), options_.interval);
}

bool LeaderElector::try_hold() {
  const std::string wall = format_micro_time(options_.clock->wall());
  auto found = server_.get(api::kinds::kLease, options_.ns, options_.name);
  if (!found && !found.status().is_not_found()) {
    log::warning("the lease was not read", {{"lease", options_.name}, {"reason", found.status().message}});
    return false;
  }
  if (!found) {
    api::Object lease = api::new_object(api::kinds::kLease, options_.ns, options_.name);
    auto& spec = api::make_object(lease, {"spec"});
    spec["holderIdentity"] = options_.identity;
    spec["leaseDurationSeconds"] = seconds_of(options_.lease);
    spec["acquireTime"] = wall;
    spec["renewTime"] = wall;
    spec["leaseTransitions"] = 0;
    return write(std::move(lease), true);
  }
  // The answer took too long: what was read is old, and a write would only prolong the doubt.
  if (overdue()) return false;
  const auto now = options_.clock->now();
  api::Object lease = std::move(*found);
  const std::string holder(api::string_at(lease, {"spec", "holderIdentity"}));
  {
    const std::lock_guard lock(mutex_);
    holder_ = holder;
  }
  if (api::resource_version_of(lease) != seen_version_) {
    seen_version_ = api::resource_version_of(lease);
    seen_at_ = now;
  }
  const bool ours = holder == options_.identity;
  const std::chrono::seconds duration(api::int_at(lease, {"spec", "leaseDurationSeconds"}, seconds_of(options_.lease)));
  if (!ours && !holder.empty() && now < seen_at_ + duration) return false;
  auto& spec = api::make_object(lease, {"spec"});
  if (!ours) {
    spec["leaseTransitions"] = api::int_at(lease, {"spec", "leaseTransitions"}) + 1;
    spec["acquireTime"] = wall;
  }
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = seconds_of(options_.lease);
  spec["renewTime"] = wall;
  return write(std::move(lease), false);
}

void LeaderElector::step() {
  // What the Lease says counts from when it was asked for, not from when the answer came.
  const auto asked = options_.clock->now();
  if (try_hold()) {
    renewed_ = asked;
    {
      const std::lock_guard lock(mutex_);
      holder_ = options_.identity;
    }
    if (!leading_.exchange(true)) {
      log::info("leading", {{"lease", options_.name}, {"identity", options_.identity}});
      if (on_started_) on_started_();
    }
    return;
  }
  if (!leading_) return;
  // Somebody else holds it, or we could not renew for so long that somebody soon may.
  const bool taken = !holder().empty() && holder() != options_.identity;
  if (!taken && !overdue()) return;
  leading_ = false;
  log::error("no longer leading", {{"lease", options_.name}, {"holder", holder()}});
  if (on_lost_) on_lost_();
}

void LeaderElector::start() {
  thread_ = std::thread([this] {
    for (;;) {
      step();
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, pause(), [this] { return stopping_; })) return;
    }
  });
}

void LeaderElector::release() {
  auto found = server_.get(api::kinds::kLease, options_.ns, options_.name);
  if (!found || api::string_at(*found, {"spec", "holderIdentity"}) != options_.identity) return;
  auto& spec = api::make_object(*found, {"spec"});
  spec["holderIdentity"] = "";
  spec["leaseDurationSeconds"] = 1;
  spec["renewTime"] = format_micro_time(options_.clock->wall());
  write(std::move(*found), false);
}

void LeaderElector::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (leading_.exchange(false)) release();
}

}  // namespace sedna::control
