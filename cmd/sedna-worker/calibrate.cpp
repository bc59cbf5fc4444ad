// sedna-worker calibrate: runs the small model over held-out samples and writes the filter's threshold together with
// the model's checksum.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/algo/calibration.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/base/error.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/inference/cloud_client.hpp"
#include "sedna/inference/result_reader.hpp"

#include "checks.hpp"
#include "commands.hpp"
#include "edge_options.hpp"
#include "samples.hpp"

namespace sedna::worker_program {
namespace {

struct CalibrateFlags {
  EdgeFlags edge;  ///< model, filter, parameters, score output, arrays, cloud
  std::string data;
  std::string cloud_labels;
  std::string out;
  std::optional<double> ratio, accuracy, accuracy_drop, conformal, chow;
};

Error wrong(const char* flag, std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message), flag};
}

/// What the cloud says of each sample: from an array of the file, or by asking it.
std::vector<std::int64_t> cloud_answers(const CalibrateFlags& flags, const Samples& samples,
                                        const worker::Context& context) {
  if (!flags.cloud_labels.empty()) return integer_array(samples, flags.cloud_labels, flags.data.substr(4));
  std::vector<std::int64_t> answers;
  if (flags.edge.cloud.empty()) return answers;
  metrics::Registry registry;
  inference::CloudClient cloud(make_cloud_options(flags.edge, context), registry);
  for (std::int64_t i = 0; i < samples.count; ++i) {
    inference::CloudCall call;
    call.inputs = inference::take_sample(samples.inputs, i, samples.count);
    const inference::CloudAnswer answer = cloud.ask(call, Deadline::after(std::chrono::seconds(30)));
    if (!answer.ok()) {
      throw Error(ErrorCode::kUnavailable, "sample " + std::to_string(i) + " was not answered: " + answer.message,
                  flags.edge.cloud);
    }
    const auto label = inference::label_of(answer.outputs);
    if (!label) throw Error(ErrorCode::kInvalidArgument, "its answers name no class", flags.edge.cloud);
    answers.push_back(*label);
  }
  return answers;
}

/// The edge model's outputs over all samples, as the filter reads them.
struct EdgeRows {
  std::vector<std::vector<double>> rows;
  std::vector<std::uint8_t> right;  ///< empty without labels
};

EdgeRows run_edge_model(const CalibrateFlags& flags, inference::OnnxEstimator& model, const Samples& samples,
                        algo::EdgeResult::Form form) {
  const auto reader = inference::default_reader(form, flags.edge.score_output);
  EdgeRows out;
  for (std::int64_t i = 0; i < samples.count; ++i) {
    const auto outputs = model.infer(inference::take_sample(samples.inputs, i, samples.count), Deadline());
    std::vector<double> row;
    if (!reader(outputs, row)) {
      throw wrong("--score-output", "the model's outputs cannot be read by this filter; name the right one");
    }
    out.rows.push_back(std::move(row));
    if (!samples.labels.empty()) {
      const auto label = inference::label_of(outputs);
      out.right.push_back(label == samples.labels[static_cast<std::size_t>(i)] ? 1 : 0);
    }
  }
  return out;
}

/// Before anything is loaded or asked.
void check_policy(const CalibrateFlags& flags) {
  const int given = flags.ratio.has_value() + flags.accuracy.has_value() + flags.accuracy_drop.has_value() +
                    flags.conformal.has_value() + flags.chow.has_value();
  if (given != 1) {
    throw wrong("--ratio", "give exactly one of --ratio, --accuracy, --accuracy-drop, --conformal, --chow");
  }
  const char* needs_cloud = flags.accuracy ? "--accuracy" : flags.accuracy_drop ? "--accuracy-drop" : nullptr;
  if (needs_cloud != nullptr && flags.edge.cloud.empty() && flags.cloud_labels.empty()) {
    throw wrong(needs_cloud, "needs what the cloud answers: --cloud HOST:PORT, or --cloud-labels ARRAY");
  }
}

void choose_policy(const CalibrateFlags& flags, std::span<const std::uint8_t> cloud_right,
                   algo::CalibrationOptions& options) {
  using Policy = algo::CalibrationPolicy;
  if (flags.ratio) {
    options.policy = Policy::kRatio;
    options.target = *flags.ratio;
  } else if (flags.conformal) {
    options.policy = Policy::kConformal;
    options.target = *flags.conformal;
  } else if (flags.chow) {
    options.policy = Policy::kChow;
    options.target = *flags.chow;
  } else {
    const char* flag = flags.accuracy ? "--accuracy" : "--accuracy-drop";
    if (cloud_right.empty()) {
      throw wrong(flag, "needs the samples' true labels: an array \"label\" in --data, or name it with --labels");
    }
    double cloud_accuracy = 0;
    for (const auto right : cloud_right) cloud_accuracy += right;
    cloud_accuracy /= static_cast<double>(cloud_right.size());
    options.policy = Policy::kAccuracy;
    options.target = flags.accuracy ? *flags.accuracy : cloud_accuracy - *flags.accuracy_drop;
  }
}

