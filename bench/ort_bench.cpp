// ONNX Runtime alone, in this process: CPU and wall time an item, and resident memory of an idle process that holds the
// model. The yardsticks of ji_server_* and rss_worker. `ort_bench time MODEL.onnx SECONDS` or `ort_bench rss
// MODEL.onnx`.
#include <sys/resource.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sedna/inference/onnx_estimator.hpp"

#include "bench_util.hpp"

namespace sedna::bench {
namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::vector<tensor::Tensor> zeros_for(const inference::ModelMetadata& metadata) {
  std::vector<tensor::Tensor> inputs;
  for (const auto& spec : metadata.inputs) {
    tensor::Tensor t;
    t.name = spec.name;
    t.dtype = spec.dtype;
    for (const auto d : spec.shape) t.shape.push_back(d < 0 ? 1 : d);
    AlignedBuffer buffer(tensor::element_count(t.shape, tensor::dtype_size(t.dtype)).value());
    std::memset(buffer.data(), 0, buffer.size());
    t.data = std::move(buffer).freeze();
    inputs.push_back(std::move(t));
  }
  return inputs;
}

void time_items(inference::Estimator& model, double seconds) {
  const auto inputs = zeros_for(model.metadata());
  for (int i = 0; i < 100; ++i) model.infer(inputs, {});
  const double cpu = cpu_seconds();
  const auto start = BenchClock::now();
  std::size_t items = 0;
  while (micros(BenchClock::now() - start) < seconds * 1e6) {
    for (int i = 0; i < 16; ++i) model.infer(inputs, {});
    items += 16;
  }
  const double wall = micros(BenchClock::now() - start);
  const auto n = static_cast<double>(items);
  std::printf("{\"items\": %zu, \"cpu_us\": %.3f, \"wall_us\": %.3f}\n", items, (cpu_seconds() - cpu) * 1e6 / n,
              wall / n);
}

}  // namespace
}  // namespace sedna::bench

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  try {
    if (what == "time" && argc > 3) {
      const auto model = sedna::inference::OnnxEstimator::load(argv[2], {});
      sedna::bench::time_items(*model, std::atof(argv[3]));
    } else if (what == "rss" && argc > 2) {
      const auto model = sedna::inference::OnnxEstimator::load(argv[2], {});
      std::printf("ready\n");
      std::fflush(stdout);
      std::getchar();  // stays until its input ends; run.py reads /proc meanwhile
    } else {
      std::fprintf(stderr, "usage: ort_bench time MODEL.onnx SECONDS | rss MODEL.onnx\n");
      return 2;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ort_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
