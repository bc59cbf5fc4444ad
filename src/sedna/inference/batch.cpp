#include "sedna/inference/batch.hpp"

#include <algorithm>
#include <cstring>

#include "sedna/base/error.hpp"

namespace sedna::inference {

using tensor::Tensor;

bool can_join(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size() || a.empty()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].dtype != b[i].dtype || tensor::dtype_size(a[i].dtype) == 0) return false;
    if (a[i].shape.empty() || a[i].shape.size() != b[i].shape.size()) return false;
    if (!std::equal(a[i].shape.begin() + 1, a[i].shape.end(), b[i].shape.begin() + 1)) return false;
    // Each input of a request brings the same number of rows, or rows cannot be told apart afterwards.
    if (a[i].shape[0] != a[0].shape[0] || b[i].shape[0] != b[0].shape[0]) return false;
  }
  return true;
}

std::vector<Tensor> join_rows(const std::vector<const std::vector<Tensor>*>& requests) {
  std::vector<Tensor> joined;
  const std::vector<Tensor>& first = *requests.front();
  for (std::size_t i = 0; i < first.size(); ++i) {
    Tensor t{first[i].name, first[i].dtype, first[i].shape, {}};
    t.shape[0] = 0;
    std::size_t bytes = 0;
    for (const auto* request : requests) {
      t.shape[0] += (*request)[i].shape[0];
      bytes += (*request)[i].data.size();
    }
    AlignedBuffer buffer(bytes);
    std::byte* out = buffer.data();
    for (const auto* request : requests) {
      const Bytes& part = (*request)[i].data;
      if (!part.empty()) std::memcpy(out, part.data(), part.size());
      out += part.size();
    }
    t.data = std::move(buffer).freeze();
    joined.push_back(std::move(t));
  }
  return joined;
}

std::vector<std::vector<Tensor>> split_rows(const std::vector<Tensor>& outputs,
                                            const std::vector<const std::vector<Tensor>*>& requests) {
  std::int64_t total = 0;
  for (const auto* request : requests) total += request->front().shape[0];
  std::vector<std::vector<Tensor>> split(requests.size());
  for (const Tensor& output : outputs) {
    if (output.shape.empty() || output.shape[0] != total || tensor::dtype_size(output.dtype) == 0) {
      throw Error(ErrorCode::kInternal, "the output cannot be split into the requests of a batch", output.name);
    }
    const std::size_t row = total > 0 ? output.data.size() / static_cast<std::size_t>(total) : 0;
    std::size_t offset = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const std::int64_t rows = requests[i]->front().shape[0];
      Tensor part{output.name, output.dtype, output.shape, {}};
      part.shape[0] = rows;
      const std::size_t bytes = row * static_cast<std::size_t>(rows);
      part.data = output.data.slice(offset, bytes);
      offset += bytes;
      split[i].push_back(std::move(part));
    }
  }
  return split;
}

}  // namespace sedna::inference
