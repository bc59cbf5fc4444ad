#include "edge_report.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/json/json.hpp"

namespace sedna::worker_program {
namespace {

double milliseconds(SteadyClock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

void append_label(std::string& line, std::string_view key, const std::optional<std::int64_t>& label) {
  line.append(", \"").append(key).append("\": ");
  if (label) {
    json::append_number(line, *label);
  } else {
    line += "null";
  }
}

/// What a reason means where the result says no more.
std::string hint(algo::Reason reason) {
  switch (reason) {
    case algo::Reason::kInvalid:
      return "the filter cannot judge the model's answer (see --score-output, --param input=…)";
    case algo::Reason::kBudget:
      return "--budget or --budget-bytes had no token";
    case algo::Reason::kBreaker:
      return "the cloud failed repeatedly and is left alone for a while";
    case algo::Reason::kDeadline:
      return "no answer was to be expected in time";
    default:
      return "no more is known";
  }
}

}  // namespace

EdgeReport::EdgeReport(const std::string& file, std::vector<std::int64_t> labels)
    : path_(file), labels_(std::move(labels)) {
  if (file == "-") {
    out_ = &std::cout;
  } else if (!file.empty()) {
    file_.open(file, std::ios::binary | std::ios::trunc);
    if (!file_) throw Error(ErrorCode::kUnavailable, std::string("cannot be written: ") + std::strerror(errno), file);
    out_ = &file_;
  }
}

void EdgeReport::add(const inference::JointResult& result) {
  const auto edge = inference::label_of(result.edge);
  auto cloud = inference::label_of(result.cloud);
  const bool from_cloud = result.source == inference::Source::kCloud;
  const auto final_label = from_cloud ? cloud : edge;
  if (!from_cloud) cloud.reset();
  bytes_up_ += result.bytes_up;
  if (result.reason != algo::Reason::kEasy && result.reason != algo::Reason::kHard) {
    Unanswered& all = unanswered_[result.reason];
    if (all.samples++ == 0) all.first = result.message;
  }
  if (index_ < labels_.size()) {
    right_edge_ += edge == labels_[index_] ? 1 : 0;
    right_final_ += final_label == labels_[index_] ? 1 : 0;
  }
  if (out_ != nullptr) {
    std::string line = "{\"index\": ";
    json::append_number(line, static_cast<std::int64_t>(index_));
    line.append(", \"hard\": ").append(result.is_hard ? "true" : "false").append(", \"reason\": ");
    json::append_string(line, algo::reason_name(result.reason));
    line += ", \"score\": ";
    json::append_number(line, result.score);
    append_label(line, "edge", edge);
    append_label(line, "cloud", cloud);
    append_label(line, "final", final_label);
    line += ", \"latency_ms\": ";
    json::append_number(line, milliseconds(result.edge_latency + result.cloud_latency));
    line += ", \"edge_ms\": ";
    json::append_number(line, milliseconds(result.edge_latency));
    line += ", \"cloud_ms\": ";
    json::append_number(line, milliseconds(result.cloud_latency));
    line += ", \"upload_bytes\": ";
    json::append_number(line, static_cast<std::int64_t>(result.bytes_up));
    if (!result.message.empty()) {
      line += ", \"message\": ";
      json::append_string(line, result.message);
    }
    line += "}\n";
    *out_ << line;
  }
  ++index_;
}

void EdgeReport::finish(const inference::JointCounts& counts, SteadyClock::duration elapsed) {
  if (out_ != nullptr) {
    out_->flush();
    if (!*out_) throw Error(ErrorCode::kUnavailable, "could not be written whole", path_);
  }
  for (const auto& [reason, all] : unanswered_) {
    std::string first = all.first;
    if (first.empty()) first = hint(reason);
    log::warning("The edge answered samples for this reason",
                 {{"reason", std::string(algo::reason_name(reason))}, {"samples", all.samples}, {"first", first}});
  }
  const double n = index_ == 0 ? 1 : static_cast<double>(index_);
  const double seconds = std::chrono::duration<double>(elapsed).count();
  std::string line = "EDGE samples=" + std::to_string(index_) + " edge=" + std::to_string(counts.edge) +
                     " cloud=" + std::to_string(counts.cloud) + " hard=" + std::to_string(counts.hard) +
                     " late=" + std::to_string(counts.late) + " upload_bytes=" + std::to_string(bytes_up_);
  char figures[160];
  if (!labels_.empty()) {
    std::snprintf(figures, sizeof figures, " edge_accuracy=%.4f joint_accuracy=%.4f",
                  static_cast<double>(right_edge_) / n, static_cast<double>(right_final_) / n);
    line += figures;
  }
  std::snprintf(figures, sizeof figures, " offload_ratio=%.4f samples_per_second=%.1f",
                static_cast<double>(counts.uploaded) / n, seconds > 0 ? static_cast<double>(index_) / seconds : 0.0);
  std::fprintf(stderr, "%s%s\n", line.c_str(), figures);
}

}  // namespace sedna::worker_program
