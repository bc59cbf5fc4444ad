// The coordinate-wise trimmed mean, streaming: for every coordinate the b largest and the b smallest values are left
// out and the mean of the rest is taken. Memory is (2b + 2) models whatever the number of clients, because only those
// 2b extremes and a sum are kept, and up to 32 MB of updates, which go through them together. A value joins the sum
// only once it can be no extreme any more: however large an attacker's values are, they never touch the sum, and
// nothing has to be subtracted from it. Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical
// Rates", ICML 2018, option II.
#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

namespace {

constexpr std::size_t kColumns = kernels::kExtremeColumns;
/// Updates wait for each other, so that the extremes are gone through less often: at most so much memory for it.
constexpr std::size_t kBatchBytes = std::size_t{32} << 20;

class TrimmedMean final : public Aggregation {
 public:
  explicit TrimmedMean(std::size_t trim) : trim_(trim) {}

  void accumulate(Update update) override {
    if (count_ == 0) begin(update.weights);
    for (std::size_t t = 0; t < parts_.size(); ++t) {
      with_float(like_[t].dtype, [&](auto zero) {
        using T = decltype(zero);
        const auto values = update.weights[t].template as<T>();
        T* const batch = reinterpret_cast<T*>(parts_[t].batch.data());
        alignas(64) T alone[kColumns];
        for (std::size_t first = 0; first < values.size(); first += kColumns) {
          const std::size_t count = std::min(kColumns, values.size() - first);
          T* const row = batch_ == 1 ? alone : batch + first * batch_ + waiting_ * kColumns;
          std::fill(std::copy_n(values.data() + first, count, row), row + kColumns, T());
          if (batch_ == 1) insert(t, first, alone, 1, count_);
        }
      });
    }
    total_ += update.weight;
    ++count_;
    if (batch_ > 1 && ++waiting_ == batch_) take_batch();
  }

  std::size_t count() const override { return count_; }
  double total_weight() const override { return total_; }

  Aggregate report() override {
    if (count_ < 2 * trim_ + 1) {
      throw Error(ErrorCode::kInvalidArgument,
                  "needs " + std::to_string(2 * trim_ + 1) + " updates and has " + std::to_string(count_),
                  "TrimmedMean");
    }
    take_batch();
    Aggregate out;
    out.total_weight = total_;
    const auto rest = static_cast<double>(count_ - 2 * trim_);
    for (std::size_t t = 0; t < parts_.size(); ++t) {
      const std::size_t elements = parts_[t].elements;
      const double* const sum = reinterpret_cast<const double*>(parts_[t].sum.data());
      AlignedBuffer buffer(elements * tensor::dtype_size(like_[t].dtype));
      with_float(like_[t].dtype, [&](auto zero) {
        using T = decltype(zero);
        T* const to = reinterpret_cast<T*>(buffer.data());
        for (std::size_t k = 0; k < elements; ++k) to[k] = static_cast<T>(sum[k] / rest);
      });
      tensor::Tensor tensor = like_[t];
      tensor.data = std::move(buffer).freeze();
      out.weights.push_back(std::move(tensor));
    }
    return out;
  }

 private:
  /// Of one tensor, block of kColumns by block: its extremes (2b rows in its dtype), its sums, the updates that wait.
  struct OfTensor {
    std::size_t elements = 0;
    std::size_t blocks = 0;
    AlignedBuffer extremes;
    AlignedBuffer sum;
    AlignedBuffer batch;
  };

  void begin(const Weights& weights) {
    std::size_t bytes = 0;
    for (const auto& tensor : weights) bytes += tensor.data.size();
    batch_ = std::clamp(kBatchBytes / std::max<std::size_t>(bytes, 1), std::size_t{1}, std::min<std::size_t>(8, trim_));
    like_ = weights;
    for (auto& tensor : like_) {
      OfTensor part;
      part.elements = elements_of(tensor);
      part.blocks = (part.elements + kColumns - 1) / kColumns;
      const std::size_t row = part.blocks * kColumns * tensor::dtype_size(tensor.dtype);
      part.extremes = AlignedBuffer(2 * trim_ * row);
      if (batch_ > 1) part.batch = AlignedBuffer(batch_ * row);
      part.sum = AlignedBuffer(part.blocks * kColumns * sizeof(double));
      std::fill_n(reinterpret_cast<double*>(part.sum.data()), part.blocks * kColumns, 0.0);
      parts_.push_back(std::move(part));
      tensor.data = Bytes();
    }
  }

  template <class T>
  void insert(std::size_t tensor, std::size_t first, const T* rows, std::size_t count, std::size_t seen) {
    OfTensor& part = parts_[tensor];
    kernels::insert_extremes(reinterpret_cast<T*>(part.extremes.data()) + first * 2 * trim_,
                             reinterpret_cast<double*>(part.sum.data()) + first, rows, count, trim_, seen);
  }

  void take_batch() {
    const std::size_t seen = count_ - waiting_;
    for (std::size_t t = 0; t < parts_.size() && waiting_ > 0; ++t) {
      with_float(like_[t].dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* const batch = reinterpret_cast<const T*>(parts_[t].batch.data());
        for (std::size_t block = 0; block < parts_[t].blocks; ++block) {
          const std::size_t first = block * kColumns;
          insert(t, first, batch + first * batch_, waiting_, seen);
        }
      });
    }
    waiting_ = 0;
  }

  std::size_t trim_;
  std::size_t batch_ = 1;    ///< so many updates go through the extremes at once
  std::size_t waiting_ = 0;  ///< in the batch
  std::size_t count_ = 0;
  double total_ = 0;
  Weights like_;  ///< names, dtypes, shapes; no values
  std::vector<OfTensor> parts_;
};

}  // namespace

std::unique_ptr<Aggregation> make_trimmed_mean(const Base& /*base*/, std::size_t trim) {
  return std::make_unique<TrimmedMean>(trim);
}

}  // namespace sedna::federated
