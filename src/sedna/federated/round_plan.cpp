#include "sedna/federated/round_plan.hpp"

namespace sedna::federated {

std::string json_text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}
double json_number(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return 0;
  return v->is_double() ? v->as_double() : v->is_int64() ? static_cast<double>(v->as_int64()) : 0;
}
bool json_flag(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_bool() && v->as_bool();
}

Result<RoundPlan> read_round_plan(std::string_view text) {
  const auto parsed = json::parse(text);
  if (!parsed) return parsed.error();
  const auto object = json::as_object(*parsed);
  if (!object) return object.error();
  const json::object& o = **object;
  RoundPlan plan;
  plan.version = json_text(o, "version");
  plan.phase = json_text(o, "phase");
  plan.reason = json_text(o, "reason");
  plan.codec = json_text(o, "codec");
  plan.you = json_text(o, "you");
  plan.epoch = static_cast<std::int64_t>(json_number(o, "epoch"));
  plan.round = static_cast<std::int64_t>(json_number(o, "round"));
  plan.asynchronous = o.contains("max_staleness");
  plan.rounds = static_cast<std::int64_t>(json_number(o, "rounds"));
  if (const auto* model = o.if_contains("model"); model != nullptr && model->is_object()) {
    const json::object& m = model->as_object();
    plan.model_round = static_cast<std::int64_t>(json_number(m, "round"));
    plan.model_url = json_text(m, "url");
    plan.model_digest = json_text(m, "digest");
    plan.model_samples = json_number(m, "samples");
  }
  if (const auto* sum = o.if_contains("sum"); sum != nullptr && sum->is_object()) {
    plan.sum = json_text(sum->as_object(), "kind");
    plan.sum_clip = json_text(sum->as_object(), "clip");
    plan.sum_alike = json_flag(sum->as_object(), "alike");
  }
  if (const auto* algorithm = o.if_contains("algorithm"); algorithm != nullptr && algorithm->is_object()) {
    const json::object& a = algorithm->as_object();
    plan.algorithm = json_text(a, "name");
    plan.extra = json_flag(a, "extra");
    plan.steps = json_flag(a, "steps");
    if (const auto* parameters = a.if_contains("parameters"); parameters != nullptr && parameters->is_object()) {
      for (const auto& [name, value] : parameters->as_object()) {
        plan.parameters[std::string(name)] = json_number(parameters->as_object(), name);
      }
    }
  }
  if (plan.version.empty() || plan.phase.empty() || plan.round < 1) {
    return Error(ErrorCode::kDataLoss, "is no plan of an aggregation server", "plan");
  }
  return plan;
}

}  // namespace sedna::federated
