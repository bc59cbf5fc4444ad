// The coordinate-wise trimmed mean, streaming: for every coordinate the b largest and the b smallest values are left
// out and the mean of the rest is taken. Memory is (2b + 2) models whatever the number of clients, because only those
// 2b extremes and a sum are kept. A value joins the sum only once it can be no extreme any more: however large an
// attacker's values are, they never touch the sum, and nothing has to be subtracted from it. Yin et al.,
// "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", ICML 2018, option II.
#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

namespace {

/// One update's values through the extremes into the sum; `extremes` are 2b rows of `count`, the b largest first.
template <class T>
void insert_block(const T* values, T* extremes, double* sum, std::size_t count, std::size_t stride, std::size_t trim,
                  std::size_t seen) {
  T v[kColumns];
  for (std::size_t k = 0; k < count; ++k) v[k] = values[k];
  for (std::size_t row = 0; row < 2 * trim; ++row) {
    T* const kept = extremes + row * stride;
    if (row >= seen) {  // not filled yet: it takes what is left
      for (std::size_t k = 0; k < count; ++k) kept[k] = v[k];
      return;
    }
    if (row < trim) {
      for (std::size_t k = 0; k < count; ++k) {
        const T a = kept[k];
        kept[k] = a > v[k] ? a : v[k];
        v[k] = a > v[k] ? v[k] : a;
      }
    } else {
      for (std::size_t k = 0; k < count; ++k) {
        const T a = kept[k];
        kept[k] = a < v[k] ? a : v[k];
        v[k] = a < v[k] ? v[k] : a;
      }
    }
  }
  for (std::size_t k = 0; k < count; ++k) sum[k] += static_cast<double>(v[k]);
}

SEDNA_MULTIVERSION void insert(const float* values, float* extremes, double* sum, std::size_t count, std::size_t stride,
                               std::size_t trim, std::size_t seen) {
  insert_block(values, extremes, sum, count, stride, trim, seen);
}
SEDNA_MULTIVERSION void insert(const double* values, double* extremes, double* sum, std::size_t count,
                               std::size_t stride, std::size_t trim, std::size_t seen) {
  insert_block(values, extremes, sum, count, stride, trim, seen);
}

class TrimmedMean final : public Aggregation {
 public:
  explicit TrimmedMean(std::size_t trim) : trim_(trim) {}

  void accumulate(Update update) override {
    if (count_ == 0) {
      like_ = update.weights;
      for (auto& tensor : like_) {
        const std::size_t elements = elements_of(tensor);
        sums_.emplace_back(elements, 0.0);
        extremes_.emplace_back(2 * trim_ * tensor.data.size());
        tensor.data = Bytes();
      }
    }
    for (std::size_t t = 0; t < sums_.size(); ++t) {
      with_float(like_[t].dtype, [&](auto zero) {
        using T = decltype(zero);
        const auto values = update.weights[t].template as<T>();
        T* const extremes = reinterpret_cast<T*>(extremes_[t].data());
        for (std::size_t first = 0; first < values.size(); first += kColumns) {
          const std::size_t count = std::min(kColumns, values.size() - first);
          insert(values.data() + first, extremes + first, sums_[t].data() + first, count, values.size(), trim_, count_);
        }
      });
    }
    total_ += update.weight;
    ++count_;
  }

  std::size_t count() const override { return count_; }
  double total_weight() const override { return total_; }

  Aggregate report() override {
    if (count_ < 2 * trim_ + 1) {
      throw Error(ErrorCode::kInvalidArgument,
                  "needs " + std::to_string(2 * trim_ + 1) + " updates and has " + std::to_string(count_),
                  "TrimmedMean");
    }
    Aggregate out;
    out.total_weight = total_;
    const auto rest = static_cast<double>(count_ - 2 * trim_);
    for (std::size_t t = 0; t < sums_.size(); ++t) {
      AlignedBuffer buffer(sums_[t].size() * tensor::dtype_size(like_[t].dtype));
      with_float(like_[t].dtype, [&](auto zero) {
        using T = decltype(zero);
        T* const to = reinterpret_cast<T*>(buffer.data());
        for (std::size_t k = 0; k < sums_[t].size(); ++k) to[k] = static_cast<T>(sums_[t][k] / rest);
      });
      tensor::Tensor tensor = like_[t];
      tensor.data = std::move(buffer).freeze();
      out.weights.push_back(std::move(tensor));
    }
    return out;
  }

 private:
  std::size_t trim_;
  std::size_t count_ = 0;
  double total_ = 0;
  Weights like_;  ///< names, dtypes, shapes; no values
  Moments sums_;
  std::vector<AlignedBuffer> extremes_;  ///< of each tensor 2b rows in its dtype
};

}  // namespace

std::unique_ptr<Aggregation> make_trimmed_mean(const Base& /*base*/, std::size_t trim) {
  return std::make_unique<TrimmedMean>(trim);
}

}  // namespace sedna::federated
