#include "sedna/gm/federated_settings.hpp"

#include <algorithm>

#include "sedna/base/error.hpp"
#include "sedna/gm/children.hpp"

namespace sedna::gm {

namespace {

constexpr std::string_view kStateRoot = "/var/lib/sedna/federated";

std::string text_of(const json::value& v) {
  return v.is_string() ? std::string(v.get_string()) : json::write(v);
}

/// "NAME,key=value,…" as the aggregator's settings have it.
std::string rule_text(const json::object& rule, const std::string& field) {
  std::string out(api::string_at(rule, {"name"}));
  const auto plain = [&](std::string_view text, const std::string& where) {
    if (text.empty() || text.find_first_of(",=\n") != std::string_view::npos) {
      throw Error(ErrorCode::kInvalidArgument, "must be a word without ',' and '='", where);
    }
  };
  plain(out, field + ".name");
  const auto* parameters = api::array_at(rule, {"parameters"});
  if (parameters == nullptr) return out;
  for (std::size_t i = 0; i < parameters->size(); ++i) {
    const auto& entry = (*parameters)[i];
    if (!entry.is_object()) continue;
    const std::string where = field + ".parameters[" + std::to_string(i) + "]";
    const std::string key(api::string_at(entry.get_object(), {"key"}));
    const std::string value(api::string_at(entry.get_object(), {"value"}));
    plain(key, where + ".key");
    plain(value, where + ".value");
    out += "," + key + "=" + value;
  }
  return out;
}

/// The algorithms in which a client sends more than weights and samples.
bool needs_http(std::string_view algorithm) {
  return algorithm == "SCAFFOLD" || algorithm == "FedNova" || algorithm == "FedDyn";
}

}  // namespace

std::int64_t participants_of(const api::Object& job) {
  const auto* workers = api::array_at(job, {"spec", "trainingWorkers"});
  const auto all = static_cast<std::int64_t>(workers == nullptr ? 0 : workers->size());
  if (all == 0) throw Error(ErrorCode::kInvalidArgument, "needs at least one training worker", "spec.trainingWorkers");
  const std::int64_t asked = api::int_at(job, {"spec", "round", "participants"});
  if (asked > all) {
    throw Error(ErrorCode::kInvalidArgument,
                "is " + std::to_string(asked) + ", and there are " + std::to_string(all) + " training workers",
                "spec.round.participants");
  }
  return asked > 0 ? asked : all;
}

std::vector<EnvVar> aggregator_settings(const api::Object& job) {
  std::vector<EnvVar> out;
  const auto put = [&](std::string_view name, std::initializer_list<std::string_view> path) {
    const json::value* v = api::find(job, path);
    if (v != nullptr && !v->is_null()) out.push_back({std::string(name), text_of(*v)});
  };
  const auto put_rule = [&](std::string_view name, std::initializer_list<std::string_view> path,
                            const std::string& field) {
    if (const auto* rule = api::object_at(job, path)) out.push_back({std::string(name), rule_text(*rule, field)});
  };
  put("EXIT_ROUND", {"spec", "rounds"});
  put("exit_round", {"spec", "rounds"});  // what the scripts of upstream's examples read
  put("SEDNA_FL_STOP_METRIC", {"spec", "stop", "metric"});
  put("SEDNA_FL_STOP_TARGET", {"spec", "stop", "target"});
  put("SEDNA_FL_STOP_PATIENCE", {"spec", "stop", "patience"});
  put("SEDNA_FL_STOP_SECONDS", {"spec", "stop", "seconds"});
  put("SEDNA_FL_QUORUM", {"spec", "round", "quorum"});
  put("SEDNA_FL_SOFT_DEADLINE", {"spec", "round", "softDeadlineSeconds"});
  put("SEDNA_FL_ROUND_DEADLINE", {"spec", "round", "deadlineSeconds"});
  put("SEDNA_FL_MIN_UPDATES", {"spec", "round", "minUpdates"});
  put("SEDNA_FL_MAX_STRIKES", {"spec", "round", "maxStrikes"});
  put("SEDNA_FL_IDLE_LIMIT", {"spec", "round", "idleSeconds"});
  put_rule("SEDNA_FL_SELECT", {"spec", "selection"}, "spec.selection");
  put("SEDNA_FL_OVER_SELECT", {"spec", "selection", "overSelect"});
  put("SEDNA_FL_SELECT_POOL", {"spec", "selection", "pool"});
  put("SEDNA_FL_SELECT_WAIT", {"spec", "selection", "waitSeconds"});
  put_rule("SEDNA_FL_ALGORITHM", {"spec", "algorithm"}, "spec.algorithm");
  put_rule("SEDNA_FL_ROBUST", {"spec", "robust", "rule"}, "spec.robust.rule");
  put("SEDNA_FL_CLIP", {"spec", "robust", "clip"});
  put("SEDNA_FL_BUCKET", {"spec", "robust", "bucket"});
  put_rule("SEDNA_FL_LATE", {"spec", "late"}, "spec.late");
  put_rule("SEDNA_FL_CODEC", {"spec", "compression"}, "spec.compression");
  if (const json::value* noise = api::find(job, {"spec", "privacy", "noiseMultiplier"})) {
    if (api::string_at(job, {"spec", "robust", "clip"}).empty()) {
      throw Error(ErrorCode::kInvalidArgument, "needs robust.clip, the bound that its noise is a multiple of",
                  "spec.privacy");
    }
    std::string text = text_of(*noise);
    if (const json::value* delta = api::find(job, {"spec", "privacy", "delta"})) text += ",delta=" + text_of(*delta);
    out.push_back({"SEDNA_FL_PRIVACY", text});
  }
  put("SEDNA_FL_STRICT", {"spec", "strict"});
  put("SEDNA_FL_SEED", {"spec", "seed"});
  if (const auto mode = api::string_at(job, {"spec", "durability", "mode"}); mode == "round" || mode == "update") {
    out.push_back({"SEDNA_FL_DURABILITY", std::string(mode)});
  }
  return out;
}

std::vector<EnvVar> client_settings(const api::Object& job) {
  const std::string_view algorithm = api::string_at(job, {"spec", "algorithm", "name"});
  const bool asked = api::object_at(job, {"spec", "transmitter", "http"}) != nullptr;
  const bool needed = needs_http(algorithm) || api::object_at(job, {"spec", "compression"}) != nullptr;
  if (needed && !asked && api::object_at(job, {"spec", "transmitter", "ws"}) != nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string("cannot carry ") + (needs_http(algorithm) ? std::string(algorithm) : "compressed updates") +
                    ": leave it out, or say http: {}",
                "spec.transmitter.ws");
  }
  std::vector<EnvVar> out;
  if (asked || needed) out.push_back({"AGG_PROTOCOL", "http"});
  if (const auto* personal = api::object_at(job, {"spec", "personal"})) {
    out.push_back({"SEDNA_FL_PERSONAL", rule_text(*personal, "spec.personal")});
  }
  return out;
}

