#include "edge_options.hpp"

#include <algorithm>

#include "sedna/algo/calibration.hpp"
#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"

#include "model_flag.hpp"

namespace sedna::worker_program {
namespace {

Error wrong(const char* what, std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message), what};
}

}  // namespace

std::shared_ptr<inference::OnnxEstimator> load_edge_model(const EdgeFlags& flags, const worker::Context& context) {
  std::pair<std::string, std::string> model;
  if (!flags.model.empty()) {
    model = split_model(flags.model);
  } else if (const auto url = context.get("MODEL_URL")) {
    model = {context.get_or("MODEL_NAME", ""), *url};
  } else {
    throw wrong("--model", "no edge model: give --model NAME=FILE.onnx or set MODEL_URL");
  }
  inference::OnnxOptions options;
  options.name = model.first;
  auto estimator = inference::OnnxEstimator::load(model_file(model.second), options);
  const auto& outputs = estimator->metadata().outputs;
  if (!flags.score_output.empty() &&
      std::ranges::find(outputs, flags.score_output, &inference::TensorSpec::name) == outputs.end()) {
    std::string names;
    for (const auto& output : outputs) names += (names.empty() ? "" : ", ") + output.name;
    throw wrong("--score-output", "the model has no output '" + flags.score_output + "'; it has " + names);
  }
  return estimator;
}

algo::Parameters parse_parameters(const std::vector<std::string>& texts) {
  algo::Parameters parameters;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) throw wrong("--param", "expected KEY=VALUE, got '" + text + "'");
    parameters.insert_or_assign(text.substr(0, equals), text.substr(equals + 1));
  }
  return parameters;
}

std::unique_ptr<algo::HardExampleFilter> checked_filter(const EdgeFlags& flags, const std::string& name,
                                                        const algo::Parameters& parameters) {
  try {
    return algo::make_filter(name, parameters);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound && !flags.filter.empty()) throw wrong("--filter", error.what());
    if (error.code() == ErrorCode::kInvalidArgument && !flags.parameters.empty()) throw wrong("--param", error.what());
    throw;
  }
}

std::unique_ptr<algo::HardExampleFilter> make_edge_filter(const EdgeFlags& flags, const worker::Context& context,
                                                          const std::string& model_checksum) {
  const auto from_environment = context.algorithm("HEM");
  std::string name = !flags.filter.empty() ? flags.filter : from_environment ? from_environment->name : std::string();
  algo::Parameters parameters;
  const std::string file = !flags.calibration.empty() ? flags.calibration : context.get_or("SEDNA_CALIBRATION", "");
  if (!file.empty()) {
    const algo::Calibration calibration = algo::read_calibration(file);
    calibration.verify(model_checksum);
    if (!name.empty() && name != calibration.filter) {
      throw wrong(flags.filter.empty() ? "HEM_NAME" : "--filter",
                  "is " + name + ", but " + file + " calibrates " + calibration.filter);
    }
    name = calibration.filter;
    parameters = calibration.parameters;
  }
  if (name.empty()) name = "EdgeOnly";
  if (from_environment && from_environment->name == name) {
    for (const auto& [key, value] : from_environment->parameters) parameters.insert_or_assign(key, value);
  }
  for (const auto& [key, value] : parse_parameters(flags.parameters)) parameters.insert_or_assign(key, value);
  auto filter = checked_filter(flags, name, parameters);
  for (const std::string& key : filter->ignored_parameters()) {
    log::warning("The filter does not know this parameter", {{"filter", name}, {"parameter", key}});
  }
  return filter;
}

inference::CloudClientOptions make_cloud_options(const EdgeFlags& flags, const worker::Context& context) {
  worker::Context merged = context;
  if (!flags.cloud.empty()) {
    std::string host = flags.cloud;
    const auto colon = host.rfind(':');
    const bool has_port = colon != std::string::npos && (host.find(':') == colon || host[colon - 1] == ']');
    if (colon == 0 || (has_port && colon + 1 == host.size()) || host.find("://") != std::string::npos) {
      throw wrong("--cloud", "expected HOST or HOST:PORT, without a scheme");
    }
    if (has_port) {
      merged.set("BIG_MODEL_PORT", host.substr(colon + 1));
      host.resize(colon);
    }
    merged.set("BIG_MODEL_IP", host);
  }
  if (!flags.cloud_model.empty()) merged.set("SEDNA_CLOUD_MODEL", flags.cloud_model);
  inference::CloudClientOptions options;
  try {
    options = inference::CloudClientOptions::from_context(merged);
  } catch (const Error& error) {
    if (!flags.cloud.empty() && error.subject().starts_with("BIG_MODEL")) {
      throw wrong("--cloud", "expected HOST or HOST:PORT, got '" + flags.cloud + "'");
    }
    throw;
  }
  if (flags.in_flight > 0) options.max_in_flight = flags.in_flight;
  return options;
}

inference::JointOptions make_joint_options(const EdgeFlags& flags, const worker::Context& context,
                                           const inference::CloudClientOptions& cloud) {
  inference::JointOptions options;
  try {
    options.mode = inference::parse_mining_mode(
        flags.mining_mode.empty() ? context.get_or("MINING_MODE", "inference-then-mining") : flags.mining_mode);
  } catch (const Error& error) {
    if (!flags.mining_mode.empty()) throw wrong("--mining-mode", error.message() + " (as MINING_MODE)");
    throw;
  }
  options.deadline = flags.deadline_ms ? std::chrono::duration_cast<SteadyClock::duration>(
                                             std::chrono::duration<double, std::milli>(*flags.deadline_ms))
                                       : cloud.deadline;
  options.requests_per_second = flags.budget_requests;
  options.bytes_per_second = flags.budget_bytes;
  options.target_ratio = flags.target_ratio;
  options.score_output = flags.score_output;
  return options;
}

}  // namespace sedna::worker_program
