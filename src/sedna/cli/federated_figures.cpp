#include "sedna/cli/federated_figures.hpp"

#include <array>
#include <cstdio>

#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

Style style_of_state(std::string_view state) {
  if (state == "Running" || state == "Succeeded") return Style::kGood;
  return state == "Failing" ? Style::kBad : Style::kWarning;
}

}  // namespace

std::string federated_progress_line(const api::Object& job) {
  const auto* progress = api::object_at(job, {"status", "progress"});
  if (progress == nullptr) return {};
  std::string out = "round " + with_thousands(api::int_at(*progress, {"round"}));
  if (const auto rounds = api::int_at(*progress, {"rounds"}); rounds > 0) out += " of " + with_thousands(rounds);
  const bool over = api::string_at(job, {"status", "phase"}) == "Succeeded";
  if (const auto selected = api::int_at(*progress, {"selected"}); selected > 0 && !over) {
    out +=
        ", " + with_thousands(api::int_at(*progress, {"arrived"})) + " of " + with_thousands(selected) + " updates in";
  }
  if (const auto* stragglers = api::array_at(*progress, {"stragglers"}); stragglers != nullptr && !over) {
    constexpr std::size_t kMost = 5;
    for (std::size_t i = 0; i < stragglers->size() && i < kMost; ++i) {
      if ((*stragglers)[i].is_string()) {
        out += (i == 0 ? ", waiting for " : ", ") + std::string((*stragglers)[i].get_string());
      }
    }
    if (stragglers->size() > kMost) out += " and " + std::to_string(stragglers->size() - kMost) + " more";
  }
  if (const auto* metrics = api::object_at(*progress, {"metrics"})) {
    for (const auto& [name, value] : *metrics) {
      if (value.is_number()) out += ", " + std::string(name) + " " + number(value.to_number<double>());
    }
  }
  return out;
}

std::string render_federated_figures(const Console& console, const api::Object& job) {
  std::string out;
  if (const std::string line = federated_progress_line(job); !line.empty()) out += "  " + line + "\n";
  if (const auto* progress = api::object_at(job, {"status", "progress"})) {
    const auto received = api::int_at(*progress, {"bytesReceived"}), sent = api::int_at(*progress, {"bytesSent"});
    if (received + sent > 0) {
      out += "  received " + human_bytes(static_cast<double>(received)) + ", sent " +
             human_bytes(static_cast<double>(sent)) + "\n";
    }
    if (const auto* epsilon = progress->if_contains("epsilon"); epsilon != nullptr && epsilon->is_number()) {
      out += "  epsilon " + number(epsilon->to_number<double>()) + "\n";
    }
    if (const auto why = api::string_at(*progress, {"stalled"}); !why.empty()) {
      out += "  cannot get on: " + std::string(why) + "\n";
    }
    if (const auto why = api::string_at(*progress, {"stopped"}); !why.empty()) {
      out += "  ended early: " + std::string(why) + "\n";
    }
  }
  const auto* workers = api::array_at(job, {"status", "workers"});
  if (workers == nullptr || workers->empty()) return out;
  TextTable table({"WORKER", "ROLE", "DATASET", "NODE", "STATE", "ROUND", "RESTARTS", "REBUILT"});
  table.set_indent("  ");
  for (const auto& w : *workers) {
    if (!w.is_object()) continue;
    const json::object& o = w.get_object();
    const std::string state(api::string_at(o, {"state"}, "-"));
    const auto round = api::int_at(o, {"round"});
    table.add({std::string(api::string_at(o, {"worker"})), std::string(api::string_at(o, {"role"})),
               std::string(api::string_at(o, {"dataset"}, "-")), std::string(api::string_at(o, {"node"}, "-")),
               Cell(state, style_of_state(state)), round > 0 ? std::to_string(round) : "-",
               std::to_string(api::int_at(o, {"restarts"})), std::to_string(api::int_at(o, {"rebuilt"}))});
  }
  return out + table.render(console);
}

json::object federated_figures_json(const api::Object& job) {
  json::object out{{"job", api::key_of(job)}, {"phase", api::string_at(job, {"status", "phase"})}};
  if (const auto* progress = api::object_at(job, {"status", "progress"})) out["progress"] = *progress;
  if (const auto* workers = api::array_at(job, {"status", "workers"})) out["workers"] = *workers;
  return out;
}

}  // namespace sedna::cli
