// Joins the inputs of several requests along their first dimension, and splits the outputs again. Used by ServedModel.
#pragma once

#include <vector>

#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

/// The same inputs (names, dtypes, all dimensions but the first), in the same order, of a dtype with fixed-size
/// elements.
bool can_join(const std::vector<tensor::Tensor>& a, const std::vector<tensor::Tensor>& b);
/// One request out of several that can join; copies the bytes.
std::vector<tensor::Tensor> join_rows(const std::vector<const std::vector<tensor::Tensor>*>& requests);
/// Each request's rows of the outputs, as slices. Throws Error(kInternal) when an output has not as many rows as went
/// in.
std::vector<std::vector<tensor::Tensor>> split_rows(const std::vector<tensor::Tensor>& outputs,
                                                    const std::vector<const std::vector<tensor::Tensor>*>& requests);

}  // namespace sedna::inference