int run_calibrate(const CalibrateFlags& flags) {
  check_policy(flags);
  const auto context = worker::Context::from_environment();
  const auto model = load_edge_model(flags.edge, context);
  const Samples samples = read_samples("--data", flags.data, flags.edge.array, flags.edge.labels, model->metadata());
  if (samples.count == 0) throw wrong("--data", "holds no samples");

  algo::CalibrationOptions options;
  options.filter = flags.edge.filter.empty() ? "MSP" : flags.edge.filter;
  options.parameters = parse_parameters(flags.edge.parameters);
  options.model_checksum = model->checksum();
  options.date = format_utc_time(SystemClock::now());
  const auto form = checked_filter(flags.edge, options.filter, options.parameters)->form();

  std::vector<std::uint8_t> cloud_right;
  if (!samples.labels.empty()) {
    const std::vector<std::int64_t> answers = cloud_answers(flags, samples, context);
    cloud_right.reserve(answers.size());
    for (std::size_t i = 0; i < answers.size(); ++i) cloud_right.push_back(answers[i] == samples.labels[i] ? 1 : 0);
  }
  choose_policy(flags, cloud_right, options);

  const EdgeRows edge = run_edge_model(flags, *model, samples, form);
  algo::Calibration calibration;
  if (form != algo::EdgeResult::Form::kBoxScores && !samples.labels.empty()) {
    std::vector<double> values;
    for (const auto& row : edge.rows) {
      if (row.size() != edge.rows.front().size()) throw wrong("--score-output", "gives rows of different lengths");
      values.insert(values.end(), row.begin(), row.end());
    }
    algo::LabelledRows rows;
    rows.values = values;
    rows.classes = edge.rows.front().size();
    rows.labels = samples.labels;
    rows.form = form;
    try {
      calibration = algo::calibrate(rows, cloud_right, options);
    } catch (const Error& error) {
      if (error.subject().starts_with("labels[")) throw wrong("--labels", error.what());
      if (error.subject().starts_with("values[")) {
        throw wrong("--score-output",
                    std::string(error.what()) +
                        "; name the output that holds them, or, if it holds logits, --param input=logits");
      }
      throw;
    }
  } else {
    std::vector<algo::EdgeResult> results;
    results.reserve(edge.rows.size());
    for (const auto& row : edge.rows) results.push_back({form, row, true});
    calibration = algo::calibrate(results, edge.right, cloud_right, options);
  }
  if (flags.out.empty() || flags.out == "-") {
    std::printf("%s", algo::calibration_text(calibration).c_str());
  } else {
    algo::write_calibration(flags.out, calibration);
    std::fprintf(stderr, "%s: hard when the score exceeds %g; %.1f %% of %llu samples%s\n", flags.out.c_str(),
                 calibration.threshold, 100 * calibration.ratio, static_cast<unsigned long long>(calibration.samples),
                 calibration.reached ? "" : " (the target cannot be reached; this is the nearest)");
  }
  return kExitOk;
}

}  // namespace

void add_calibrate(CLI::App& program, Action& action) {
  auto flags = std::make_shared<CalibrateFlags>();
  CLI::App* cmd = program.add_subcommand(
      "calibrate",
      "Chooses a filter's threshold on samples that were neither trained nor tested on, and writes it with the model\n"
      "file's checksum: `sedna-worker edge --calibration` refuses it for another model.\n\n"
      "Example: sedna-worker calibrate --model small=small.onnx --data npz:calibration.npz --filter MSP --ratio 0.1 "
      "\\\n"
      "           --out calibration.json");
  cmd->add_option("--model", flags->edge.model, "The small model")->type_name("NAME=FILE")->required();
  cmd->add_option("--data", flags->data, "Samples and, for accuracies and temperature, labels")
      ->type_name("npz:FILE")
      ->required();
  cmd->add_option("--array", flags->edge.array,
                  "The array of samples (the input's name, else \"input\", else the only one)");
  cmd->add_option("--labels", flags->edge.labels, "The array of true labels (\"label\" if there is one)");
  cmd->add_option("--filter", flags->edge.filter, "Hard-example filter (MSP)");
  cmd->add_option("--param", flags->edge.parameters, "A parameter of the filter that is kept; repeat for more")
      ->type_name("KEY=VALUE");
  cmd->add_option("--score-output", flags->edge.score_output, "The model's output that the filter reads");
  cmd->add_option("--ratio", flags->ratio, "Share to send")->check(number_between(0.0, 1.0));
  cmd->add_option("--accuracy", flags->accuracy, "Joint accuracy to reach with as few samples sent as possible")
      ->check(number_between(0.0, 1.0));
  cmd->add_option("--accuracy-drop", flags->accuracy_drop, "The same, as points below the cloud's own accuracy (0.005)")
      ->check(number_between(0.0, 1.0));
  cmd->add_option("--conformal", flags->conformal, "Largest share of samples that may stay and be wrong")
      ->check(number_between(0.0, 1.0));
  cmd->add_option("--chow", flags->chow, "Cost of asking the cloud, against 1 for a wrong answer")
      ->check(number_between(0.0, 1.0));
  cmd->add_option("--cloud", flags->edge.cloud, "Ask this cloud for its answers")->type_name("HOST:PORT");
  cmd->add_option("--cloud-model", flags->edge.cloud_model, "The model's name there");
  cmd->add_option("--cloud-labels", flags->cloud_labels, "The array of what the cloud answers, instead of asking");
  cmd->add_option("--out", flags->out, "Where to write; - is standard output")->type_name("FILE");
  cmd->callback([flags, &action] { action = [flags] { return run_calibrate(*flags); }; });
}

}  // namespace sedna::worker_program
