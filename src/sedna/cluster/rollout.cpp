#include "sedna/cluster/rollout.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

namespace sedna::cluster {

namespace {

using control::ObjectPtr;
using std::chrono::seconds;

/// Ended Pods (evicted, refused) that stay for a person to look at.
constexpr std::size_t kKeepFailed = 3;
constexpr auto kFirstBackoff = seconds(5);
constexpr auto kLongestBackoff = seconds(300);

struct Counts {
  std::vector<ObjectPtr> current, old, failed;  ///< active of the newest template, active of others, Failed
  std::size_t deleting = 0;                     ///< active but for their deletionTimestamp
  std::int64_t ready = 0, available = 0, updated = 0;
  std::int64_t total() const { return static_cast<std::int64_t>(current.size() + old.size()); }
};

Counts count(const std::vector<ObjectPtr>& pods, const std::string& hash, std::int64_t min_ready, TimePoint now,
             std::optional<seconds>* again) {
  Counts out;
  for (const auto& pod : pods) {
    if (api::is_deleting(*pod)) {
      if (!is_terminal(*pod)) ++out.deleting;
      continue;
    }
    if (is_terminal(*pod)) {
      out.failed.push_back(pod);
      continue;
    }
    const bool current = api::label(*pod, kTemplateHashLabel) == std::string_view(hash);
    (current ? out.current : out.old).push_back(pod);
    if (current) ++out.updated;
    if (is_ready(*pod)) ++out.ready;
    if (is_available(*pod, min_ready, now, again)) ++out.available;
  }
  return out;
}

/// Kubernetes' order of who goes first: not bound, not running, not ready, ready for a shorter time, younger.
void sort_for_removal(std::vector<ObjectPtr>& pods) {
  const auto rank = [](const ObjectPtr& pod) {
    const auto phase = pod_phase(*pod);
    const bool ready = is_ready(*pod);
    const auto since = ready ? condition_since(*pod, "Ready") : std::nullopt;
    const auto age = since ? since->time_since_epoch().count() : 0;
    return std::tuple(!api::string_at(*pod, {"spec", "nodeName"}).empty(), phase == "Running", ready, -age,
                      // younger first: creation times sort as text, and the larger one is younger
                      std::string(api::string_at(*pod, {"metadata", "creationTimestamp"})));
  };
  std::ranges::sort(pods, [&](const ObjectPtr& a, const ObjectPtr& b) {
    const auto left = rank(a), right = rank(b);
    const auto head = [](const auto& t) {
      return std::tuple(std::get<0>(t), std::get<1>(t), std::get<2>(t), std::get<3>(t));
    };
    if (head(left) != head(right)) return head(left) < head(right);
    if (std::get<4>(left) != std::get<4>(right)) return std::get<4>(left) > std::get<4>(right);
    return api::name_of(*a) < api::name_of(*b);
  });
}

Object new_pod(const Object& deployment, const json::object& pod_template, const std::string& hash) {
  Object pod;
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  auto& metadata = pod["metadata"].emplace_object();
  // A name has 63 characters, five of them drawn by the server.
  std::string prefix = std::string(api::name_of(deployment)) + "-" + hash + "-";
  if (prefix.size() > 58) prefix = std::string(api::name_of(deployment)).substr(0, 46) + "-" + hash + "-";
  metadata["generateName"] = prefix;
  metadata["namespace"] = api::namespace_of(deployment);
  const auto* wanted = api::object_at(pod_template, {"metadata"});
  for (const std::string_view part : {"labels", "annotations", "finalizers"}) {
    if (wanted == nullptr) break;
    if (const auto* v = wanted->if_contains(part); v != nullptr && !v->is_null()) metadata[part] = *v;
  }
  if (!metadata.contains("labels")) metadata["labels"] = json::object();
  metadata["labels"].as_object()[kTemplateHashLabel] = hash;
  auto owner = api::controller_reference(deployment);
  metadata["ownerReferences"] = json::array{api::to_json(owner)};
  if (const auto* spec = pod_template.if_contains("spec")) pod["spec"] = *spec;
  return pod;
}

/// How long to wait before another Pod is made, when Pods of this template keep ending (they restart in place; one that
/// ends was evicted or refused by its node).
std::optional<seconds> failure_backoff(const std::vector<ObjectPtr>& failed, const std::string& hash, TimePoint now) {
  int failures = 0;
  TimePoint last{};
  for (const auto& pod : failed) {
    if (pod_phase(*pod) != "Failed" || api::label(*pod, kTemplateHashLabel) != std::string_view(hash)) continue;
    const auto made = api::parse_time(api::string_at(*pod, {"metadata", "creationTimestamp"}));
    if (!made || now - *made > std::chrono::minutes(10)) continue;
    ++failures;
    last = std::max(last, *made);
  }
  if (failures == 0) return std::nullopt;
  const auto wait = std::min<seconds>(kFirstBackoff * (1 << std::min(failures - 1, 6)), kLongestBackoff);
  const auto left = std::chrono::ceil<seconds>(last + wait - now);
  if (left.count() <= 0) return std::nullopt;
  return left;
}

void take(std::vector<std::string>& remove, std::vector<ObjectPtr>& from, std::int64_t n) {
  for (; n > 0 && !from.empty(); --n) {
    remove.emplace_back(api::name_of(*from.front()));
    from.erase(from.begin());
  }
}

struct Strategy {
  bool recreate = false;
  std::int64_t surge = 0, unavailable = 0;
};

Strategy strategy_of(const Object& deployment, std::int64_t desired) {
  Strategy out;
  out.recreate = api::string_at(deployment, {"spec", "strategy", "type"}) == "Recreate";
  if (out.recreate) return out;
  const json::value quarter("25%");
  const auto* surge = api::find(deployment, {"spec", "strategy", "rollingUpdate", "maxSurge"});
  const auto* unavailable = api::find(deployment, {"spec", "strategy", "rollingUpdate", "maxUnavailable"});
  out.surge = resolve_int_or_percent(surge != nullptr ? surge : &quarter, desired, true, 1);
  out.unavailable = resolve_int_or_percent(unavailable != nullptr ? unavailable : &quarter, desired, false, 0);
  if (out.surge == 0 && out.unavailable == 0) out.unavailable = 1;
  out.unavailable = std::min(out.unavailable, desired);
  return out;
}

/// Pods to make (the number) and to remove, one step of the update.
std::int64_t plan_pods(Counts& pods, const Strategy& strategy, std::int64_t desired, bool paused,
                       std::int64_t min_ready, TimePoint now, std::vector<std::string>& remove) {
  sort_for_removal(pods.current);
  sort_for_removal(pods.old);
  const auto current = static_cast<std::int64_t>(pods.current.size());
  if (current > desired) take(remove, pods.current, current - desired);
  if (paused) {
    take(remove, pods.old, pods.total() - std::max(desired, static_cast<std::int64_t>(pods.current.size())));
    return pods.old.empty() ? std::max<std::int64_t>(0, desired - current) : 0;
  }
  if (strategy.recreate) {
    const bool old_left = !pods.old.empty() || (current == 0 && pods.deleting > 0);
    take(remove, pods.old, static_cast<std::int64_t>(pods.old.size()));
    return old_left ? 0 : std::max<std::int64_t>(0, desired - current);
  }
  const auto total = pods.total();
  std::int64_t create = 0;
  if (current < desired) create = std::clamp<std::int64_t>(desired + strategy.surge - total, 0, desired - current);
  // Old ones go as far as enough are available without them; first those that are not available themselves.
  const auto available = [&](const ObjectPtr& pod) { return is_available(*pod, min_ready, now); };
  const std::int64_t min_available = desired - strategy.unavailable;
  const auto current_unavailable =
      static_cast<std::int64_t>(std::ranges::count_if(pods.current, [&](const auto& p) { return !available(p); }));
  std::int64_t may_go = total - min_available - current_unavailable;
  for (auto it = pods.old.begin(); it != pods.old.end() && may_go > 0;) {
    if (available(*it)) {
      ++it;
      continue;
    }
    remove.emplace_back(api::name_of(**it));
    it = pods.old.erase(it);
    --may_go;
  }
  const auto old_available = static_cast<std::int64_t>(std::ranges::count_if(pods.old, available));
  const auto all_available = old_available + static_cast<std::int64_t>(std::ranges::count_if(pods.current, available));
  take(remove, pods.old, std::min(old_available, all_available - min_available));
  return create;
}

}  // namespace

std::int64_t resolve_int_or_percent(const json::value* value, std::int64_t total, bool round_up,
                                    std::int64_t fallback) {
  if (value == nullptr) return fallback;
  if (value->is_int64()) return std::max<std::int64_t>(0, value->get_int64());
  if (!value->is_string()) return fallback;
  const std::string_view text(value->get_string());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return fallback;
  if (end == text.data() + text.size()) return number;
  if (std::string_view(end, text.data() + text.size()) != "%") return fallback;
  return (number * total + (round_up ? 99 : 0)) / 100;
}

// rollout_status.cpp
void render_rollout_status(const Object& deployment, RolloutPlan& plan, const std::string& hash, bool new_revision,
                           std::int64_t desired, std::int64_t max_unavailable, std::int64_t total, std::int64_t updated,
                           std::int64_t ready, std::int64_t available, TimePoint now);

RolloutPlan plan_rollout(const Object& deployment, const std::vector<ObjectPtr>& pods, TimePoint now) {
  RolloutPlan plan;
  const auto* pod_template = api::object_at(deployment, {"spec", "template"});
  static const json::object kNoTemplate;
  const json::object& tmpl = pod_template != nullptr ? *pod_template : kNoTemplate;
  const std::string hash = template_hash(tmpl);
  const std::int64_t desired = std::max<std::int64_t>(0, api::int_at(deployment, {"spec", "replicas"}, 1));
  const std::int64_t min_ready = api::int_at(deployment, {"spec", "minReadySeconds"}, 0);
  const auto* paused_value = api::find(deployment, {"spec", "paused"});
  const bool paused = paused_value != nullptr && paused_value->is_bool() && paused_value->get_bool();

  Counts counts = count(pods, hash, min_ready, now, &plan.again);
  const Counts before = counts;
  const auto strategy = strategy_of(deployment, desired);
  std::int64_t create = plan_pods(counts, strategy, desired, paused, min_ready, now, plan.remove);
  if (create > 0) {
    if (const auto wait = failure_backoff(counts.failed, hash, now)) {
      create = 0;
      if (!plan.again || *wait < *plan.again) plan.again = *wait;
    }
  }
  for (std::int64_t i = 0; i < create; ++i) plan.create.push_back(new_pod(deployment, tmpl, hash));
  if (counts.failed.size() > kKeepFailed) {
    std::ranges::sort(counts.failed, [](const ObjectPtr& a, const ObjectPtr& b) {
      return api::string_at(*a, {"metadata", "creationTimestamp"}) <
             api::string_at(*b, {"metadata", "creationTimestamp"});
    });
    for (std::size_t i = 0; i + kKeepFailed < counts.failed.size(); ++i)
      plan.remove.emplace_back(api::name_of(*counts.failed[i]));
  }

  const bool new_revision = api::annotation(deployment, kRevisionHashAnnotation) != std::string_view(hash);
  if (new_revision && !(paused && api::annotation(deployment, kRevisionHashAnnotation))) {
    std::int64_t revision = 0;
    const auto text = api::annotation(deployment, kRevisionAnnotation).value_or("0");
    std::from_chars(text.data(), text.data() + text.size(), revision);
    plan.annotations[kRevisionAnnotation] = std::to_string(revision + 1);
    plan.annotations[kRevisionHashAnnotation] = hash;
  }
  const auto max_unavailable = strategy.recreate || desired == 0 ? 0 : strategy.unavailable;
  render_rollout_status(deployment, plan, hash, !plan.annotations.empty(), desired, max_unavailable, before.total(),
                        before.updated, before.ready, before.available, now);
  return plan;
}

}  // namespace sedna::cluster
