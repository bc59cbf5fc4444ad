// A client of federated learning without Python: a small network (64-64-10, ReLU, softmax) that trains on this device's
// digits, and whose weights alone leave it.
//   sedna-worker aggregate --port 7363 --aggregation digits --participants 2 --rounds 10
//   WORKER_NAME=a AGG_IP=127.0.0.1 AGG_PORT=7363 federated_digits client-0.npz [test.npz]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>

#include "sedna/federated/round_client.hpp"
#include "sedna/tensor/npz.hpp"
#include "sedna/worker/context.hpp"

namespace {

using sedna::tensor::DType;
using sedna::tensor::Tensor;
constexpr std::size_t kIn = 64, kHidden = 64, kOut = 10, kEpochs = 5, kBatch = 32;
constexpr float kRate = 0.1F;

struct Digits {
  std::vector<float> pixels;  // [n, 64]
  std::vector<int> labels;    // [n]
  std::size_t size() const { return labels.size(); }
};

/// An .npz as numpy writes it: "x" float64 [n, 64] from 0 to 1, "y" int64 [n].
Digits read_digits(const char* path) {
  Digits out;
  const std::vector<Tensor> arrays = sedna::tensor::load_npz(path).value();
  for (const Tensor& array : arrays) {
    const auto count = array.data.size() / sizeof(double);
    if (array.name == "x" && array.dtype == DType::kFp64) {
      const auto* x = reinterpret_cast<const double*>(array.data.data());
      out.pixels.assign(x, x + count);
    } else if (array.name == "y" && array.dtype == DType::kInt64) {
      const auto* y = reinterpret_cast<const std::int64_t*>(array.data.data());
      out.labels.assign(y, y + count);
    }
  }
  if (out.labels.empty() || out.pixels.size() != out.size() * kIn)
    throw sedna::Error(sedna::ErrorCode::kInvalidArgument, "needs x, float64 [n, 64], and y, int64 [n]", path);
  return out;
}

class Network {
 public:
  explicit Network(unsigned seed) {
    std::mt19937 random(seed);  // the same for everybody: the mean of unrelated networks would mean nothing
    std::normal_distribution<float> normal(0, std::sqrt(2.0F / kIn));
    for (auto* w : {&w1_, &w2_})
      for (float& v : *w) v = normal(random);
  }

  void train(const Digits& data) {
    std::vector<std::size_t> order(data.size());
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
      std::shuffle(order.begin(), order.end(), shuffle_);
      for (std::size_t at = 0; at < order.size(); at += kBatch)
        step(data, {order.begin() + static_cast<long>(at),
                    order.begin() + static_cast<long>(std::min(at + kBatch, order.size()))});
    }
  }

