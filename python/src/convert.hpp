// Between Python objects and the core's values: what a filter reads out of a model's answer, tensors out of arrays, and
// back. Every function needs the GIL unless it says otherwise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>

#include "sedna/algo/hard_example.hpp"
#include "sedna/inference/cloud_client.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::python {

namespace nb = nanobind;

/// Reads what a filter judges from a model's answer: an array, or nested lists. False: it cannot be read in this form.
/// Never leaves a Python error set.
bool read_values(nb::handle object, algo::EdgeResult::Form form, std::vector<double>& values);

/// A tensor over an array's memory (copied first when it is not contiguous), kept alive as long as the tensor; nothing
/// for what is no numeric array.
bool make_tensor(nb::handle object, tensor::Tensor& out);
/// A numpy array over the tensor's bytes (BYTES: a list of bytes). Writable: received bytes have no other user.
nb::object make_array(const tensor::Tensor& tensor);

/// An output of this name says that the model answered with a dictionary, where one output alone would not show it.
inline constexpr std::string_view kFormOutput = "sedna_form";

/// What upstream's client gives back: the result as lists.
nb::object cloud_answer(const std::vector<tensor::Tensor>& outputs, const Bytes& json);

/// The call that carries a sample: an array as a tensor, anything else as the JSON route's text. `members` (a
/// dictionary or None): what goes before "data" there. Throws a Python TypeError for what JSON cannot carry.
inference::CloudCall make_call(nb::handle data, nb::handle members);
/// Bytes of an array; 0 for others. Cheap.
std::uint64_t payload_size(nb::handle data);

/// Keeps a Python object beyond the GIL: may be copied and destroyed on any thread.
std::shared_ptr<nb::object> keep(nb::object object);

/// json.loads and json.dumps. `compact`: as upstream's server writes answers (no blanks, no escapes, no NaN); otherwise
/// as its client writes requests.
nb::object json_loads(std::string_view text);
std::string json_dumps(nb::handle value, bool compact);

}  // namespace sedna::python
