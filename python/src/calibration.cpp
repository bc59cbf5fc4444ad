#include "sedna/algo/calibration.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "sedna/base/clock.hpp"
#include "sedna/base/sha256.hpp"

#include "bind.hpp"

namespace sedna::python {

namespace nb = nanobind;

namespace {

using Parameters = std::map<std::string, std::string>;
using Rows = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::dict as_dict(const algo::Calibration& calibration) {
  nb::dict all;
  all["model_checksum"] = calibration.model_checksum;
  all["filter"] = calibration.filter;
  all["parameters"] = Parameters(calibration.parameters.begin(), calibration.parameters.end());
  all["threshold"] = calibration.threshold;
  all["temperature"] = calibration.temperature;
  all["policy"] = calibration.policy;
  all["asked"] = calibration.asked;
  all["reached"] = calibration.reached;
  all["ratio"] = calibration.ratio;
  all["accuracy_edge"] = nb::cast(calibration.accuracy_edge);
  all["accuracy_joint"] = nb::cast(calibration.accuracy_joint);
  all["accuracy_cloud"] = nb::cast(calibration.accuracy_cloud);
  all["samples"] = calibration.samples;
  all["ece_before"] = nb::cast(calibration.ece_before);
  all["ece_after"] = nb::cast(calibration.ece_after);
  all["date"] = calibration.date;
  return all;
}

nb::dict calibrate(const Rows& rows, const Labels& labels, const std::optional<Flags>& cloud_right, bool logits,
                   const std::string& filter, const Parameters& parameters, const std::string& policy, double target,
                   const std::string& model, const std::string& output) {
  algo::CalibrationOptions options;
  options.filter = filter;
  options.parameters = algo::Parameters(parameters.begin(), parameters.end());
  options.policy = algo::parse_calibration_policy(policy);
  options.target = target;
  options.date = format_utc_time(Clock::real().wall());
  algo::LabelledRows samples;
  samples.values = {rows.data(), rows.size()};
  samples.classes = rows.shape(1);
  samples.labels = {labels.data(), labels.size()};
  samples.form = logits ? algo::EdgeResult::Form::kLogits : algo::EdgeResult::Form::kProbabilities;
  std::span<const std::uint8_t> right;
  if (cloud_right) right = {cloud_right->data(), cloud_right->size()};
  algo::Calibration made;
  {
    const nb::gil_scoped_release unlocked;
    if (!model.empty()) options.model_checksum = sha256_file(model);
    made = algo::calibrate(samples, right, options);
    if (!output.empty()) algo::write_calibration(output, made);
  }
  return as_dict(made);
}

/// What the file says, after it was checked to belong to the model.
nb::dict read_calibration(const std::string& file, const std::string& model) {
  const algo::Calibration calibration = algo::read_calibration(file);
  if (!model.empty()) calibration.verify(sha256_file(model));
  return as_dict(calibration);
}

}  // namespace

void bind_calibration(nb::module_& m) {
  m.def("calibrate", &calibrate, nb::arg("rows"), nb::arg("labels"), nb::arg("cloud_right").none(), nb::arg("logits"),
        nb::arg("filter"), nb::arg("parameters"), nb::arg("policy"), nb::arg("target"), nb::arg("model"),
        nb::arg("output"));
  m.def("read_calibration", &read_calibration, nb::arg("file"), nb::arg("model"));
}

}  // namespace sedna::python