FederatedState state_of(const api::Object& job, std::int64_t run) {
  FederatedState out;
  out.kept = api::string_at(job, {"spec", "durability", "mode"}) != "none";
  std::string root(api::string_at(job, {"spec", "durability", "path"}, kStateRoot));
  if (!root.starts_with('/')) {
    throw Error(ErrorCode::kInvalidArgument, "must be an absolute path on the aggregator's node",
                "spec.durability.path");
  }
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  constexpr std::size_t kUid = 8;
  out.host_folder = root + "/" + std::string(api::namespace_of(job)) + "/" + std::string(api::name_of(job)) + "-" +
                    std::string(api::uid_of(job).substr(0, kUid));
  json::object rules;
  for (const std::string_view member : {"algorithm", "compression", "personal", "privacy", "robust", "strict"}) {
    if (const json::value* v = api::find(job, {"spec", member})) rules[member] = *v;
  }
  rules["model"] = api::string_at(job, {"spec", "aggregationWorker", "model", "name"});
  out.worker_folder = std::string(kStateRoot) + out.host_folder.substr(root.size()) + "/workers";
  out.with_workers = out.kept && api::object_at(job, {"spec", "personal"}) != nullptr;
  out.run_folder = "run-" + std::to_string(run) + "-" + canonical_hash(rules).substr(0, kUid);
  return out;
}

}  // namespace sedna::gm
