#include "samples.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/base/error.hpp"
#include "sedna/inference/result_reader.hpp"
#include "sedna/tensor/npz.hpp"

namespace sedna::worker_program {
namespace {

using tensor::Tensor;

const Tensor* find(const std::vector<Tensor>& arrays, const std::string& name) {
  const auto it = std::ranges::find(arrays, name, &Tensor::name);
  return it == arrays.end() ? nullptr : &*it;
}

std::string names_of(const std::vector<Tensor>& arrays) {
  std::string names;
  for (const Tensor& array : arrays) names += (names.empty() ? "" : ", ") + array.name;
  return names;
}

std::string shape_text(const tensor::Shape& shape) {
  std::string text = "[";
  for (const auto size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace

Samples read_samples(const char* flag, const std::string& source, const std::string& array, const std::string& labels,
                     const inference::ModelMetadata& model) {
  const auto wrong = [](std::string message, const std::string& subject) {
    return Error(ErrorCode::kInvalidArgument, std::move(message), subject);
  };
  if (!source.starts_with("npz:") || source.size() == 4) throw wrong("expected npz:FILE, got '" + source + "'", flag);
  const std::string file = source.substr(4);
  Samples samples;
  samples.arrays = tensor::load_npz(file).value();
  for (const auto& input : model.inputs) {
    const bool only_input = model.inputs.size() == 1;
    const Tensor* found = find(samples.arrays, !array.empty() && only_input ? array : input.name);
    if (found == nullptr && only_input && array.empty()) {
      found = samples.arrays.size() == 1 ? &samples.arrays.front() : find(samples.arrays, "input");
    }
    if (found == nullptr || found->shape.empty()) {
      throw wrong("no array of samples for the model's input \"" + input.name +
                      "\" (there are: " + names_of(samples.arrays) + "); name one with --array",
                  file);
    }
    if (found->dtype != input.dtype) {
      throw wrong("array \"" + found->name + "\" is " + std::string(tensor::dtype_name(found->dtype)) +
                      "; the model's input \"" + input.name + "\" takes " +
                      std::string(tensor::dtype_name(input.dtype)),
                  file);
    }
    if (!samples.inputs.empty() && found->shape.front() != samples.count) {
      throw wrong("the arrays hold different numbers of samples", file);
    }
    // The first dimension counts samples; the others are the model's, where it names them.
    if (found->shape.size() == input.shape.size()) {
      for (std::size_t i = 1; i < input.shape.size(); ++i) {
        if (input.shape[i] >= 0 && input.shape[i] != found->shape[i]) {
          throw wrong("array \"" + found->name + "\" is " + shape_text(found->shape) + "; the model's input \"" +
                          input.name + "\" takes " + shape_text(input.shape),
                      file);
        }
      }
    }
    samples.count = found->shape.front();
    samples.inputs.push_back(*found);
    samples.inputs.back().name = input.name;
  }
  if (!labels.empty() || find(samples.arrays, "label") != nullptr) {
    samples.labels = integer_array(samples, labels.empty() ? "label" : labels, file);
  }
  return samples;
}

std::vector<std::int64_t> integer_array(const Samples& samples, const std::string& name, const std::string& file) {
  const Tensor* array = find(samples.arrays, name);
  std::vector<double> values;
  if (array == nullptr || !inference::append_doubles(*array, values) ||
      static_cast<std::int64_t>(values.size()) != samples.count) {
    throw Error(ErrorCode::kInvalidArgument,
                "needs an array \"" + name + "\" of one number a sample (there are: " + names_of(samples.arrays) + ")",
                file);
  }
  std::vector<std::int64_t> integers(values.size());
  constexpr double kExact = 9007199254740992;  // 2^53: beyond it a double does not hold every integer
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i]) <= kExact) || values[i] != std::trunc(values[i])) {
      throw Error(ErrorCode::kInvalidArgument,
                  "array \"" + name + "\" is no label at [" + std::to_string(i) + "]: " + std::to_string(values[i]),
                  file);
    }
    integers[i] = static_cast<std::int64_t>(values[i]);
  }
  return integers;
}

}  // namespace sedna::worker_program
