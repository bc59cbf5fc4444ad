// The cloud of the offload and stream benchmarks: a model that answers at once (on the connection's thread) or after
// the milliseconds given, without computing. `bench_server MILLISECONDS`; prints its origin and runs until its input
// ends.
#include <cstdio>
#include <cstdlib>

#include "sedna/inference/model_server.hpp"

#include "bench_util.hpp"

namespace sedna::bench {
namespace {

/// Accepts any float32 tensor called x and says ten probabilities.
class Trivial final : public inference::Estimator {
 public:
  explicit Trivial(int milliseconds) : milliseconds_(milliseconds) {
    metadata_.name = "bench";
    metadata_.platform = "cpp";
    metadata_.inputs = {{"x", tensor::DType::kFp32, {1, -1}}};
    metadata_.outputs = {{"probabilities", tensor::DType::kFp32, {1, 10}}};
  }
  const inference::ModelMetadata& metadata() const override { return metadata_; }
  int concurrency() const override { return 64; }
  bool run_inline() const override { return milliseconds_ == 0; }
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor>, Deadline) override {
    if (milliseconds_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds_));
    static constexpr float kAnswer[10] = {0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F};
    std::vector<tensor::Tensor> out(1);
    out[0].name = "probabilities";
    out[0].shape = {1, 10};
    out[0].data = Bytes::unowned(std::as_bytes(std::span(kAnswer)));
    return out;
  }

 private:
  inference::ModelMetadata metadata_;
  int milliseconds_;
};

}  // namespace
}  // namespace sedna::bench

int main(int argc, char** argv) {
  try {
    sedna::metrics::Registry registry;
    sedna::inference::ModelServerOptions options;
    options.server.access_log = false;
    sedna::inference::ModelServer server(options, registry);
    server.add(std::make_shared<sedna::bench::Trivial>(argc > 1 ? std::atoi(argv[1]) : 0));
    server.start();
    std::printf("%s\n", server.origin().c_str());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    server.stop();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_server: %s\n", e.what());
    return 1;
  }
  return 0;
}