  double accuracy(const Digits& data) {
    std::size_t right = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
      forward(&data.pixels[i * kIn]);
      right += std::max_element(p_.begin(), p_.end()) - p_.begin() == data.labels[i];
    }
    return static_cast<double>(right) / static_cast<double>(data.size());
  }

  sedna::federated::Weights weights() const {
    sedna::federated::Weights out;
    for (const auto& [values, shape] : {std::pair{&w1_, sedna::tensor::Shape{kIn, kHidden}},
                                        {&b1_, {kHidden}},
                                        {&w2_, {kHidden, kOut}},
                                        {&b2_, {kOut}}}) {
      sedna::AlignedBuffer bytes(values->size() * sizeof(float));
      std::memcpy(bytes.data(), values->data(), bytes.size());
      out.push_back({"", DType::kFp32, shape, std::move(bytes).freeze()});
    }
    return out;
  }

  void set(const sedna::federated::Weights& weights) {
    std::size_t i = 0;
    for (auto* values : {&w1_, &b1_, &w2_, &b2_}) {
      const auto& bytes = weights.at(i++).data;
      if (bytes.size() != values->size() * sizeof(float))
        throw sedna::Error(sedna::ErrorCode::kInvalidArgument, "is the model of another network", "weights");
      std::memcpy(values->data(), bytes.data(), bytes.size());
    }
  }

 private:
  void forward(const float* x) {
    h_ = b1_;
    for (std::size_t i = 0; i < kIn; ++i)
      for (std::size_t j = 0; j < kHidden; ++j) h_[j] += x[i] * w1_[i * kHidden + j];
    p_ = b2_;
    for (std::size_t j = 0; j < kHidden; ++j) {
      h_[j] = std::max(h_[j], 0.0F);
      for (std::size_t k = 0; k < kOut; ++k) p_[k] += h_[j] * w2_[j * kOut + k];
    }
    const float most = *std::max_element(p_.begin(), p_.end());
    float sum = 0;
    for (float& v : p_) sum += v = std::exp(v - most);
    for (float& v : p_) v /= sum;
  }

  /// One step of SGD on the cross entropy of a batch.
  void step(const Digits& data, const std::vector<std::size_t>& batch) {
    std::vector<float> g1(w1_.size()), gb1(kHidden), g2(w2_.size()), gb2(kOut), back(kHidden);
    for (const std::size_t sample : batch) {
      const float* x = &data.pixels[sample * kIn];
      forward(x);
      p_[static_cast<std::size_t>(data.labels[sample])] -= 1;
      for (std::size_t j = 0; j < kHidden; ++j) {
        back[j] = 0;
        for (std::size_t k = 0; k < kOut; ++k) {
          g2[j * kOut + k] += h_[j] * p_[k];
          back[j] += h_[j] > 0 ? w2_[j * kOut + k] * p_[k] : 0;
        }
        gb1[j] += back[j];
      }
      for (std::size_t i = 0; i < kIn; ++i)
        for (std::size_t j = 0; j < kHidden; ++j) g1[i * kHidden + j] += x[i] * back[j];
      for (std::size_t k = 0; k < kOut; ++k) gb2[k] += p_[k];
    }
    const float rate = kRate / static_cast<float>(batch.size());
    for (const auto& [values, gradient] : {std::pair{&w1_, &g1}, {&b1_, &gb1}, {&w2_, &g2}, {&b2_, &gb2}})
      for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] -= rate * (*gradient)[i];
  }

  std::vector<float> w1_ = std::vector<float>(kIn * kHidden), b1_ = std::vector<float>(kHidden);
  std::vector<float> w2_ = std::vector<float>(kHidden * kOut), b2_ = std::vector<float>(kOut);
  std::vector<float> h_, p_;  // of the last sample: the hidden layer, the probabilities
  std::mt19937 shuffle_{std::random_device{}()};
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: federated_digits TRAIN.npz [TEST.npz]\n"), 2;
  const Digits train = read_digits(argv[1]);
  const Digits test = argc > 2 ? read_digits(argv[2]) : Digits();
  Network network(0);

  using sedna::federated::RoundClient;
  using sedna::federated::RoundClientOptions;
  RoundClient client(RoundClientOptions::from_context(sedna::worker::Context::from_environment(), "digits"));
  client.connect();
  if (client.wants_initial()) client.offer_initial(network.weights());
  for (;;) {
    const auto task = client.next(std::chrono::seconds(10));
    if (const auto why = client.take_refusal(); !why.empty()) std::fprintf(stderr, "refused: %s\n", why.c_str());
    if (!task) continue;  // nothing new yet; this is where a program with other work would look after it
    if (task->model) network.set(task->model->weights);
    if (test.size() > 0 && task->model)
      std::printf("round %lld of %lld: accuracy %.4f\n", static_cast<long long>(task->model->round),
                  static_cast<long long>(task->rounds), network.accuracy(test));
    if (task->finished) break;
    network.train(train);
    sedna::federated::TrainedUpdate update;
    update.samples = static_cast<double>(train.size());
    update.weights = network.weights();
    client.submit(update);
  }
  client.close();
  return 0;
} catch (const std::exception& e) {
  return std::fprintf(stderr, "federated_digits: %s\n", e.what()), 1;
}
