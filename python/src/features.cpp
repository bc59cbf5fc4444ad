// MistNet's features: randomised before they leave, estimated by the server; and weights as a file to begin with.
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "sedna/federated/local_privacy.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/storage/file_io.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace sedna::python {

namespace nb = nanobind;

namespace {

tensor::Tensor tensor_of(nb::handle array, const char* name) {
  tensor::Tensor tensor;
  if (!make_tensor(array, tensor)) throw nb::type_error((std::string(name) + " is no array of numbers").c_str());
  return tensor;
}

nb::dict described(const federated::FeatureLayout& layout) {
  nb::dict out;
  out["mechanism"] = nb::str(std::string(federated::mechanism_name(layout.mechanism)).c_str());
  out["values"] = layout.values();
  out["epsilon_of_value"] = layout.epsilon_of_value();
  out["epsilon_of_sample"] = layout.epsilon_of_sample();
  return out;
}

/// (what is sent, its layout, what it is worth).
nb::tuple randomize_features(nb::handle array, const std::string& mechanism, double epsilon, bool of_sample,
                             double clip) {
  tensor::Tensor features = tensor_of(array, "features");
  if (features.shape.empty()) throw nb::type_error("features have no rows");
  const tensor::Shape shape(features.shape.begin() + 1, features.shape.end());
  const auto kind = federated::mechanism_from(mechanism);
  const auto layout = of_sample ? federated::FeatureLayout::for_sample(kind, epsilon, clip, shape)
                                : federated::FeatureLayout{kind, epsilon, clip, shape};
  tensor::Tensor sent;
  {
    const nb::gil_scoped_release unlocked;
    sent = federated::randomize(features, layout);
    features = {};
  }
  return nb::make_tuple(make_array(sent), make_array(layout.to_tensor()), described(layout));
}

nb::object estimate_features(nb::handle sent, nb::handle layout_array) {
  const auto layout = federated::FeatureLayout::from_tensor(tensor_of(layout_array, "layout"));
  if (!layout) throw Error(layout.error());
  tensor::Tensor features = tensor_of(sent, "features");
  tensor::Tensor out;
  {
    const nb::gil_scoped_release unlocked;
    out = federated::estimate(features, *layout);
    features = {};
  }
  return make_array(out);
}

void save_weights(const std::string& path, nb::handle arrays) {
  federated::Model model;
  for (const nb::handle item : arrays) model.weights.push_back(tensor_of(item, "weights"));
  const nb::gil_scoped_release unlocked;
  storage::AtomicFile file(path, 0600);
  for (const Bytes& part : federated::write_model_file(model, {{"round", "0"}})) file.write(part.span());
  file.commit();
  model.weights.clear();
}

}  // namespace

void bind_features(nb::module_& m) {
  m.def("randomize_features", &randomize_features, nb::arg("features"), nb::arg("mechanism"), nb::arg("epsilon"),
        nb::arg("of_sample"), nb::arg("clip"), "Features as they are sent, their layout, and the privacy that has.");
  m.def("estimate_features", &estimate_features, nb::arg("sent"), nb::arg("layout"),
        "Unbiased estimates of the features that were sent.");
  m.def("save_weights", &save_weights, nb::arg("path"), nb::arg("arrays"), "Weights as a safetensors file.");
}

}  // namespace sedna::python
