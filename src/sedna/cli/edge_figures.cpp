#include "sedna/cli/edge_figures.hpp"

#include <array>
#include <cstdio>

#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

double number_at(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_number() ? v->to_number<double>() : 0;
}

std::optional<double> latency_at(const json::object& figures, std::string_view key) {
  const auto* v = api::find(figures, {"latencyMilliseconds", key});
  if (v == nullptr || !v->is_number()) return std::nullopt;
  return v->to_number<double>();
}

std::string text_of(const std::map<std::string, std::int64_t>& causes) {
  std::string out;
  for (const auto& [cause, n] : causes) {
    if (n != 0) out += (out.empty() ? "" : ", ") + cause + " " + with_thousands(n);
  }
  return out.empty() ? "0" : out;
}

std::string formatted(const char* format, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string milliseconds(const std::optional<double>& value) {
  if (!value) return "-";
  return formatted(*value < 10 ? "%.3f ms" : "%.0f ms", *value);
}

}  // namespace

EdgeFigures read_figures(const json::object& figures) {
  EdgeFigures out;
  out.inferences = api::int_at(figures, {"inferences"});
  out.hard = api::int_at(figures, {"hardExamples"});
  out.uploads = api::int_at(figures, {"uploads"});
  out.upload_bytes = api::int_at(figures, {"uploadBytes"});
  out.fallbacks = api::int_at(figures, {"fallbacks"});
  out.upload_ratio = number_at(figures, "uploadRatio");
  out.p50 = latency_at(figures, "p50");
  out.p90 = latency_at(figures, "p90");
  out.p99 = latency_at(figures, "p99");
  if (const auto* errors = api::object_at(figures, {"errors"})) {
    for (const auto& [cause, count] : *errors) {
      const std::int64_t n = api::int_at(*errors, {cause});
      out.errors += n;
      out.causes[cause] += n;
    }
  }
  return out;
}

void add_figures(EdgeFigures& total, const EdgeFigures& figures, int sign) {
  total.inferences += sign * figures.inferences;
  total.hard += sign * figures.hard;
  total.uploads += sign * figures.uploads;
  total.upload_bytes += sign * figures.upload_bytes;
  total.fallbacks += sign * figures.fallbacks;
  total.errors += sign * figures.errors;
  for (const auto& [cause, n] : figures.causes) total.causes[cause] += sign * n;
  total.upload_ratio =
      total.inferences > 0 ? static_cast<double>(total.uploads) / static_cast<double>(total.inferences) : 0;
  if (sign > 0 && figures.p99.value_or(0) > total.p99.value_or(0)) {
    total.p50 = figures.p50;
    total.p90 = figures.p90;
    total.p99 = figures.p99;
  }
}

std::vector<EdgeFigures> edge_figures_of(const api::Object& service) {
  std::vector<EdgeFigures> out;
  const auto* workers = api::array_at(service, {"status", "edgeWorkers"});
  if (workers == nullptr) return out;
  for (const auto& w : *workers) {
    if (!w.is_object()) continue;
    const json::object& entry = w.as_object();
    const auto* figures = api::object_at(entry, {"figures"});
    EdgeFigures row = figures != nullptr ? read_figures(*figures) : EdgeFigures();
    row.worker = api::string_at(entry, {"name"});
    row.uid = api::string_at(entry, {"uid"});
    row.node = api::string_at(entry, {"node"});
    row.updated = api::string_at(entry, {"updateTime"});
    const auto* ready = entry.if_contains("ready");
    row.ready = ready != nullptr && ready->is_bool() && ready->as_bool();
    out.push_back(std::move(row));
  }
  const auto* total = api::object_at(service, {"status", "total"});
  if (total != nullptr && (out.size() > 1 || api::object_at(service, {"status", "ended"}) != nullptr)) {
    EdgeFigures row = read_figures(*total);
    row.worker = "total";
    row.is_total = row.ready = true;
    out.push_back(std::move(row));
  }
  return out;
}

std::string render_edge_figures(const Console& console, const std::vector<EdgeFigures>& figures) {
  if (figures.empty()) return {};
  TextTable table(
      {"EDGE WORKER", "NODE", "INFERENCES", "HARD", "UPLOADED", "BYTES", "P50", "P90", "P99", "FALLBACKS", "ERRORS"});
  table.set_indent("  ");
  for (const auto& f : figures) {
    table.add({Cell(f.worker + (f.ready ? "" : " (gone)"), f.ready ? Style::kPlain : Style::kDim),
               f.node.empty() ? "-" : f.node, with_thousands(f.inferences), with_thousands(f.hard),
               formatted("%.1f%%", 100 * f.upload_ratio), human_bytes(static_cast<double>(f.upload_bytes)),
               milliseconds(f.p50), milliseconds(f.p90), milliseconds(f.p99), with_thousands(f.fallbacks),
               Cell(text_of(f.causes), f.errors > 0 ? Style::kWarning : Style::kPlain)});
  }
  return table.render(console);
}

}  // namespace sedna::cli
