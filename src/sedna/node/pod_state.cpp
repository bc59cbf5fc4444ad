#include "sedna/node/pod_state.hpp"

#include <algorithm>

namespace sedna::node {

namespace {

using Phase = ContainerState::Phase;

std::int64_t stamp(TimePoint t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

TimePoint time_at(const json::object& o, std::string_view name) {
  return TimePoint(std::chrono::milliseconds(api::int_at(o, {name}, 0)));
}

json::object save(const ContainerEnd& end) {
  return {{"exitCode", end.exit_code},       {"reason", end.reason},
          {"message", end.message},          {"started", stamp(end.started)},
          {"finished", stamp(end.finished)}, {"attempt", end.attempt}};
}

std::optional<ContainerEnd> load_end(const json::object& o, std::string_view name) {
  const auto* saved = api::object_at(o, {name});
  if (saved == nullptr) return std::nullopt;
  ContainerEnd out;
  out.exit_code = static_cast<int>(api::int_at(*saved, {"exitCode"}));
  out.reason = api::string_at(*saved, {"reason"});
  out.message = api::string_at(*saved, {"message"});
  out.started = time_at(*saved, "started");
  out.finished = time_at(*saved, "finished");
  out.attempt = static_cast<int>(api::int_at(*saved, {"attempt"}));
  return out;
}

json::object save(const ContainerState& c) {
  json::object out{{"name", c.name},         {"phase", static_cast<int>(c.phase)}, {"attempt", c.attempt},
                   {"failures", c.failures}, {"startedAt", stamp(c.started_at)},   {"started", c.started}};
  if (c.end) out["end"] = save(*c.end);
  if (c.last_end) out["lastEnd"] = save(*c.last_end);
  if (c.not_before) out["notBefore"] = stamp(*c.not_before);
  return out;
}

void load(ContainerState& c, const json::object& saved) {
  c.phase = static_cast<Phase>(std::clamp<std::int64_t>(api::int_at(saved, {"phase"}), 0, 2));
  c.attempt = static_cast<int>(api::int_at(saved, {"attempt"}));
  c.failures = static_cast<int>(api::int_at(saved, {"failures"}));
  c.started_at = time_at(saved, "startedAt");
  c.end = load_end(saved, "end");
  c.last_end = load_end(saved, "lastEnd");
  if (saved.contains("notBefore")) c.not_before = time_at(saved, "notBefore");
  if (c.phase == Phase::kEnded && !c.end) c.phase = Phase::kWaiting;
  const auto* started = saved.if_contains("started");
  c.started = started != nullptr && started->is_bool() && started->get_bool();
}

std::vector<ContainerState> states(const api::Object& pod, const char* list) {
  std::vector<ContainerState> out;
  if (const auto* all = api::array_at(pod, {"spec", list})) {
    for (const auto& c : *all)
      out.emplace_back(c.is_object() ? std::string(api::string_at(c.get_object(), {"name"})) : std::string());
  }
  return out;
}

}  // namespace

PodState PodState::of(const api::Object& pod) {
  PodState out;
  out.init = states(pod, "initContainers");
  out.containers = states(pod, "containers");
  return out;
}

json::object PodState::to_json() const {
  json::object out{{"podIP", pod_ip}, {"hostIP", host_ip}};
  if (start_time) out["startTime"] = stamp(*start_time);
  if (!failed_reason.empty()) {
    out["failedReason"] = failed_reason;
    out["failedMessage"] = failed_message;
  }
  for (const auto& [name, list] : {std::pair("init", &init), {"containers", &containers}}) {
    json::array all;
    for (const auto& c : *list) all.push_back(save(c));
    out[name] = std::move(all);
  }
  return out;
}

void PodState::restore(const json::object& saved) {
  pod_ip = api::string_at(saved, {"podIP"});
  host_ip = api::string_at(saved, {"hostIP"});
  if (saved.contains("startTime")) start_time = time_at(saved, "startTime");
  failed_reason = api::string_at(saved, {"failedReason"});
  failed_message = api::string_at(saved, {"failedMessage"});
  for (const auto& [name, list] : {std::pair("init", &init), {"containers", &containers}}) {
    const auto* all = api::array_at(saved, {name});
    if (all == nullptr) continue;
    for (const auto& entry : *all) {
      if (!entry.is_object()) continue;
      const auto it = std::ranges::find(*list, api::string_at(entry.get_object(), {"name"}), &ContainerState::name);
      if (it != list->end()) load(*it, entry.get_object());
    }
  }
}

}  // namespace sedna::node
